"""Time a step of each backend and baseline."""
