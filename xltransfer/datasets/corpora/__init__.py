"""Named corpora on the Hugging Face Hub."""
