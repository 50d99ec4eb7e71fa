"""How many objects of each class were found, in each image and in total."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from engine.evaluation.draw import reserve_name
from engine.evaluation.predict import Prediction
from engine.files import atomic_write


@dataclass(frozen=True, slots=True)
class _Row:
    image: str
    frame: int | None
    counts: tuple[int, ...]


@dataclass(slots=True)
class ObjectCounts:
    """The objects of every image that was added; `total` counts them by the number of the class.

    `labels`: the classes that are counted; the others were not looked for.
    """

    classes: tuple[str, ...]
    labels: tuple[int, ...]
    total: Counter[int] = field(default_factory=Counter)
    images: int = 0
    _rows: list[_Row] = field(default_factory=list)

    def add(self, prediction: Prediction) -> dict[str, int]:
        """Add an image; returns its objects by class name, without the classes that it has none of."""
        counts = Counter(prediction.detections.labels.tolist())
        self.total += counts
        self.images += 1
        source = prediction.source
        frame = None if source is None or source.video is None else source.frame
        self._rows.append(_Row(str(prediction.path), frame, tuple(counts[label] for label in self.labels)))
        return {self.classes[label]: counts[label] for label in sorted(counts)}

    def write_csv(self, path: Path) -> Path:
        """Write a row for each image and the sum of each class; returns the file, which has a number if `path` exists.

        Each class has a column; where there are videos, the number of the frame has one too.

        Raises:
            BadInput: it cannot be written.
        """
        has_frames = any(row.frame is not None for row in self._rows)
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        frame_name = ["frame"] if has_frames else []
        writer.writerow(["image", *frame_name, *(self.classes[label] for label in self.labels), "total"])
        for row in self._rows:
            frame = [row.frame] if has_frames else []
            writer.writerow([row.image, *frame, *row.counts, sum(row.counts)])
        blank = [""] if has_frames else []
        writer.writerow(["total", *blank, *(self.total[label] for label in self.labels), self.total.total()])
        path = reserve_name(path.parent, path.stem, path.suffix)
        atomic_write(path, lambda file: file.write(text.getvalue().encode("utf-8", "surrogateescape")))
        return path
