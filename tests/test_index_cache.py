"""What was read of a large data set is kept, and read again when a file has changed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.dataset.formats import open_dataset
from engine.dataset.formats.detect_format import read_labels
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading import Reading
from engine.dataset.index import Dataset
from tests.dataset_on_disk import write_yolo

OPENING = sys.modules[open_dataset.__module__]


@pytest.fixture
def labels_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """Grows by one at each reading of labels; every data set counts as large."""
    monkeypatch.setenv("FREEZETUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(OPENING, "MIN_FILES", 1)
    calls: list[int] = []
    read = read_labels

    def counted(path: Path, format: str, reading: Reading) -> ParsedLabels:
        calls.append(1)
        return read(path, format, reading)

    monkeypatch.setattr(OPENING, "read_labels", counted)
    return calls


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set that was written an hour ago."""
    folder = tmp_path / "data"
    write_yolo(folder, *(f"images/{number}.jpg" for number in range(6)))
    let_time_pass(folder)
    return folder


def let_time_pass(folder: Path) -> None:
    """Give every file the time of an hour ago, as far as the system allows it."""
    for path in folder.glob("**/*"):
        os.utime(path, (time.time() - 3600,) * 2)


def same(first: Dataset, second: Dataset) -> bool:
    arrays = all(
        np.array_equal(getattr(first, name), getattr(second, name)) for name in ("sizes", "boxes", "labels", "offsets")
    )
    splits = all(np.array_equal(first.splits[name], second.splits[name]) for name in first.splits)
    texts = (first.images, first.classes, first.books, [(f.severity, f.file, str(f.message)) for f in first.findings])
    return (
        arrays
        and splits
        and texts
        == (
            second.images,
            second.classes,
            second.books,
            [(f.severity, f.file, str(f.message)) for f in second.findings],
        )
    )


@pytest.fixture(autouse=True)
def old_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of an inode cannot be set: every file counts as old, however new."""
    monkeypatch.setattr("engine.dataset.formats.index_cache._MIN_AGE", -3600.0)


def test_the_second_opening_reads_no_label(data: Path, labels_read: list[int]) -> None:
    (data / "images" / "without a label.jpg").write_bytes((data / "images" / "0.jpg").read_bytes())
    first = open_dataset(data, seed=1)
    again = open_dataset(data, seed=1)
    assert len(labels_read) == 1
    assert first.findings
    assert same(first, again)
    other_seed = open_dataset(data, seed=2)
    assert len(labels_read) == 1
    assert not np.array_equal(other_seed.splits["train"], first.splits["train"])


def _edit(data: Path) -> None:
    path = data / "labels" / "0.txt"
    path.write_text(path.read_text("utf-8").replace("0.5", "0.4"), "utf-8")


def _edit_with_the_old_time(data: Path) -> None:
    path = data / "labels" / "0.txt"
    before = path.stat()
    time.sleep(0.02)
    _edit(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _remove(data: Path) -> None:
    (data / "labels" / "3.txt").unlink()


def _rename(data: Path) -> None:
    (data / "images" / "3.jpg").rename(data / "images" / "4b.jpg")


@pytest.mark.parametrize("change", [_edit, _edit_with_the_old_time, _remove, _rename])
def test_a_change_is_read(data: Path, labels_read: list[int], change: Callable[[Path], None]) -> None:
    first = open_dataset(data)
    change(data)
    changed = open_dataset(data)
    assert len(labels_read) == 2
    assert not same(first, changed)


@pytest.mark.parametrize(
    ("file", "chosen"), [("code/data.yaml", "code/data.yaml"), ("data/classes.txt", "data/images")]
)
def test_a_change_of_a_file_outside_the_folder_is_read(
    data: Path, labels_read: list[int], tmp_path: Path, file: str, chosen: str
) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    for label in (data / "labels").iterdir():
        label.rename(data / "images" / label.name)
    for name in ("dog", "cow"):
        text = f"train: {data}/images\nnames: [cat, {name}]\n" if path.suffix == ".yaml" else f"cat\n{name}\n"
        path.write_text(text, "utf-8")
        for _ in range(2):
            assert open_dataset(tmp_path / chosen).classes == ("cat", name)
    assert len(labels_read) == 2


def test_other_options_are_read_again(data: Path, labels_read: list[int], tmp_path: Path) -> None:
    classes = tmp_path / "names.txt"
    names = open_dataset(data).classes
    for text in (names, (*names, "another")):
        classes.write_text("\n".join(text), "utf-8")
        assert open_dataset(data, classes_file=classes).classes == text
    open_dataset(data, mapping={names[0]: "renamed"})
    assert len(labels_read) == 4


def test_a_file_that_was_just_written_is_not_trusted(
    data: Path, labels_read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.dataset.formats.index_cache._MIN_AGE", 2.0)
    open_dataset(data)
    open_dataset(data)
    assert len(labels_read) == 2


def test_a_damaged_entry_is_ignored_and_replaced(data: Path, labels_read: list[int], tmp_path: Path) -> None:
    open_dataset(data)
    for entry in (tmp_path / "cache" / "datasets").glob("*.npz"):
        entry.write_bytes(entry.read_bytes()[:100])
    open_dataset(data)
    open_dataset(data)
    assert len(labels_read) == 2
    for entry in (tmp_path / "cache" / "datasets").glob("*.json"):
        entry.write_text("[1]", "utf-8")
    open_dataset(data)
    assert len(labels_read) == 3


def test_small_data_sets_leave_nothing(data: Path, labels_read: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OPENING, "MIN_FILES", 100)
    open_dataset(data)
    open_dataset(data)
    assert len(labels_read) == 2


def test_a_reading_can_be_cancelled(data: Path) -> None:
    class Cancelled(Exception):
        pass

    def cancel(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        open_dataset(data, progress=cancel)
