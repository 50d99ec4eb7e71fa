"""Detects objects with trained weights, and measures how well."""
