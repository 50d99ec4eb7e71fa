"""Prints the tables of docs/memory.md: `python docs/batch_table.py`. No card is needed; nothing is allocated."""

from __future__ import annotations

import sys

from engine.planning.memory.budget import Budget
from engine.planning.memory.batch_size import BatchSizeProblem, suggest_batch_sizes
from engine.recipe import make_recipe

SIZES = (2, 4, 6, 8, 12, 24, 80)
IMAGES, EPOCHS, CLASSES, BOXES = 20_000, 100, 20, 60


def table(*, half: bool) -> list[str]:
    """The largest unfreeze batch for each size of card, all of it free or half."""
    lines = ["| network | input | numbers | " + " | ".join(f"{size} GB" for size in SIZES) + " |"]
    lines.append("| --- | --- | --- |" + " ---: |" * len(SIZES))
    for network in ("yolov4-tiny", "yolov4"):
        for side in (416, 608):
            for precision in ("fp32", "fp16"):
                cells = [_cell(network, side, precision, size * 2**30 // (2 if half else 1)) for size in SIZES]
                shown = "fp32" if precision == "fp32" else "16-bit"
                lines.append(f"| {network} | {side} | {shown} | " + " | ".join(cells) + " |")
    return lines


def _cell(network: str, side: int, precision: str, free: int) -> str:
    recipe = make_recipe({"network": network, "input_shape": [side, side], "unfreeze_epoch": EPOCHS})
    found = suggest_batch_sizes(
        BatchSizeProblem(recipe, CLASSES, BOXES, IMAGES, IMAGES // 9, precision, Budget(free, "cuda"), None)
    )
    return "-" if found is None else str(found.largest)


def main() -> None:
    """Print both tables."""
    for title, half in (("The whole card is free", False), ("Half of it is taken by others", True)):
        sys.stdout.write("\n".join(["", f"**{title}**", "", *table(half=half), ""]))


if __name__ == "__main__":
    main()
