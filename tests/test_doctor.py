"""The check of a whole data set: what it reports, and that it can be cancelled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.dataset.doctor import check_dataset
from engine.dataset.finding_groups import group_findings
from engine.dataset.formats import open_dataset
from engine.dataset.images import encode_image, read_image
from engine.dataset.index import Dataset, Finding, finding
from tests.dataset_on_disk import SIZE, voc_dataset, write_cat_voc

Boxes = list[tuple[int, float, float, float, float]]
"""Class, x1, y1, x2, y2."""


def test_the_same_image_in_two_splits_is_a_warning(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, "a b c d", train="a b", val="c", test="d")
    images = tmp_path / "JPEGImages"
    for number, name in enumerate("abd"):
        cv2.imwrite(str(images / f"{name}.jpg"), np.full((SIZE[1], SIZE[0], 3), 40 * number, np.uint8))
    (images / "c.jpg").write_bytes((images / "a.jpg").read_bytes())
    (duplicate,) = [f for f in check_dataset(open_dataset(tmp_path)).findings if f.message.code == "image.twin"]
    assert duplicate.severity == "warning"
    assert "the same image as JPEGImages/a.jpg (train and val)" in str(duplicate.message)


@pytest.mark.parametrize(("train", "few"), [("a", True), ("a b", False)])
def test_a_single_training_image_is_reported_as_too_few(tmp_path: Path, train: str, few: bool) -> None:
    write_cat_voc(tmp_path, "a b c", train=train, val="c")
    sentences = [
        str(f.message) for f in check_dataset(open_dataset(tmp_path)).findings if f.message.code == "split.too_few"
    ]
    assert bool(sentences) == few
    assert all("too few training images (1)" in sentence for sentence in sentences)


def test_a_split_without_a_readable_image_is_found_and_unreadable_images_do_not_count(tmp_path: Path) -> None:
    dataset = voc_dataset(tmp_path, train=3, val=2)
    for name in ("000", "001", "003", "004"):
        (tmp_path / "JPEGImages" / f"{name}.jpg").write_bytes(b"\xff\xd8 no image")
    report = check_dataset(dataset)
    assert report.readable_counts() == {"train": 1, "val": 0, "test": 0}
    sentences = {f.message.code: str(f.message) for f in report.findings}
    assert "none of the images in val can be read (2)" in sentences["split.unreadable"]
    assert "too few training images (1)" in sentences["split.too_few"]


class CountingTuple(tuple[str, ...]):
    """Counts the accesses to its items."""

    access_count = 0

    def __getitem__(self, index: object) -> object:  # type: ignore[override]
        self.access_count += 1
        return super().__getitem__(index)  # type: ignore[index]


def test_a_cancelled_check_starts_hardly_any_other_image(tmp_path: Path) -> None:
    one = voc_dataset(tmp_path / "voc", train=1, size=(640, 480))
    count = 2000
    names = CountingTuple(one.images * count)
    many = replace(
        one,
        images=names,
        sizes=np.repeat(one.sizes, count, axis=0),
        boxes=np.repeat(one.boxes, count, axis=0),
        labels=np.repeat(one.labels, count),
        offsets=np.arange(count + 1),
        splits={**one.splits, "train": np.arange(count, dtype=np.int32)},
    )

    class CancelledError(Exception):
        pass

    def cancel(done: int, total: int) -> None:
        assert total == count
        raise CancelledError

    with pytest.raises(CancelledError):
        check_dataset(many, cancel)
    assert names.access_count < count / 2


def images_dataset(folder: Path, train: list[Boxes], val: list[Boxes], classes: str = "cat dog bird") -> Dataset:
    """Images of 416x416 noise, with these boxes."""
    folder.mkdir(exist_ok=True)
    every = [*train, *val]
    for number in range(len(every)):
        small = np.random.default_rng(number).integers(0, 255, (13, 13, 3), dtype=np.uint8)
        pixels = cv2.resize(small, (416, 416), interpolation=cv2.INTER_CUBIC)
        encode_image(folder / f"{number}.png", np.asarray(pixels, np.uint8))
    boxes = [box for image in every for box in image]
    return Dataset(
        root=folder,
        format="yolo",
        classes=tuple(classes.split()),
        images=tuple(f"{number}.png" for number in range(len(every))),
        sizes=np.zeros((len(every), 2), np.int32),
        boxes=np.array([box[1:] for box in boxes], np.float32).reshape(-1, 4),
        labels=np.array([box[0] for box in boxes], np.int32),
        offsets=np.cumsum([0, *map(len, every)]),
        unit="pixel",
        splits={
            "train": np.arange(len(train), dtype=np.int32),
            "val": np.arange(len(train), len(every), dtype=np.int32),
            "test": np.zeros(0, np.int32),
        },
        splits_drawn=False,
    )


def found(dataset: Dataset, code: str, input_shape: tuple[int, int] = (416, 416)) -> list[Finding]:
    return [f for f in check_dataset(dataset, input_shape=input_shape).findings if f.message.code == code]


CAT = (0, 100.0, 100.0, 200.0, 220.0)
DOG = (1, 210.0, 230.0, 300.0, 310.0)


def test_boxes_too_small_for_the_input_are_counted_for_that_input(tmp_path: Path) -> None:
    small = (1, 10.0, 10.0, 22.0, 60.0)
    dataset = images_dataset(tmp_path, [[CAT, small], [CAT, DOG]], [[CAT, DOG]])
    assert found(dataset, "label.tiny") == []
    (tiny,) = found(dataset, "label.tiny", (256, 256))
    assert "boxes narrower than 8 pixels in an input of 256x256: 1 of 2" in str(tiny.message)
    assert (tiny.file, tiny.severity) == ("0.png", "info")
    # The scale of the input is that of the side that fits last.
    assert len(found(dataset, "label.tiny", (416, 256))) == 1


def test_boxes_that_no_anchor_fits_are_counted(tmp_path: Path) -> None:
    dataset = images_dataset(tmp_path, [[CAT, (0, 10.0, 50.0, 400.0, 80.0)]], [[(0, 50.0, 10.0, 80.0, 311.0)]])
    assert [f.file for f in found(dataset, "label.extreme_aspect")] == ["0.png", "1.png"]


def test_an_object_that_is_labelled_twice_is_found(tmp_path: Path) -> None:
    again = (0, 101.0, 101.0, 201.0, 221.0)
    other_class = (1, 100.0, 100.0, 200.0, 221.0)
    near = (0, 110.0, 110.0, 210.0, 230.0)
    dataset = images_dataset(tmp_path, [[CAT, DOG, again], [CAT, DOG, other_class]], [[CAT, near, DOG], [again]])
    (twice,) = found(dataset, "label.overlap")
    assert (twice.file, twice.message.values["count"]) == ("0.png", 1)
    (two_classes,) = found(dataset, "label.two_classes")
    assert (two_classes.file, two_classes.message.values["count"]) == ("1.png", 1)


def test_a_class_that_a_split_lacks_and_a_split_without_boxes_are_found(tmp_path: Path) -> None:
    bird = (2, 10.0, 10.0, 90.0, 90.0)
    absent = found(images_dataset(tmp_path, [[CAT, DOG]] * 2, [[CAT, bird]]), "class.absent")
    assert [str(f.message).split(": ", 1)[1] for f in absent] == [
        "classes without a box in train: bird.",
        "classes without a box in val: dog.",
    ]
    no_train = found(images_dataset(tmp_path, [[], []], [[CAT]]), "split.no_boxes")
    assert [(f.severity, f.message.values["split"]) for f in no_train] == [("error", "train")]
    no_val = found(images_dataset(tmp_path, [[CAT], [CAT]], [[]]), "split.no_boxes")
    assert [(f.severity, f.message.values["split"]) for f in no_val] == [("warning", "val")]


def test_unbalanced_classes_and_the_share_of_unlabelled_images_are_said(tmp_path: Path) -> None:
    many: Boxes = [(0, 10.0 * i, 20.0, 10.0 * i + 60, 90.0) for i in range(20)]
    dataset = images_dataset(tmp_path, [many, [DOG], [], []], [[]])
    (imbalance,) = found(dataset, "class.imbalance")
    assert str(imbalance.message).endswith("cat has 20 boxes, dog only 1.")
    (background,) = found(dataset, "image.background")
    assert "images without a box: 3 of 5 (60 %)" in str(background.message)
    assert background.severity == "warning"


def test_an_image_of_another_split_that_shows_nearly_the_same_is_found(tmp_path: Path) -> None:
    """Saved again, smaller and brighter: no byte is the same, but the network knows it by heart."""
    dataset = images_dataset(tmp_path, [[CAT], [DOG], [CAT]], [[CAT], [CAT], [DOG]])
    original = read_image(tmp_path / "1.png")
    smaller = cv2.resize(
        np.clip(original * 0.9 + 12, 0, 255).astype(np.uint8), (333, 333), interpolation=cv2.INTER_AREA
    )
    (tmp_path / "4.png").write_bytes(cv2.imencode(".jpg", cv2.cvtColor(smaller, cv2.COLOR_RGB2BGR))[1].tobytes())
    encode_image(tmp_path / "2.png", original)  # in the same split: no leak
    for name in ("0.png", "3.png"):  # blank images are all alike
        encode_image(tmp_path / name, np.full((416, 416, 3), 250, np.uint8))
    (near,) = found(dataset, "image.near_duplicate")
    assert "4.png: shows nearly the same as 1.png (train and val)" in str(near.message)
    assert near.severity == "warning"


def test_every_finding_is_kept_and_shown_once_for_each_kind(tmp_path: Path) -> None:
    dataset = images_dataset(tmp_path, [[(0, 0.0, 0.0, 3.0, 3.0)]] * 30, [[CAT]])
    report = check_dataset(dataset)
    assert sum(f["code"] == "label.tiny" for f in report.to_json()["findings"]) == 30
    (group,) = [group for group in group_findings(report.findings) if group.code == "label.tiny"]
    assert (group.more, group.more_files, group.first.file) == (29, ("1.png", "2.png", "3.png"), "0.png")


def test_groups_are_in_the_order_of_their_severity() -> None:
    findings = [
        finding("info", "a", "1", "{file}"),
        finding("error", "b", "2", "{file}"),
        finding("info", "a", "3", "{file}"),
        finding("warning", "a", "4", "{file}"),
    ]
    assert [(g.severity, g.code, g.more) for g in group_findings(findings)] == [
        ("error", "b", 0),
        ("warning", "a", 0),
        ("info", "a", 1),
    ]
