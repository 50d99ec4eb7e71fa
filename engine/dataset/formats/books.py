"""The books of a reading: whatever was seen was either taken in or left out with a finding."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["label_file", "line", "image", "box"]
"""A file of labels, a line of a list of images, an image, a box (row, object or annotation)."""

KINDS: tuple[Kind, ...] = ("label_file", "line", "image", "box")


@dataclass(slots=True)
class Books:
    """How many of each kind were seen, taken in and left out."""

    seen: Counter[Kind] = field(default_factory=Counter)
    kept: Counter[Kind] = field(default_factory=Counter)
    left_out: Counter[Kind] = field(default_factory=Counter)

    def check(self) -> None:
        """Check that nothing was lost without a finding.

        Raises:
            AssertionError: something was; this is a defect of the reader, not of the data.
        """
        for kind in KINDS:
            if self.seen[kind] != self.kept[kind] + self.left_out[kind]:
                raise AssertionError(
                    f"the books of the data set do not balance: {kind}: {self.seen[kind]} seen, {self.kept[kind]} taken in, "
                    f"{self.left_out[kind]} left out"
                )

    def to_json(self) -> dict[str, dict[str, int]]:
        """The form in `data check --json`."""
        return {
            kind: {"seen": self.seen[kind], "kept": self.kept[kind], "left_out": self.left_out[kind]} for kind in KINDS
        }
