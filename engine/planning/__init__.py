"""What will run: Recipe, Dataset and Hardware resolved into a Plan."""
