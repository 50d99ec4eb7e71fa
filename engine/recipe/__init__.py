"""Every parameter of a training: the model, the rules between its settings, and how it is made, read and written."""

from engine.recipe.files import load_recipe, parse_assignments, read_settings_file, recipe_to_toml
from engine.recipe.making import make_recipe
from engine.recipe.model import COCO, LEAST_BATCH, Network, Recipe, is_read_by

__all__ = [
    "COCO",
    "LEAST_BATCH",
    "Network",
    "Recipe",
    "is_read_by",
    "load_recipe",
    "make_recipe",
    "parse_assignments",
    "read_settings_file",
    "recipe_to_toml",
]
