"""The terminal: its streams and its graphics protocols."""
