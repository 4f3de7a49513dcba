"""Measure what a run did to its representations."""
