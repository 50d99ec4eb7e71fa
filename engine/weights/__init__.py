"""Weights files: our own, Darknet's, the tutorials'. Reads, checks, loads and downloads them."""
