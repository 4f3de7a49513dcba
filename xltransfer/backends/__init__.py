"""Meta-gradient backends, one file each; `base.py` is their contract."""
