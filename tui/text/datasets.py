"""Data sets as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.dataset.finding_groups import FindingGroup
from engine.messages import printable
from tui.text.translate import N_, _, ngettext, translate

FORMAT_NAMES: Final[Mapping[str, str]] = {
    "voc": "Pascal VOC",
    "yolo": "YOLO",
    "coco": "COCO",
    "list": N_("list of images"),
    "labelme": "LabelMe",
    "csv": "CSV",
}


def split_counts(images: Mapping[str, int]) -> str:
    """The number of images in each split."""
    counts = {split: images.get(split, 0) for split in ("train", "val", "test")}
    return _("train {train} · val {val} · test {test}", **counts)


def finding_text(group: FindingGroup) -> str:
    """The first finding of a kind, how many more there are, and in which files."""
    sentence = translate(group.first.message)
    if not group.more:
        return sentence
    names = ", ".join(map(printable, group.more_files))
    if not names:
        return f"{sentence} " + ngettext("(and {count} more like it)", "(and {count} more like it)", group.more)
    if len(group.more_files) < group.more:
        names += ", …"
    more = ngettext(
        "(and {count} more like it: {names})", "(and {count} more like it: {names})", group.more, names=names
    )
    return f"{sentence} {more}"
