"""Tasks, one file each; `base.py` is their contract."""
