"""Weights files: our own, Darknet's, the tutorials'; read, checked, loaded, downloaded."""
