"""The minimum confidence of an object: one for all classes, and others for some of them.

A network that is unsure of a rare class has its best F1 there at a low confidence, at which it finds a common class everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.messages import BadInput, bad_input, did_you_mean, join_names

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What `--threshold` says."""

    general: float | None = None
    """None: that of the weights' best F1."""
    by_class: Mapping[str, float] = field(default_factory=dict)

    def of_classes(self, classes: Sequence[str], default: float) -> NDArray[np.float32]:
        """(classes,) the threshold of each class; `default` is used where none is given.

        Raises:
            BadInput: there is no such class.
        """
        for name in self.by_class:
            if name not in classes:
                raise bad_input(
                    "label.threshold_class",
                    "--threshold {name}=...: the weights have no such class{hint} They have {names}.",
                    name=name,
                    hint=did_you_mean(name, classes),
                    names=join_names(classes),
                )
        general = default if self.general is None else self.general
        return np.array([self.by_class.get(name, general) for name in classes], np.float32)


def parse_thresholds(words: Sequence[str]) -> Thresholds:
    """The values of --threshold: `0.3`, `auto` (that of the weights' best F1), or `class=0.3`; the last one of each counts.

    Raises:
        BadInput: one of them is no number from 0 to 1.
    """
    general: float | None = None
    by_class: dict[str, float] = {}
    for word in words:
        name, separator, number = word.rpartition("=")
        if separator:
            by_class[name] = _number(number, word)
        else:
            general = None if number == AUTO else _number(number, word)
    return Thresholds(general, by_class)


def _number(text: str, word: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _no_number(word, "0.5") from None
    if not 0 <= value <= 1:
        raise _no_number(word, "1" if value > 1 else "0" if not math.isnan(value) else "0.5")
    return value


def _no_number(word: str, valid: str) -> BadInput:
    return bad_input(
        "label.threshold",
        "--threshold {word}: write a number from 0 to 1, such as {valid}, CLASS={valid} for one class, or auto.",
        word=word,
        valid=valid,
    )
