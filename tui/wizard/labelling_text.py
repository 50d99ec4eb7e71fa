"""What a folder holds that is to be labelled, and what was done, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.messages import printable
from tui.text import _, ngettext, translate
from tui.text.datasets import FORMAT_NAMES
from tui.wizard.labelling import PICKED, FolderContent, LabelFormat, PickedImages, Proposals

if TYPE_CHECKING:
    from engine.evaluation.labelling.enlarged_dataset import EnlargedDataset

MAX_PROBLEMS = 3


def describe_format(to: LabelFormat, *, is_fixed: bool) -> str:
    """The format of the label files; `is_fixed`: it is that of the labels that are there."""
    name = _(FORMAT_NAMES[to])
    if is_fixed:
        return _("Label files: {format}, as the labels that are there", format=name)
    return _("Label files: {format} (F2 changes it)", format=name)


def describe_thresholds(threshold: float | None, of_classes: Mapping[str, float]) -> str:
    """From which confidence a box is proposed: from `threshold` on (None: not known yet), or from those of the classes, if there are any."""
    if threshold is None:
        return _("Boxes from the threshold of the best F1 that is stored with the weights")
    if not of_classes:
        return _("Boxes from the best threshold of all classes (F4): {threshold}", threshold=f"{threshold:.2f}")
    each = ", ".join(f"{printable(name)} {value:.2f}" for name, value in of_classes.items())
    return _("Boxes from the best threshold of each class (F4): {thresholds}", thresholds=each)


def describe_content(content: FolderContent) -> Iterator[str]:
    """How many images are in the folder, and what the keys do with them."""
    yield ngettext(
        "{count} image, of which {unlabelled} without labels.",
        "{count} images, of which {unlabelled} without labels.",
        content.images,
        unlabelled=content.unlabelled,
    )
    if content.unlabelled:
        yield _("F5 proposes labels for them. F6 lists the {count} that the network is least sure of.", count=PICKED)
    else:
        yield _("F6 lists those with proposed labels that the network is least sure of. F8 trains on all.")


def describe_proposals(done: Proposals) -> Iterator[str]:
    """How many files are written, and what to do with them."""
    if done.stopped:
        yield _("Stopped. F5 labels the other images.")
    yield ngettext(
        "{count} label file is written, with {boxes} boxes",
        "{count} label files are written, with {boxes} boxes",
        done.files,
        boxes=done.boxes,
    )
    if done.without_objects:
        yield ngettext(
            "{count} image got none, since nothing was found in it",
            "{count} images got none, since nothing was found in them",
            done.without_objects,
        )
    if done.files:
        yield _("They are marked as proposed: check them in a label tool. Then F8 here trains on all labelled images.")


def describe_problems(done: Proposals) -> Iterator[str]:
    """The images that got no labels, and why."""
    yield from map(translate, done.problems[:MAX_PROBLEMS])
    if len(done.problems) > MAX_PROBLEMS:
        yield _("and {count} more", count=len(done.problems) - MAX_PROBLEMS)


def describe_picked(picked: PickedImages, saved: Path) -> Iterator[str]:
    """What the listed images are; `saved`: the file with the list."""
    if not picked.images:
        yield _("Every image has labels that somebody has checked.")
        return
    yield ngettext(
        "Label this image next, of {candidates}: the network is least sure of it.",
        "Label these {count} images next, of {candidates}: the network is least sure of them.",
        len(picked.images),
        candidates=picked.candidates,
    )
    yield _("The list is saved: {path}", path=saved)


def describe_enlarged(enlarged: EnlargedDataset) -> str:
    """What is new in the data set, and how many of its labels nobody has checked."""
    text = ngettext(
        "{count} training image is new; the validation images are those of the run.",
        "{count} training images are new; the validation images are those of the run.",
        enlarged.added,
    )
    if not enlarged.proposed:
        return text
    unchecked = ngettext(
        "The labels of {count} of them are marked as proposed: nobody has checked them.",
        "The labels of {count} of them are marked as proposed: nobody has checked them.",
        enlarged.proposed,
    )
    return f"{text} {unchecked}"
