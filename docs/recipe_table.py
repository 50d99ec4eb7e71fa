"""Prints docs/recipes.md from the Recipe model and the presets: `python docs/recipe_table.py > docs/recipes.md`."""

from __future__ import annotations

import sys

from engine.recipe.presets import list_presets
from engine.recipe import Recipe, is_read_by, make_recipe


def page() -> str:
    """The whole page."""
    lines = ["# Recipes and presets", "", "[简体中文](recipes.zh-CN.md)", ""]
    lines += [
        "A recipe is every setting of a training; a preset is a ready one that says only what differs from the defaults.",
        "`freezetui presets show NAME` prints one. Change settings with `--set key=value`, as often as you like:",
        "",
        "```sh",
        "freezetui train --data FOLDER --preset modern-whole --set unfreeze_epoch=100 --set network=yolov4",
        "```",
        "",
        "Not sure which? `modern-whole` (the default) with a graphics card; without one try `quick-cpu` first.",
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
