"""Starts, supervises and resumes trainings."""
