"""Readers of data files, one file a family of formats."""
