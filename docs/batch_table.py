"""Prints the tables of docs/memory.md: `python docs/batch_table.py`. It needs no card and allocates nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from engine.planning.memory.batch_size import BatchSizeProblem, suggest_batch_sizes
from engine.planning.memory.budget import Budget
from engine.recipe import make_recipe

CARD_SIZES = (2, 4, 6, 8, 12, 24, 80)
"""In GiB."""
IMAGES, EPOCHS, CLASSES, BOXES = 20_000, 100, 20, 60


def table(free_fraction: float, lengths: Sequence[int], checkpointing: str) -> list[str]:
    """The largest unfreeze batch size on cards of each size, of which this fraction is free; `checkpointing`: off or on."""
    rows = ["| network | input | precision | " + " | ".join(f"{size} GiB" for size in CARD_SIZES) + " |"]
    rows.append("| --- | --- | --- |" + " ---: |" * len(CARD_SIZES))
    for network in ("yolov4-tiny", "yolov4"):
        for length in lengths:
            for precision, label in (("fp32", "fp32"), ("fp16", "16-bit")):
                cells = [
                    largest_batch_size(network, length, precision, round(free_fraction * size * 2**30), checkpointing)
                    for size in CARD_SIZES
                ]
                rows.append(f"| {network} | {length} | {label} | " + " | ".join(cells) + " |")
    return rows


def largest_batch_size(network: str, length: int, precision: str, free: int, checkpointing: str) -> str:
    """As text; "-" where not even 2 fits."""
    settings = {"network": network, "input_shape": [length, length], "unfreeze_epoch": EPOCHS}
    recipe = make_recipe({**settings, "activation_checkpointing": checkpointing})
    batch_sizes = suggest_batch_sizes(
        BatchSizeProblem(recipe, CLASSES, BOXES, IMAGES, IMAGES // 9, precision, Budget(free, "cuda"), None)
    )
    return "-" if batch_sizes is None else str(batch_sizes.largest)


def main() -> None:
    """Print the tables."""
    for title, free_fraction, lengths, checkpointing in (
        ("The whole card is free", 1.0, (416, 608), "off"),
        ("Other programs use half of it", 0.5, (416, 608), "off"),
        ("The whole card is free, with activation checkpointing", 1.0, (416,), "on"),
    ):
        sys.stdout.write("\n".join(["", f"**{title}**", "", *table(free_fraction, lengths, checkpointing), ""]))


if __name__ == "__main__":
    main()
