"""Which format a data set has: of the readers that recognise the path, the one that reads most boxes and images from it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.dataset.formats.coco import read_coco
from engine.dataset.formats.csv_table import read_csv
from engine.dataset.formats.labelme import read_labelme
from engine.dataset.formats.lists import read_lists
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading import Reading
from engine.dataset.formats.voc import read_voc
from engine.dataset.formats.yolo import read_yolo
from engine.dataset.image_files import images_below, is_image_file
from engine.messages import BadInput, bad_input, did_you_mean, join_names, join_phrases, phrase

READERS: Mapping[str, Callable[[Path, Reading], ParsedLabels | None]] = {
    "voc": read_voc,
    "coco": read_coco,
    "yolo": read_yolo,
    "list": read_lists,
    "labelme": read_labelme,
    "csv": read_csv,
}
"""Each returns None for a path that is not of its format."""


def read_labels(path: Path, format: str, reading: Reading) -> ParsedLabels:
    """The labels at `path`, which exists, in `format`; "auto" tries every format and takes the one that most boxes are read in.

    Raises:
        BadInput: there is no such format, or `path` is not of it.
    """
    if format not in ("auto", *READERS):
        raise bad_input(
            "dataset.format",
            "--format {format}: it is auto, {formats}{hint}",
            format=format,
            formats=join_names(READERS),
            hint=did_you_mean(format, ("auto", *READERS)),
        )
    if format != "auto":
        if (parsed := READERS[format](path, reading)) is None:
            raise _unrecognised(path, format)
        return parsed
    results: list[ParsedLabels] = []
    refusal: BadInput | None = None
    for read in READERS.values():
        try:
            if (parsed := read(path, reading)) is not None:
                results.append(parsed)
        except BadInput as error:  # another format may fit
            refusal = refusal or error
    # Of equal results the first reader's stays. Labels above the named folder may be those of another data set.
    best = max(results, key=lambda parsed: (_is_inside(parsed, path), *_fit(parsed)), default=None)
    if best is None or (refusal is not None and not best.box_count()):
        raise refusal or _unrecognised(path, format)
    ties = [other for other in results if other is not best and other.box_count() and _fit(other) == _fit(best)]
    if ties:
        best.add_finding(
            "warning",
            "dataset.ambiguous",
            best.root,
            "{file}: can be read as {format} and as {others}, with as many boxes; read as {format}.",
            format=best.format,
            others=join_names([other.format for other in ties]),
        )
    for other in results:
        if other is not best and other not in ties:
            _report_unused_labels(other, best)
    return best


def _report_unused_labels(other: ParsedLabels, best: ParsedLabels) -> None:
    """Say which boxes of another format are not used; they are lost where the images have none in the best one."""
    if not other.box_count():
        return
    used = {f"{best.root}/{image}" for image in best.images_with_boxes()}
    labelled = other.images_with_boxes()
    unused_count = sum(f"{other.root}/{image}" not in used for image in labelled)
    best.add_finding(
        "warning" if unused_count else "info",
        "dataset.other_format",
        best.root,
        "{file}: is read as {format}; there are labels of {other} too, with {boxes} boxes on {images} images, of which {unused} are not in "
        "those of {format}.",
        format=best.format,
        other=other.format,
        boxes=other.box_count(),
        images=len(labelled),
        unused=unused_count,
    )


def _is_inside(parsed: ParsedLabels, path: Path) -> bool:
    """Whether boxes were read, all of them in the data set at `path` itself."""
    return parsed.box_count() > 0 and parsed.root.is_relative_to(path)


def _fit(parsed: ParsedLabels) -> tuple[int, int]:
    """How much a reader made of the path: boxes, then images."""
    return parsed.box_count(), len(parsed.images)


def _unrecognised(path: Path, format: str) -> BadInput:
    if path.is_file():
        return bad_input(
            "dataset.unrecognised",
            "{path}: this file is no data set; give its folder, a data.yaml, a .json of COCO or LabelMe, a .csv or a list of images.",
            path=path,
        )
    image_count = sum(1 for _ in images_below(path))
    files = (Path(name) for _folder, _subfolders, names in os.walk(path) for name in names)  # skips unreadable folders
    suffixes = Counter(file.suffix.lower() for file in files if not is_image_file(file))
    others = [
        phrase("{count} {suffix}", count=count, suffix=suffix or phrase("without suffix"))
        for suffix, count in suffixes.most_common(3)
    ]
    descriptions = {
        "voc": phrase("Annotations/*.xml"),
        "yolo": phrase("a .txt beside or in labels/ for each image"),
        "coco": phrase("a .json with images and annotations"),
        "list": phrase("a .txt of lines `path x1,y1,x2,y2,class`"),
        "labelme": phrase("a .json with shapes for each image"),
        "csv": phrase("a .csv with columns filename, class, xmin, ymin, xmax, ymax"),
    }
    return bad_input(
        "dataset.unrecognised",
        "{path}: no labels found. Images: {image_count}; other files: {others}. Expected: {expected}.",
        path=path,
        image_count=image_count,
        others=join_phrases(others) or phrase("nothing"),
        expected=join_phrases(list(descriptions.values()), "; ") if format == "auto" else descriptions[format],
    )
