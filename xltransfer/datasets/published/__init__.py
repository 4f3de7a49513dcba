"""Published splits given as line numbers of the original files."""
