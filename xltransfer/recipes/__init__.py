"""Published experiments as named configurations."""
