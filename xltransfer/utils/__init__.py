"""Files, caches, seeds, timing, processes and parameters."""
