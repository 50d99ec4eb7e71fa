"""Prints docs/recipes.md from the Recipe model and the presets: `python docs/recipe_table.py > docs/recipes.md`."""

from __future__ import annotations

import sys

from engine.recipe import Recipe, is_read_by, make_recipe
from engine.recipe.presets import list_presets


def page() -> str:
    """The whole page."""
    lines = ["# Recipes and presets", "", "[简体中文](recipes.zh-CN.md)", ""]
    lines += [
        "A recipe holds every setting of a training. A preset is a ready recipe; its file has only what differs from the defaults.",
        "`freezetui presets show NAME` prints a preset. `--set key=value`, once or several times, changes settings:",
        "",
        "```sh",
        "freezetui train --data FOLDER --preset modern-whole --set unfreeze_epoch=100 --set network=yolov4",
        "```",
        "",
        "Not sure which? With a graphics card use `modern-whole` (the default); without one try `quick-cpu` first.",
        "",
    ]
    lines += ["| preset | what it is |", "| --- | --- |"]
    lines += [f"| `{preset.name}` | {preset.summary} |" for preset in list_presets()]
    lines += ["", "## Settings", ""]
    lines += ["| setting | modern | tutorial | meaning |", "| --- | --- | --- | --- |"]
    defaults = {method: make_recipe({"method": method}) for method in ("modern", "tutorial")}
    for name, field in Recipe.model_fields.items():
        values = [
            f"`{getattr(recipe, name)}`" if is_read_by(name, method) else "not read"
            for method, recipe in defaults.items()
        ]
        lines.append(f"| `{name}` | {values[0]} | {values[1]} | {field.description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
