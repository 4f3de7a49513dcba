"""The built-in dataset of synthetic languages."""
