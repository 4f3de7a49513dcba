"""Several runs: comparisons and what they allow to be said."""
