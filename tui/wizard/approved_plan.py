"""The Plan that the user approved on the Review screen; Train starts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.dataset.index import Dataset
    from engine.plan import Plan


@dataclass(frozen=True, slots=True)
class ApprovedPlan:
    """A Plan and the Dataset it was made from."""

    plan: Plan
    dataset: Dataset
