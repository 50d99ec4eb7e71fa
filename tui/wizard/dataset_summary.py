"""What the Data screen says about a data set, in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.dataset.index import Finding
from engine.messages import Message, printable
from tui.text import N_, _, ngettext
from tui.wizard.dataset_inspection import DatasetInspection
from tui.wizard.path_completion import TypedPath

FORMATS = {"voc": "Pascal VOC", "yolo": "YOLO", "coco": "COCO", "list": N_("list of pictures")}
SHOWN_COMPLETIONS = 12


def summary(look: DatasetInspection) -> str:
    """Format, counts, splits: three lines."""
    dataset, images = look.dataset, look.dataset.image_counts()
    pictures = ngettext("{count} picture", "{count} pictures", sum(images.values()))
    boxes = ngettext("{count} box", "{count} boxes", len(dataset.boxes))
    split = _("train {train} · val {val} · test {test}", **images)
    origin = _("split drawn here, kept with each run") if dataset.splits_drawn else _("split of the data set")
    return f"{_(FORMATS[dataset.format])} · {pictures} · {boxes}\n{split}\n{origin}"


def disagreement(look: DatasetInspection) -> Iterator[Finding]:
    """A classes file that nobody chose, and whose names are not those of the labels."""
    if look.names_beside and look.classes_file is not None:
        foreign = sorted(set(look.dataset.classes) - set(look.names_beside))
        message = Message(
            "class.beside",
            "{file} names other classes ({names}) than the labels ({foreign}); the labels' names are taken.",
            {
                "file": look.classes_file.name,
                "names": ", ".join(look.names_beside),
                "foreign": ", ".join(foreign),
            },
        )
        yield Finding("warning", str(look.classes_file), message)


def continuations(typed: TypedPath) -> str:
    """What a path may become, as far as it is not there whole."""
    names = [printable(Path(text).name) + ("/" if text.endswith(("/", "\\")) else "") for text in typed.completions]
    return "" if not names else _("Tab: {names}", names="  ".join(names[:SHOWN_COMPLETIONS]))


def understood() -> str:
    """The formats, for whoever has named no folder yet."""
    return "\n".join(
        (
            _("What is understood, by itself:"),
            _("Pascal VOC  Annotations/*.xml and JPEGImages/, with or without VOCdevkit/"),
            _("YOLO        a .txt for each picture; data.yaml or classes.txt for the names"),
            _("COCO        a .json with images, annotations and categories"),
            _("lists       lines of: path x1,y1,x2,y2,class ..."),
            "",
            _("No labelled pictures yet? F2 draws a sample set in seconds."),
        )
    )


def path_help() -> str:
    """What F1 says about the field."""
    return _(
        "The folder of the data set at any level, or its data.yaml, COCO .json or list. Tab completes, F3 chooses from a tree, "
        "F2 takes the drawn sample set. F4 and F5 turn the pictures over, F6 gives classes other names, F7 reads it as another format, Ctrl+R looks anew. "
        "Spaces, Chinese characters and links in paths are all right."
    )
