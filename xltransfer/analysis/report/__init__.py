"""Finished runs as one page: what was trained, how it went, what came out, and what it still gets wrong."""
