"""Starts trainings, watches over them, resumes them."""
