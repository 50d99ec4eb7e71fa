"""Data sets as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tui.text.translate import N_, _

FORMAT_NAMES: Final[Mapping[str, str]] = {
    "voc": "Pascal VOC",
    "yolo": "YOLO",
    "coco": "COCO",
    "list": N_("list of images"),
}


def split_counts(images: Mapping[str, int]) -> str:
    """The number of images in each split."""
    counts = {split: images.get(split, 0) for split in ("train", "val", "test")}
    return _("train {train} · val {val} · test {test}", **counts)
