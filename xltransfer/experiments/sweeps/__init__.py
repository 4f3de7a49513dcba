"""Read sweep files and execute their runs."""
