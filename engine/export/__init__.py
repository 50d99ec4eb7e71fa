"""Writes weights in the formats of other programs, and runs what was written before it says so."""
