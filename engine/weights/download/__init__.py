"""Published weights: what there is, and how to fetch it."""
