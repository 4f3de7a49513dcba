"""Datasets, one file or folder each; `base.py` is their contract."""
