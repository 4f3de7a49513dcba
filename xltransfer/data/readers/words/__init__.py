"""Readers of tagged words in columns: rows, the roles of columns, where sentences end."""
