"""Texts of the Data screen about a data set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.dataset.index import Finding
from engine.messages import Message, printable
from tui.text import _, ngettext
from tui.text.datasets import FORMAT_NAMES, split_counts
from tui.wizard.dataset_inspection import DatasetInspection
from tui.wizard.path_completion import PathStatus

MAX_LISTED_COMPLETIONS = 12


def dataset_summary(inspection: DatasetInspection) -> str:
    """Format, counts and splits in three lines."""
    dataset, counts = inspection.dataset, inspection.dataset.image_counts()
    images = ngettext("{count} image", "{count} images", sum(counts.values()))
    boxes = ngettext("{count} box", "{count} boxes", len(dataset.boxes))
    origin = _("split drawn by freezetui, stored with each run") if dataset.splits_drawn else _("split of the data set")
    return f"{_(FORMAT_NAMES[dataset.format])} · {images} · {boxes}\n{split_counts(counts)}\n{origin}"


def class_name_conflicts(inspection: DatasetInspection) -> Iterator[Finding]:
    """A finding for a classes file whose names differ from those of the labels, where the user chose neither."""
    if inspection.conflicting_names and inspection.classes_file is not None:
        unknown = sorted(set(inspection.dataset.classes) - set(inspection.conflicting_names))
        message = Message(
            "class.beside",
            "{file} has other class names ({names}) than the labels ({foreign}); the labels' names are used.",
            {
                "file": inspection.classes_file.name,
                "names": ", ".join(inspection.conflicting_names),
                "foreign": ", ".join(unknown),
            },
        )
        yield Finding("warning", str(inspection.classes_file), message)


def completion_hint(typed: PathStatus) -> str:
    """How the typed path can be completed with Tab."""
    names = [printable(Path(text).name) + ("/" if text.endswith(("/", "\\")) else "") for text in typed.completions]
    return "" if not names else _("Tab: {names}", names="  ".join(names[:MAX_LISTED_COMPLETIONS]))


def formats_help() -> str:
    """The formats that are recognised, shown while no folder is chosen."""
    return "\n".join(
        (
            _("Formats that are recognised:"),
            _("Pascal VOC  Annotations/*.xml and JPEGImages/, with or without VOCdevkit/"),
            _("YOLO        a .txt for each image; data.yaml or classes.txt for the names"),
            _("COCO        a .json with images, annotations and categories"),
            _("LabelMe     a .json for each image, beside it or in a folder of its own"),
            _("CSV         filename, width, height, class, xmin, ymin, xmax, ymax in each line"),
            _("lists       lines of: path x1,y1,x2,y2,class ..."),
            "",
            _("No labelled images yet? F2 draws a sample set in seconds."),
        )
    )


def path_help() -> str:
    """What F1 says about the path field."""
    return _(
        "The folder of the data set at any level, or its data.yaml, .json, .csv or list. Tab completes, F3 opens a folder tree, "
        "F2 takes the drawn sample set. F4 and F5 show the previous and next image, F6 renames classes, F7 selects another format, "
        "Ctrl+R reads the data set again. Spaces, Chinese characters and links in paths work."
    )
