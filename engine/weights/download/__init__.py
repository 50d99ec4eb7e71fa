"""Published weights: which there are, and their download."""
