"""Engines that execute the runs of a sweep."""
