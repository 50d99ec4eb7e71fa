"""Every parameter of a training: the model, the rules between settings, and how a recipe is made, read and written."""

from engine.recipe.files import load_recipe, parse_assignments, read_settings_file, recipe_to_toml, to_plain_value
from engine.recipe.making import make_recipe
from engine.recipe.model import COCO, MIN_BATCH_SIZE, Network, Recipe, is_read_by
from engine.recipe.rules import batch_size_problems, nearest_divisible

__all__ = [
    "COCO",
    "MIN_BATCH_SIZE",
    "Network",
    "Recipe",
    "batch_size_problems",
    "is_read_by",
    "load_recipe",
    "make_recipe",
    "nearest_divisible",
    "parse_assignments",
    "read_settings_file",
    "recipe_to_toml",
    "to_plain_value",
]
