"""Values of more than 8 bits to 8 bits, by what the values use of their range."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SENSOR_BITS = (8, 10, 12, 14, 16, 24, 32)
"""Cameras, X-ray and thermal sensors store so many bits, in files of 16 or more."""


class EightBit(NamedTuple):
    """Pixels of 8 bits, and how they were scaled."""

    pixels: NDArray[np.uint8]
    largest: float
    """The largest stored value."""
    white: float
    """The stored value that became 255."""


def to_8_bit(values: NDArray[np.generic]) -> EightBit:
    """Scale so that the largest value of the smallest usual depth that holds the content becomes white.

    A 12-bit image in a 16-bit file is nearly black where the file's own range is taken. Decimal numbers are from 0 to 1 where
    none is larger; numbers below 0 and those that are not finite become black.
    """
    if values.dtype == np.uint16:
        narrow = values.view(np.uint16)
        largest = int(narrow.max(initial=0))
        bits = _bits_of(largest)
        return EightBit((narrow >> (bits - 8)).astype(np.uint8), largest, 2**bits - 1)
    with np.errstate(over="ignore"):  # 64-bit numbers beyond 32 bits become infinite
        narrowed = values.astype(np.float32)
    numbers = np.nan_to_num(narrowed, nan=0.0, posinf=0.0, neginf=0.0)
    top = float(numbers.max(initial=0))
    if values.dtype.kind == "f":
        white = next((float(limit) for limit in (1, 255) if top <= limit), top)
    else:
        white = float(2 ** _bits_of(top) - 1)
    scaled = np.clip(numbers * np.float32(255 / white) + np.float32(0.5), 0, 255)
    return EightBit(scaled.astype(np.uint8), top, white)


def _bits_of(largest: float) -> int:
    return next(bits for bits in _SENSOR_BITS if largest < 2**bits or bits == _SENSOR_BITS[-1])
