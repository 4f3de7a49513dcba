"""Representation transformation networks, one file each; `base.py` is their contract."""
