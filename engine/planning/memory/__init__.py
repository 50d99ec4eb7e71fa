"""How much memory a training needs, and the batch sizes that fit."""
