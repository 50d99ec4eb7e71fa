"""Files that call themselves COCO but state boxes in another way: as corners, or as fractions of the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MIN_BOXES = 4
_MIN_BEYOND = 0.1
_MIN_FIT = 0.99
_EDGE = 1.01
"""A box may extend beyond the image by this factor of its side."""


def count_corners(corners: NDArray[np.float32], sizes: NDArray[np.float32]) -> int:
    """How many boxes extend beyond their images, if all would fit were their width and height the other corner; else 0.

    Args:
        corners: (boxes, 4) x1 y1 x2 y2.
        sizes: (boxes, 2) width and height of the image of each box, 0 where it is unknown.
    """
    known = (sizes > 0).all(axis=1)
    limits = sizes * _EDGE + 1
    beyond = (corners[:, 2:] > limits).any(axis=1) & known
    if known.sum() < _MIN_BOXES or beyond.sum() < _MIN_BEYOND * known.sum():
        return 0
    first, second = corners[:, :2], corners[:, 2:] - corners[:, :2]
    fit = np.asarray(((second > first) & (second <= limits) & (first >= 0)).all(axis=1))
    return int(beyond.sum()) if fit[known].mean() >= _MIN_FIT else 0


def are_fractions(corners: NDArray[np.float32], sizes: NDArray[np.float32]) -> bool:
    """Whether no box is larger than one pixel, and every image is: the boxes are fractions of the sides.

    See `count_corners` for the arguments.
    """
    if not len(corners) or not (sizes > 1).all():
        return False
    finite = np.isfinite(corners)
    least, largest = np.min(corners, where=finite, initial=0), np.max(corners, where=finite, initial=0)
    return bool(least >= 0 and 0 < largest <= _EDGE)
