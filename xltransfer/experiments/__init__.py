"""Compare many runs: comparisons, sweeps, searches, statistics and tables."""
