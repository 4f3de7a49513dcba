"""The embedded dataset of generated languages."""
