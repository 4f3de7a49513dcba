"""What a run did to its representations."""
