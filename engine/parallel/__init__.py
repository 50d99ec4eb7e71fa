"""Several processes that train together: what they exchange, and how they are started."""
