"""Images and boxes, added one image at a time and packed into the arrays of a Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class PackedArrays(NamedTuple):
    """See the fields of `Dataset` of the same names."""

    sizes: NDArray[np.int32]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int32]
    offsets: NDArray[np.int64]


class DatasetBuilder:
    """Collects images and boxes, and packs them into arrays."""

    def __init__(self) -> None:
        self.images: list[str] = []
        self._sizes: list[tuple[int, int]] = []
        self._boxes: list[NDArray[np.float32]] = []
        self._labels: list[NDArray[np.int32]] = []
        self._offsets: list[int] = [0]

    def add(
        self, image: str, size: tuple[int, int], boxes: NDArray[np.float32], labels: Sequence[int] | NDArray[np.int32]
    ) -> int:
        """Add an image with (n, 4) boxes and n class ids; returns its index."""
        self.images.append(image)
        self._sizes.append(size)
        self._boxes.append(boxes.reshape(-1, 4).astype(np.float32, copy=False))
        self._labels.append(np.asarray(labels, dtype=np.int32))
        self._offsets.append(self._offsets[-1] + len(labels))
        return len(self.images) - 1

    def max_class_id(self) -> int:
        """The largest class id so far; -1 without boxes."""
        return max((int(labels.max()) for labels in self._labels if len(labels)), default=-1)

    def arrays(self) -> PackedArrays:
        """What was added so far, packed."""
        return PackedArrays(
            sizes=np.array(self._sizes, dtype=np.int32).reshape(-1, 2),
            boxes=np.concatenate(self._boxes) if self._boxes else np.zeros((0, 4), np.float32),
            labels=np.concatenate(self._labels) if self._labels else np.zeros(0, np.int32),
            offsets=np.array(self._offsets, dtype=np.int64),
        )
