"""Load encoders, and insert RTNs between their layers."""
