"""Tables of scores, as text and as a plot."""
