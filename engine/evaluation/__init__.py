"""Detects objects with trained weights, and measures how well."""

import logging

# Where its folder of settings cannot be written, matplotlib writes a paragraph about it when it is imported.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
