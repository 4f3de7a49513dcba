"""Write finished runs as one HTML page."""
