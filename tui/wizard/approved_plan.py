"""What the user has agreed to in Review, for Train to begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.dataset.index import Dataset
    from engine.plan import Plan


@dataclass(frozen=True, slots=True)
class ApprovedPlan:
    """The Plan that was reviewed, and the Dataset it was made from."""

    plan: Plan
    dataset: Dataset
