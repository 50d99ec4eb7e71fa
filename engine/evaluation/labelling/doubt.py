"""How unsure a network is about an image, and which images to label next.

A box whose confidence is the threshold of its class raises the question whether it is an object; one at 0 or 1 raises none. The doubt of a box falls
from 1 at the threshold to 0 at both ends, with the square of the distance, so that twenty boxes of which the network is sure weigh less
than one of which it is not. The doubt of an image is the sum over its boxes: about how many questions it would answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.dataset.near_duplicates import Fingerprint, distinct


@dataclass(frozen=True, slots=True)
class Doubt:
    """One image, and how unsure the network is about it."""

    image: Path
    value: float
    """0: sure of everything."""
    boxes: int
    """The number of boxes at or above the threshold."""
    fingerprint: Fingerprint | None


def doubt_of(scores: NDArray[np.float32], thresholds: NDArray[np.float32]) -> float:
    """The sum of the doubts of boxes with these confidences (n,), each with its threshold (n,)."""
    away = scores.astype(np.float64) - thresholds
    distance = np.where(away >= 0, away / np.maximum(1 - thresholds, 1e-6), -away / np.maximum(thresholds, 1e-6))
    return float(((1 - np.clip(distance, 0, 1)) ** 2).sum())


def most_doubtful(doubts: Sequence[Doubt], count: int) -> list[Doubt]:
    """The `count` images with the most doubt, of those that look nearly the same only the first; fewer if there are no others."""
    ordered = sorted(doubts, key=lambda doubt: -doubt.value)
    return [ordered[index] for index in distinct([doubt.fingerprint for doubt in ordered], count)]
