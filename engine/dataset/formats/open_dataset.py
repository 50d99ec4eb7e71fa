"""From a path to a Dataset: what format it is, which classes it has, how it is divided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.dataset.formats.coco import find_coco, read_coco
from engine.dataset.formats.lists import find_lists, is_list, read_lists
from engine.dataset.formats.reading import Reading, read_names
from engine.dataset.formats.voc import find_voc, read_voc
from engine.dataset.formats.yolo import looks_like_yolo, read_yolo
from engine.dataset.image_files import images_below, is_image_file
from engine.dataset.index import SPLITS, Dataset, Finding, draw_splits
from engine.messages import BadInput, Message, bad_input, joined, listed, nearest, phrase

FORMATS = ("voc", "yolo", "coco", "list")


def open_dataset(
    path: Path,
    *,
    format: str = "auto",
    classes_file: Path | None = None,
    mapping: Mapping[str, str] | None = None,
    seed: int = 11,
) -> Dataset:
    """The Dataset at `path`: a folder at any level of its tree, or its data.yaml, COCO file or list.

    Class names come from the labels; `mapping` gives some of them other names. With a classes file, its names and their
    order are the data set's, and boxes of other classes are left out. Splits are the data set's own; where it has none
    they are drawn by `seed`.

    Raises:
        BadInput: there is no such path, nothing in it is a known format, or no box is left.
    """
    path = path.expanduser().absolute()
    if not path.exists():
        raise _missing(path)
    reading = _read(path, format)
    return _assemble(reading, classes_file, mapping or {}, seed)


def _read(path: Path, format: str) -> Reading:
    if format not in ("auto", *FORMATS):
        raise bad_input(
            "dataset.format",
            "--format {format}: there is no such format; did you mean {nearest}?",
            format=format,
            nearest=nearest(format, FORMATS) or "voc",
        )
    readers: dict[str, Callable[[Path], Reading | None]] = {"voc": _voc, "coco": _coco, "yolo": _yolo, "list": _lists}
    for name, reader in readers.items():
        if format in ("auto", name) and (reading := reader(path)) is not None:
            return reading
    raise _unrecognised(path, format)


def _voc(path: Path) -> Reading | None:
    root = find_voc(path) if path.is_dir() else None
    return None if root is None else read_voc(root)


def _coco(path: Path) -> Reading | None:
    if path.is_file():
        return read_coco(_root_of_labels(path), [path]) if path.suffix.lower() == ".json" else None
    files = find_coco(path)
    return read_coco(path, files) if files else None


def _yolo(path: Path) -> Reading | None:
    if path.is_file():
        return read_yolo(path.parent, path) if path.suffix.lower() in (".yaml", ".yml") else None
    return read_yolo(path) if looks_like_yolo(path) else None


def _lists(path: Path) -> Reading | None:
    if path.is_file():
        return read_lists(path.parent, [path]) if path.suffix.lower() == ".txt" and is_list(path) else None
    files = find_lists(path)
    return read_lists(path, files) if files else None


def _root_of_labels(path: Path) -> Path:
    return path.parent.parent if path.parent.name == "annotations" else path.parent


def _assemble(reading: Reading, classes_file: Path | None, mapping: Mapping[str, str], seed: int) -> Dataset:
    sizes, boxes, labels, first = reading.packer.arrays()
    if not reading.packer.images:
        raise _nothing(reading, Message("dataset.no_pictures", "no picture with a label is left"))
    for name in mapping:
        if name not in reading.names:
            raise bad_input(
                "dataset.mapping",
                "--map {name}: the labels have no such class; they have {names}.",
                name=name,
                names=listed(reading.names),
            )
    renamed = [mapping.get(name, name) for name in reading.names]
    classes = _classes(reading, renamed, labels, classes_file)
    numbers = np.array([classes.index(name) if name in classes else -1 for name in renamed] or [-1], np.int32)
    labels = numbers[labels]
    boxes, labels, first, foreign = _only_known(boxes, labels, first)
    findings = list(reading.findings)
    if foreign:
        unknown = sorted(set(renamed) - set(classes))
        findings.append(
            Finding(
                "warning",
                str(classes_file),
                Message(
                    "class.unknown",
                    "{file}: boxes of classes that it does not name ({names}): {count}; left out.",
                    {"file": classes_file, "count": foreign, "names": listed(unknown)},
                ),
            )
        )
    if not len(boxes):
        raise _no_boxes(reading, renamed, classes, classes_file)
    splits, drawn = _splits(reading, seed)
    return Dataset(
        root=reading.root,
        format=reading.format,
        classes=tuple(classes),
        images=tuple(reading.packer.images),
        sizes=sizes,
        boxes=boxes,
        labels=labels,
        first=first,
        unit=reading.unit,
        splits=splits,
        splits_drawn=drawn,
        findings=tuple(findings),
    )


def _classes(reading: Reading, renamed: list[str], labels: NDArray[np.int32], classes_file: Path | None) -> list[str]:
    """The data set's classes in order: the classes file's; else the labels' own, by number or by name."""
    if classes_file is not None:
        if not classes_file.is_file():
            raise bad_input("dataset.classes_file", "{path}: there is no such classes file.", path=classes_file)
        return list(dict.fromkeys(read_names(classes_file)))
    if reading.format in ("yolo", "list"):
        return list(dict.fromkeys(renamed))
    used = Counter(labels.tolist())
    present = dict.fromkeys(name for number, name in enumerate(renamed) if used[number])
    return sorted(present) if reading.format == "voc" else list(present)


def _only_known(
    boxes: NDArray[np.float32], labels: NDArray[np.int32], first: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64], int]:
    """The arrays without boxes of class -1, and how many those were."""
    known = labels >= 0
    if known.all():
        return boxes, labels, first, 0
    before = np.concatenate(([0], np.cumsum(known)))  # boxes kept before each box
    return boxes[known], labels[known], before[first], int((~known).sum())


def _splits(reading: Reading, seed: int) -> tuple[dict[str, NDArray[np.int32]], bool]:
    """The data set's own splits; drawn where it has none. Where only validation is missing it is taken from training."""
    own = {name: np.array(sorted(reading.splits.get(name, [])), np.int32) for name in SPLITS}
    if not len(own["train"]):
        return draw_splits(len(reading.packer.images), seed), True
    if not len(own["val"]) and len(own["train"]) > 1:
        drawn = draw_splits(len(own["train"]), seed)
        validating = np.concatenate((drawn["val"], drawn["test"]))
        train = np.setdiff1d(np.arange(len(own["train"])), validating)
        return {"train": own["train"][train], "val": own["train"][np.sort(validating)], "test": own["test"]}, True
    return own, False


def _missing(path: Path) -> BadInput:
    parent = next(folder for folder in path.parents if folder.is_dir())
    wanted = path.relative_to(parent).parts[0]
    close = nearest(wanted, [entry.name for entry in parent.iterdir()])
    if close is None:
        return bad_input("dataset.missing", "{path}: there is no such folder.", path=path)
    return bad_input(
        "dataset.missing", "{path}: there is no such folder; did you mean {near}?", path=path, near=parent / close
    )


def _unrecognised(path: Path, format: str) -> BadInput:
    if path.is_file():
        return bad_input(
            "dataset.unrecognised",
            "{path}: this file is no data set; give its folder, a data.yaml, a COCO .json or a list of pictures.",
            path=path,
        )
    pictures = sum(1 for _ in images_below(path))
    seen = Counter(entry.suffix.lower() for entry in path.rglob("*") if entry.is_file() and not is_image_file(entry))
    others = [
        phrase("{count} {suffix}", count=count, suffix=suffix or phrase("without suffix"))
        for suffix, count in seen.most_common(3)
    ]
    looked = {
        "voc": phrase("Annotations/*.xml"),
        "yolo": phrase("a .txt beside or in labels/ for each picture"),
        "coco": phrase("a .json with images and annotations"),
        "list": phrase("a .txt of lines `path x1,y1,x2,y2,class`"),
    }
    return bad_input(
        "dataset.unrecognised",
        "{path}: no labels found. It holds {pictures} pictures, and besides them {others}; looked for {looked}.",
        path=path,
        pictures=pictures,
        others=joined(others) or phrase("nothing"),
        looked=joined(list(looked.values()), "; ") if format == "auto" else looked[format],
    )


def _nothing(reading: Reading, what: Message) -> BadInput:
    """What to say where a recognised data set holds nothing, with the first reason found."""
    reason = next((f.message for f in reading.findings if f.severity == "error"), "")
    return bad_input(
        "dataset.empty",
        "{path}: looks like {format}, but {what}. {reason} If it is of another format, say so with --format.",
        path=reading.root,
        format=reading.format,
        what=what,
        reason=reason,
    )


def _no_boxes(reading: Reading, renamed: list[str], classes: list[str], classes_file: Path | None) -> BadInput:
    if classes_file is None or not renamed:
        return _nothing(reading, Message("dataset.no_box", "no box is left"))
    near = nearest(renamed[0], classes) or classes[0] if classes else phrase("NAME")
    return bad_input(
        "dataset.no_boxes",
        "{path}: no box is left, since the labels' classes ({labels}) are not those of {file} ({names}); give a mapping such as "
        "--map {old}={new}.",
        path=reading.root,
        labels=listed(sorted(set(renamed))),
        file=classes_file,
        names=listed(classes),
        old=renamed[0],
        new=near,
    )
