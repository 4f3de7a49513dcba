"""Readers of labelled texts: which columns or fields they stand in, and what their labels are."""
