"""Two runs side by side: which settings differ, and what the results are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.runs.folder import load_plan, read_events
from engine.runs.summary import RunSummary, summarize_run
from tui.wizard.run_history import RunHistory


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One of the two runs."""

    summary: RunSummary
    history: RunHistory
    settings: Mapping[str, Any]
    """Its recipe, and its data set as `data`."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`differences`: settings whose values differ -> both values."""

    left: ComparedRun
    right: ComparedRun
    differences: Mapping[str, tuple[Any, Any]]


def compare(runs: Sequence[Path]) -> Comparison:
    """Read two run folders.

    Raises:
        BadInput: one of them holds no plan.
    """
    left, right = (_read(run) for run in runs)
    # In the order of the recipe; a setting that only one method reads is missing from the other recipe.
    names = [*left.settings, *(name for name in right.settings if name not in left.settings)]
    pairs = {name: (left.settings.get(name), right.settings.get(name)) for name in names}
    return Comparison(left, right, {name: pair for name, pair in pairs.items() if pair[0] != pair[1]})


def _read(run: Path) -> ComparedRun:
    plan = load_plan(run)
    settings = {"data": plan.data.path, **plan.recipe.model_dump(mode="json")}
    return ComparedRun(summarize_run(run), RunHistory().apply_all(read_events(run)), settings)
