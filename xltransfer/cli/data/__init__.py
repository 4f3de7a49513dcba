"""The commands of `xlt data`, one module each."""
