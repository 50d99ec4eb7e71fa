"""Run folders: their files, their lock, what is in them."""
