"""Data sets as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.messages import Message, printable
from tui.text.joining import join_sentences
from tui.text.translate import N_, _, ngettext, translate

if TYPE_CHECKING:
    from engine.dataset.finding_groups import FindingGroup
    from engine.dataset.index import Dataset

FORMAT_NAMES: Final[Mapping[str, str]] = {
    "voc": "Pascal VOC",
    "yolo": "YOLO",
    "coco": "COCO",
    "list": N_("list of images"),
    "labelme": "LabelMe",
    "csv": "CSV",
}


SPLIT_NAMES: Final[Mapping[str, str]] = {"train": N_("train"), "val": N_("val"), "test": N_("test")}
"""In files and options a split has its English name; in sentences that of the user's language."""

_SPLIT_VALUES: Final = ("split", "first", "second")
"""Values of findings that may be the name of a split."""


def split_name(split: str) -> str:
    """The name of a split, in the user's language."""
    return _(SPLIT_NAMES[split]) if split in SPLIT_NAMES else split


def split_counts(images: Mapping[str, int]) -> str:
    """The number of images in each split."""
    counts = {split: images.get(split, 0) for split in ("train", "val", "test")}
    return _("train {train} · val {val} · test {test}", **counts)


def split_origin(dataset: Dataset) -> str:
    """Where the splits come from: the data set itself, or a draw."""
    if not dataset.splits_drawn:
        return _("split of the data set")
    if len(dataset.own_splits.get("train", ())):
        return _("validation images drawn from the training images; each run keeps its own")
    if not len(dataset.splits["test"]):
        return _("split drawn at random (too few images for a test split); each run keeps its own")
    return _("split drawn at random; each run keeps its own")


def finding_sentence(message: Message, root: Path) -> str:
    """A finding about the data set at `root`: paths are relative to it, and it is called by the name of its folder."""
    short = _with_short_paths(message, root)
    splits = {
        name: _(SPLIT_NAMES[value])
        for name, value in short.values.items()
        if name in _SPLIT_VALUES and isinstance(value, str) and value in SPLIT_NAMES
    }
    return translate(replace(short, values={**short.values, **splits}))


def _with_short_paths(message: Message, root: Path) -> Message:
    short = {
        name: _with_short_paths(value, root) if isinstance(value, Message) else _short_path(value, root)
        for name, value in message.values.items()
        if name in ("file", "path") or isinstance(value, Message)
    }
    return replace(message, values={**message.values, **short})


def _short_path(value: object, root: Path) -> object:
    path = Path(str(value))
    if path == root and root.name:
        return f"{root.name}/"
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else value


def finding_text(group: FindingGroup, root: Path) -> str:
    """The first finding of a kind, how many more there are, and in which files; paths are relative to `root`."""
    sentence = finding_sentence(group.first.message, root)
    if not group.more:
        return sentence
    names = ", ".join(map(printable, group.more_files))
    if not names:
        more = ngettext("(and {count} more like it)", "(and {count} more like it)", group.more)
        return join_sentences(sentence, more)
    if len(group.more_files) < group.more:
        names += ", …"
    more = ngettext(
        "(and {count} more like it: {names})", "(and {count} more like it: {names})", group.more, names=names
    )
    return join_sentences(sentence, more)
