"""Examples, their readers, and how they become batches."""
