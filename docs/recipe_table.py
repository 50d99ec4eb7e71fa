"""Prints docs/recipes.md from the Recipe model and the presets: `python docs/recipe_table.py > docs/recipes.md`."""

from __future__ import annotations

import sys

from engine.planning.advice import (
    ADVISED_STEPS,
    EPOCHS_OF_FEW_IMAGES,
    FIRST_LOOK_STEPS,
    MAX_ADVISED_EPOCHS,
    MODERN_ADVISED_STEPS,
)
from engine.recipe import Recipe, is_read_by, make_recipe
from engine.recipe.presets import list_presets

TUTORIAL_STEPS = {optimizer: f"{steps:,}" for optimizer, steps in ADVISED_STEPS.items()}
HOW_MANY_EPOCHS = f"""\
## How many epochs?

What counts is the number of steps, not that of epochs: an epoch of 20 images is 2 steps, one of 5000 images 625.

| method | steps that are advised |
| --- | --- |
| modern | {MODERN_ADVISED_STEPS}; {FIRST_LOOK_STEPS} are enough for a first look, to see that everything works |
| tutorial | {TUTORIAL_STEPS["sgd"]} with SGD, {TUTORIAL_STEPS["adam"]} with Adam and AdamW, counted as if every epoch used the batch size of the unfreeze stage |

Where few images would need more than {MAX_ADVISED_EPOCHS["modern"]} (modern) or {MAX_ADVISED_EPOCHS["tutorial"]} (tutorial) epochs for that, at most \
{EPOCHS_OF_FEW_IMAGES["modern"]} or {EPOCHS_OF_FEW_IMAGES["tutorial"]} epochs are advised: more
images help most then.

In the wizard, the modern presets but `modern-scratch` adapt `freeze_epoch` and `unfreeze_epoch` to the number of training images. \
G on the
Recipe screen switches between *a good result* (the epochs of the preset, or as many as give the advised steps) and *a first look* \
(as few as
give {FIRST_LOOK_STEPS} steps). Presets of the tutorials and your own stay as they are, and so does what you set in Tune. Review shows the numbers of
epochs, and the command that it shows contains them.

The commands adapt nothing: `train` and `plan` use the recipe exactly as it is written, so that the same command is the same training
on any data set. `freezetui plan` compares its steps with those that are advised, and names the `unfreeze_epoch` that gives them.

With `init_lr` or `min_lr` of your own, the tutorial method scales them by batch size / 64 and limits them (SGD: 0.0005 to 0.05, Adam and
AdamW: 0.0003 to 0.001, a hundredth of that for `min_lr`). The plan says so where it changes your value.""".splitlines()


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
    lines += ["", *HOW_MANY_EPOCHS, "", "## Settings", ""]
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
