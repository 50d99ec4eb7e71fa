"""COCO: annotations/instances_SPLIT.json and images/SPLIT/NAME.jpg, or all images in one JSON file. Ids count from 1."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path, PurePath

from engine.dataset.writers.labelled_file import NO_SPLIT, LabelledFile, write_classes_file

_DIGITS = 3
"""Decimals of a pixel."""


class CocoFile:
    """One JSON file, written image by image, so that a million boxes need no memory."""

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._classes = classes
        self._open_files = ExitStack()
        self._file = self._open_files.enter_context(path.open("wb"))
        self._annotation_path = path.with_name(f".{path.name}.annotations")
        self._annotations = self._open_files.enter_context(self._annotation_path.open("w+b"))
        self._image_count = 0
        self._box_count = 0
        self._file.write(b'{"images": [')

    def add(self, image: LabelledFile, file_name: str) -> None:
        """Add an image, which the file calls `file_name`, with its boxes."""
        self._file.write(b",\n" if self._image_count else b"\n")
        self._image_count += 1
        width, height, _ = image.size
        self._file.write(_json({"id": self._image_count, "file_name": file_name, "width": width, "height": height}))
        for (x1, y1, x2, y2), label in zip(image.boxes.tolist(), image.labels.tolist(), strict=True):
            self._annotations.write(b",\n" if self._box_count else b"\n")
            self._box_count += 1
            annotation = {
                "id": self._box_count,
                "image_id": self._image_count,
                "category_id": label + 1,
                "bbox": [_number(value) for value in (x1, y1, x2 - x1, y2 - y1)],
                "area": _number((x2 - x1) * (y2 - y1)),
                "iscrowd": 0,
                "segmentation": [],
            }
            self._annotations.write(_json(annotation))

    def finish(self) -> None:
        """Write the annotations and the classes behind the images."""
        self._file.write(b'\n],\n"annotations": [')
        self._annotations.seek(0)
        shutil.copyfileobj(self._annotations, self._file)
        self._file.write(b'\n],\n"categories": [\n')
        categories = [{"id": number, "name": name} for number, name in enumerate(self._classes, 1)]
        self._file.write(b",\n".join(_json(category) for category in categories))
        self._file.write(b"\n]}\n")

    def close(self) -> None:
        """Close the files."""
        self._open_files.close()
        self._annotation_path.unlink(missing_ok=True)


class CocoWriter:
    """See `DatasetWriter`."""

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self._folder = folder / "annotations"
        self._classes = classes
        self._files: dict[str | None, CocoFile] = {}

    def image_folder(self, split: str | None) -> str:
        """See `DatasetWriter`."""
        return f"images/{split or NO_SPLIT}"

    def write(self, image: LabelledFile) -> None:
        """See `DatasetWriter`."""
        split = image.split
        if split not in self._files:
            self._files[split] = CocoFile(self._folder / f"instances_{split or NO_SPLIT}.json", self._classes)
        file = PurePath(image.file)
        self._files[split].add(image, str(file) if file.is_absolute() else file.name)

    def finish(self) -> None:
        """See `DatasetWriter`."""
        for file in self._files.values():
            file.finish()
        write_classes_file(self._folder.parent / "classes.txt", self._classes)

    def close(self) -> None:
        """See `DatasetWriter`."""
        for file in self._files.values():
            file.close()


class CocoFileWriter:
    """See `DatasetWriter`; all images in the file `path`, which stay where they are."""

    def __init__(self, path: Path, classes: Sequence[str], final_folder: Path) -> None:
        self._file = CocoFile(path, classes)
        self._final_folder = final_folder

    def image_folder(self, split: str | None) -> str:
        """See `DatasetWriter`."""
        del split
        return ""

    def write(self, image: LabelledFile) -> None:
        """See `DatasetWriter`. Images below the file's folder are named relative to it, so that both can be moved."""
        file = PurePath(image.file)
        is_below = file.is_relative_to(self._final_folder)
        self._file.add(image, file.relative_to(self._final_folder).as_posix() if is_below else str(file))

    def finish(self) -> None:
        """See `DatasetWriter`."""
        self._file.finish()

    def close(self) -> None:
        """See `DatasetWriter`."""
        self._file.close()


def _json(value: object) -> bytes:
    """One line of JSON; a file name that is not valid Unicode is written with escapes, and read back as it was."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def _number(value: float) -> float:
    """A number of pixels with few decimals; a whole one as such."""
    rounded = round(value, _DIGITS)
    return int(rounded) if rounded.is_integer() else rounded
