"""What trained weights find, and how good that is."""
