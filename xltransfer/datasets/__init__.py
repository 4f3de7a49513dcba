"""Datasets, one file or folder each; `base.py` defines their interface."""
