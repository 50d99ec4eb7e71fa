"""Run folders: their files, their lock, their state."""
