"""Texts of the Data screen about a data set."""

from __future__ import annotations

from collections.abc import Iterator

from engine.dataset.index import Finding
from engine.messages import Message
from tui.text import _, ngettext
from tui.text.datasets import FORMAT_NAMES, split_counts, split_origin
from tui.wizard.dataset_inspection import DatasetInspection


def dataset_summary(inspection: DatasetInspection) -> str:
    """Format, counts and splits in three lines; in a fourth how many images cannot be read."""
    dataset, counts = inspection.dataset, inspection.dataset.image_counts()
    images = ngettext("{count} image", "{count} images", sum(counts.values()))
    boxes = ngettext("{count} box", "{count} boxes", len(dataset.boxes))
    lines = [
        f"{_(FORMAT_NAMES[dataset.format])} · {images} · {boxes}",
        split_counts(counts),
        split_origin(dataset),
    ]
    if unreadable := unreadable_count(inspection):
        lines.append(ngettext("{count} image cannot be read", "{count} images cannot be read", unreadable))
    return "\n".join(lines)


def unreadable_count(inspection: DatasetInspection) -> int:
    """How many images of the splits cannot be read, as far as is known."""
    if inspection.readable is None:
        return 0
    return sum(inspection.dataset.image_counts().values()) - sum(inspection.readable.values())


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


def formats_help() -> str:
    """The formats that are recognised, shown while no folder is chosen."""
    return "\n".join(
        (
            _("Formats that are recognised:"),
            _("Pascal VOC  Annotations/*.xml and JPEGImages/, with or without VOCdevkit/"),
            _("YOLO        a .txt for each image; data.yaml or classes.txt for the names"),
            _("COCO        a .json with images, annotations and categories"),
            _("LabelMe     a .json for each image, beside it or in a folder of its own"),
            _("CSV         filename,width,height,class,xmin,ymin,xmax,ymax in each line"),
            _("lists       lines of: path x1,y1,x2,y2,class ..."),
            "",
            _("No labelled images yet? F2 draws a sample set in seconds."),
        )
    )


def layouts_help() -> str:
    """What the folders of the common formats look like, side by side."""
    return "\n".join(
        (
            _("A folder may look like one of these:"),
            "",
            _("Pascal VOC                    YOLO                    COCO"),
            _("  Annotations/a.xml             images/train/a.jpg      annotations/instances_train.json"),
            _("  JPEGImages/a.jpg              labels/train/a.txt      train/a.jpg"),
            _("  ImageSets/Main/train.txt      data.yaml               val/b.jpg"),
        )
    )
