"""An image of a data set that is being written, and what each format's writer does with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.dataset.image_size import SizeAsRead

NO_SPLIT = "nosplit"
"""The folder of images that are in no split."""


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """An image file with its labels."""

    file: str
    """What the labels call it: its path in the written data set, or where the original is."""
    size: SizeAsRead
    boxes: NDArray[np.float32]
    """(n, 4) x1 y1 x2 y2 in pixels, inside the image."""
    labels: NDArray[np.int32]
    """(n,) class ids."""
    split: str | None


class DatasetWriter(Protocol):
    """Writes the labels of one format."""

    def image_folder(self, split: str | None) -> str:
        """The folder for the images of a split, relative to the data set."""

    def write(self, image: LabelledFile) -> None:
        """Write the labels of one image. Images come in the order of the data set."""

    def finish(self) -> None:
        """Write what is known only at the end."""

    def close(self) -> None:
        """Close files that are still open."""


def number_text(value: float, digits: int) -> str:
    """A number with at most `digits` decimals, and no zeros at its end."""
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write UTF-8 lines to a file of a data set that is not in its place yet, hence without flushing each to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def write_classes_file(path: Path, classes: Sequence[str]) -> None:
    """Write the class names, one a line, unless a line cannot hold one of them."""
    if all(name == name.strip() and len(name.splitlines()) == 1 for name in classes):
        write_lines(path, classes)
