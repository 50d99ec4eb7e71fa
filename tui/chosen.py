"""What Review hands to Train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.dataset.index import Dataset
    from engine.plan import Plan


@dataclass(frozen=True, slots=True)
class Chosen:
    """A Plan that was looked at and agreed to, and its Dataset."""

    plan: Plan
    dataset: Dataset
