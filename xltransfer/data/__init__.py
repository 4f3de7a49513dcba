"""Examples, file readers, sampling and batching."""
