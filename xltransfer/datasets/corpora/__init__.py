"""Named corpora of the Hugging Face hub."""
