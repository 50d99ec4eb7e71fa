"""Images that show nearly the same: a file saved again, another size, the next frame of a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_MAX_BITS = 3
"""Hashes of the same image differ in at most so many of their 64 bits."""
_BANDS = 4
"""One band more than differing bits: in one of them, two such hashes are equal."""
_BAND_BITS = 64 // _BANDS
_MIN_CORRELATION = 0.985
"""Of the grey values, which a change of brightness or contrast does not lower."""
_MIN_CONTRAST = 4.0
"""Standard deviation of the grey values. Blank images are all alike and say nothing."""
_THUMBNAIL_SIDE = 16


class Fingerprint(NamedTuple):
    """What of an image is compared."""

    hash: int
    """64 bits: whether each of 8x8 cells is brighter than the one to its right (the "dHash")."""
    thumbnail: NDArray[np.uint8]
    """(256,) grey values of 16x16 pixels: different images with equal hashes are told apart by it."""


def fingerprint(pixels: NDArray[np.uint8]) -> Fingerprint | None:
    """Of (height, width, 3) RGB; None for an image without contrast."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (36, 32), interpolation=cv2.INTER_AREA)
    if float(np.std(small)) < _MIN_CONTRAST:
        return None
    cells = np.asarray(cv2.resize(small, (9, 8), interpolation=cv2.INTER_AREA))
    bits = np.packbits(cells[:, :-1] > cells[:, 1:])
    thumbnail = cv2.resize(small, (_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    return Fingerprint(int.from_bytes(bits.tobytes()), np.asarray(thumbnail, np.uint8).ravel())


def near_duplicates(fingerprints: list[Fingerprint], splits: NDArray[np.int8]) -> Iterator[tuple[int, int]]:
    """Pairs of images of two splits that look the same: (in the earlier split, in the later); each later image once.

    Args:
        fingerprints: of each image.
        splits: (images,) the number of each image's split.
    """
    if not fingerprints:
        return
    hashes = np.array([item.hash for item in fingerprints], np.uint64)
    thumbnails = np.stack([item.thumbnail for item in fingerprints])
    found: set[int] = set()
    for band in range(_BANDS):
        keys = (hashes >> np.uint64(band * _BAND_BITS)) & np.uint64(2**_BAND_BITS - 1)
        order = np.argsort(keys, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
            if splits[group].min() == splits[group].max():
                continue
            for later in group.tolist():
                if later in found:
                    continue
                others = group[splits[group] < splits[later]]
                others = others[np.bitwise_count(hashes[others] ^ hashes[later]) <= _MAX_BITS]
                if not len(others):
                    continue
                correlation = _standardised(thumbnails[others]) @ _standardised(thumbnails[later]) / thumbnails.shape[1]
                if correlation.max() >= _MIN_CORRELATION:
                    found.add(later)
                    yield int(others[correlation.argmax()]), later


def distinct(fingerprints: Sequence[Fingerprint | None], count: int) -> list[int]:
    """Indices of the first `count` images that look like no earlier one among them; images without contrast differ from all.

    Args:
        fingerprints: of each image, the most wanted first.
        count: at most so many are taken.
    """
    taken: list[int] = []
    most = min(count, len(fingerprints))
    hashes = np.zeros(most, np.uint64)
    thumbnails = np.zeros((most, _THUMBNAIL_SIDE**2), np.float32)
    known = 0
    for index, item in enumerate(fingerprints):
        if len(taken) == count:
            break
        if item is not None:
            standardised = _standardised(item.thumbnail)
            near = np.bitwise_count(hashes[:known] ^ np.uint64(item.hash)) <= _MAX_BITS
            correlation = thumbnails[:known][near] @ standardised / thumbnails.shape[1]
            if (correlation >= _MIN_CORRELATION).any():
                continue
            hashes[known], thumbnails[known] = item.hash, standardised
            known += 1
        taken.append(index)
    return taken


def _standardised(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(..., 256) with a mean of 0 and a standard deviation of 1."""
    values = thumbnails.astype(np.float32)
    values -= values.mean(axis=-1, keepdims=True)
    deviation = values.std(axis=-1, keepdims=True)
    values /= np.maximum(deviation, np.float32(1e-6))
    return values
