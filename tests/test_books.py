"""Nothing is lost in silence: every format with one of everything missing. The books balance, and a finding has the right count."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from engine.dataset.formats import open_dataset
from engine.dataset.formats.books import Books
from engine.dataset.formats.detect_format import READERS
from tests.dataset_on_disk import SIZE, Box, annotation, write_image, write_text

TRAIN, VAL = "abcd", "ef"
CLASSES = ("cat", "dog")
BOXES: tuple[Box, Box] = ((10, 20, 30, 50), (40, 10, 60, 30))
BROKEN_BOX = "x"
"""Written where a number belongs."""

Labels = dict[str, list[tuple[str, tuple[object, ...]]]]
"""For each image its boxes: class and x1 y1 x2 y2."""


def whole() -> Labels:
    return {name: list(zip(CLASSES, BOXES, strict=True)) for name in TRAIN + VAL}


def write_images(root: Path, folder: str) -> None:
    for name in TRAIN + VAL:
        write_image(root / folder / f"{name}.jpg")


def split_of(name: str) -> str:
    return "train" if name in TRAIN else "val"


def class_number(name: str) -> int:
    """The number of a class; 9 for one that does not exist."""
    return CLASSES.index(name) if name in CLASSES else 9


def voc(root: Path, labels: Labels) -> None:
    write_images(root, "JPEGImages")
    for name, boxes in labels.items():
        text = annotation(f"{name}.jpg", SIZE, boxes)  # type: ignore[arg-type]  # some boxes are broken
        write_text(root / "Annotations" / f"{name}.xml", text)
    for split, names in (("train", TRAIN), ("val", VAL)):
        write_text(root / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{name}\n" for name in names))


def yolo(root: Path, labels: Labels) -> None:
    write_images(root, "images")
    for name, boxes in labels.items():
        rows = ""
        for label, (x1, y1, x2, y2) in boxes:
            if isinstance(x1, int) and isinstance(x2, int) and isinstance(y1, int) and isinstance(y2, int):
                centre = (x1 + x2) / 2 / SIZE[0], (y1 + y2) / 2 / SIZE[1]
                rows += f"{class_number(label)} {centre[0]} {centre[1]} {(x2 - x1) / SIZE[0]} {(y2 - y1) / SIZE[1]}\n"
            else:
                rows += f"{class_number(label)} {x1} 0.5 0.5 0.5\n"
        write_text(root / "labels" / f"{name}.txt", rows)
    write_text(root / "data.yaml", f"train: train.txt\nval: val.txt\nnames: [{', '.join(CLASSES)}]\n")
    for split, names in (("train", TRAIN), ("val", VAL)):
        write_text(root / f"{split}.txt", "".join(f"images/{name}.jpg\n" for name in names))


def coco(root: Path, labels: Labels) -> None:
    write_images(root, "images")
    for split, names in (("train", TRAIN), ("val", VAL)):
        listed = [name for name in names if name in labels]
        content = {
            "images": [
                {"id": name, "file_name": f"{name}.jpg", "width": SIZE[0], "height": SIZE[1]} for name in listed
            ],
            "annotations": [
                {"image_id": name, "category_id": class_number(label), "bbox": coco_box(box)}
                for name in listed
                for label, box in labels[name]
            ],
            "categories": [{"id": number, "name": name} for number, name in enumerate(CLASSES)],
        }
        write_text(root / f"{split}.json", json.dumps(content))


def coco_box(box: tuple[object, ...]) -> list[object]:
    x1, y1, x2, y2 = box
    if isinstance(x1, int) and isinstance(y1, int) and isinstance(x2, int) and isinstance(y2, int):
        return [x1, y1, x2 - x1, y2 - y1]
    return list(box)


def lists(root: Path, labels: Labels) -> None:
    write_images(root, "images")
    write_text(root / "classes.txt", "\n".join(CLASSES))
    for split, names in (("train", TRAIN), ("val", VAL)):
        lines = [
            " ".join(
                [f"images/{name}.jpg", *(f"{','.join(map(str, box))},{class_number(c)}" for c, box in labels[name])]
            )
            for name in names
            if name in labels
        ]
        write_text(root / f"2007_{split}.txt", "\n".join(lines) + "\n")


def labelme(root: Path, labels: Labels) -> None:
    for name in TRAIN + VAL:
        write_image(root / split_of(name) / f"{name}.jpg")
    for name, boxes in labels.items():
        shapes = [
            {"label": label if label in CLASSES else None, "shape_type": "rectangle", "points": [box[:2], box[2:]]}
            for label, box in boxes
        ]
        content = {"shapes": shapes, "imagePath": f"{name}.jpg", "imageWidth": SIZE[0], "imageHeight": SIZE[1]}
        write_text(root / split_of(name) / f"{name}.json", json.dumps(content))


def csv(root: Path, labels: Labels) -> None:
    write_images(root, "images")
    for split, names in (("train", TRAIN), ("val", VAL)):
        lines = [
            f"{name}.jpg,{SIZE[0]},{SIZE[1]},{label if label in CLASSES else ''},{','.join(map(str, box))}"
            for name in names
            if name in labels
            for label, box in labels[name]
        ]
        write_text(root / f"{split}.csv", "\n".join(["filename,width,height,class,xmin,ymin,xmax,ymax", *lines]))


WRITERS: Mapping[str, Callable[[Path, Labels], None]] = {
    "voc": voc,
    "yolo": yolo,
    "coco": coco,
    "list": lists,
    "labelme": labelme,
    "csv": csv,
}
LABEL_FILES = {"voc": "Annotations/a.xml", "yolo": "labels/a.txt", "labelme": "train/a.json"}
"""The label file of the image a, where each image has one."""
SPLIT_FILES = {"coco": "val.json", "list": "2007_val.txt", "csv": "val.csv"}
"""The label file of the validation split, where each split has one."""


def check(
    root: Path, *, count: int, images: tuple[int, int] = (6, 6), boxes: tuple[int, int] = (12, 12), severe: bool = True
) -> None:
    """Check what was read: `images` and `boxes` are the numbers seen and kept; `count` is that of a finding."""
    dataset = open_dataset(root)
    books = {kind: (book["seen"], book["kept"]) for kind, book in dataset.books.items()}
    assert (books["image"], books["box"]) == (images, boxes)
    assert (len(dataset.images), len(dataset.boxes)) == (images[1], boxes[1])
    assert all(book["seen"] == book["kept"] + book["left_out"] for book in dataset.books.values())
    findings = [finding for finding in dataset.findings if not severe or finding.severity in ("error", "warning")]
    counts = [
        value
        for finding in findings
        for name, value in finding.message.values.items()
        if name in ("count", "boxes", "images")
    ]
    assert count in counts, [str(finding.message) for finding in dataset.findings]


def test_every_format_is_tested() -> None:
    assert WRITERS.keys() == READERS.keys()


@pytest.mark.parametrize("format", WRITERS)
class TestOneOfEverything:
    def test_nothing_is_missing(self, tmp_path: Path, format: str) -> None:
        WRITERS[format](tmp_path, whole())
        dataset = open_dataset(tmp_path)
        assert dataset.format == format
        assert (len(dataset.images), len(dataset.boxes), dataset.image_counts()) == (
            6,
            12,
            {"train": 4, "val": 2, "test": 0},
        )
        assert [str(f.message) for f in dataset.findings if f.severity != "info"] == []
        assert all(book["left_out"] == 0 for book in dataset.books.values())

    def test_an_image_is_missing(self, tmp_path: Path, format: str) -> None:
        WRITERS[format](tmp_path, whole())
        next(tmp_path.rglob("a.jpg")).unlink()
        check(tmp_path, count=1, images=(5, 5), boxes=(12, 10))

    def test_an_image_is_in_a_format_that_cannot_be_read(self, tmp_path: Path, format: str) -> None:
        WRITERS[format](tmp_path, whole())
        (next(tmp_path.rglob("a.jpg")).parent / "z.heic").write_bytes(b"")
        check(tmp_path, count=1, images=(7, 6))

    def test_the_labels_of_an_image_are_missing(self, tmp_path: Path, format: str) -> None:
        labels = whole()
        del labels["a"]
        WRITERS[format](tmp_path, labels)
        # For YOLO an image without a label file has no objects.
        check(tmp_path, count=1, images=(6, 6 if format == "yolo" else 5), boxes=(10, 10), severe=format != "yolo")

    def test_a_label_file_is_unreadable(self, tmp_path: Path, format: str) -> None:
        WRITERS[format](tmp_path, whole())
        if format in LABEL_FILES:
            write_text(tmp_path / LABEL_FILES[format], "<{ not a label")
            if format == "yolo":
                check(tmp_path, count=1, images=(6, 6), boxes=(11, 10))
            else:
                check(tmp_path, count=1, images=(6, 5), boxes=(10, 10))
        elif format == "coco":
            write_text(tmp_path / SPLIT_FILES[format], '{"images": [')
            check(tmp_path, count=2, images=(6, 4), boxes=(8, 8))

    def test_a_label_file_of_a_split_is_missing(self, tmp_path: Path, format: str) -> None:
        WRITERS[format](tmp_path, whole())
        if format in SPLIT_FILES:
            (tmp_path / SPLIT_FILES[format]).unlink()
            check(tmp_path, count=2, images=(6, 4), boxes=(8, 8))

    @pytest.mark.parametrize(
        "box",
        [
            (BROKEN_BOX, 20, 30, 50),
            ("nan", 20, 30, 50),
            (1000, 1000, 1010, 1010),
            (10, 20, 10, 50),
        ],
        ids=["no number", "nan", "outside", "no width"],
    )
    def test_a_box_cannot_be_used(self, tmp_path: Path, format: str, box: tuple[object, ...]) -> None:
        labels = whole()
        labels["a"][0] = ("cat", box)
        WRITERS[format](tmp_path, labels)
        if format == "list" and BROKEN_BOX in box:
            # Where the path of the image ends cannot be told: the whole line is lost.
            check(tmp_path, count=1, images=(6, 5), boxes=(12, 10))
        else:
            check(tmp_path, count=1, boxes=(12, 11))

    def test_a_box_is_given_twice(self, tmp_path: Path, format: str) -> None:
        labels = whole()
        labels["a"].append(labels["a"][0])
        WRITERS[format](tmp_path, labels)
        check(tmp_path, count=1, boxes=(13, 12))

    def test_a_class_is_missing(self, tmp_path: Path, format: str) -> None:
        labels = whole()
        labels["a"][0] = ("", BOXES[0])
        WRITERS[format](tmp_path, labels)
        check(tmp_path, count=1, boxes=(12, 11))


@pytest.mark.parametrize(
    ("format", "file"), [("voc", "ImageSets/Main/val.txt"), ("yolo", "val.txt"), ("list", "2007_val.txt")]
)
class TestAListOfImages:
    def test_a_line_names_no_image(self, tmp_path: Path, format: str, file: str) -> None:
        WRITERS[format](tmp_path, whole())
        line = {"voc": "gone", "yolo": "images/gone.jpg", "list": "images/gone.jpg 1,2,3,4,0"}[format]
        with (tmp_path / file).open("a") as list_file:
            list_file.write(line + "\n")
        box = 1 if format == "list" else 0
        check(tmp_path, count=1, boxes=(12 + box, 12))

    def test_an_image_is_in_no_list(self, tmp_path: Path, format: str, file: str) -> None:
        WRITERS[format](tmp_path, whole())
        lines = (tmp_path / file).read_text().splitlines(keepends=True)
        write_text(tmp_path / file, lines[0])
        dataset = open_dataset(tmp_path)
        said = [f for f in dataset.findings if f.severity != "info" and f.message.values.get("count") == 1]
        assert said, [str(f.message) for f in dataset.findings]
        assert dataset.books["image"]["seen"] == 6


def test_books_that_do_not_balance_are_a_defect() -> None:
    books = Books()
    books.seen["box"] += 2
    books.kept["box"] += 1
    with pytest.raises(AssertionError, match=r"do not balance: box: 2 seen, 1 taken in, 0 left out"):
        books.check()
