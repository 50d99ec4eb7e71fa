"""Two runs side by side: what differed in their recipes, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.runs.folder import RunSummary, load_plan, read_events, summarize_run
from tui.wizard.run_history import RunHistory


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """What is compared of a run."""

    summary: RunSummary
    course: RunHistory
    settings: Mapping[str, Any]
    """Its recipe, and its data set as `data`."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`differences` holds the settings that are not the same, with the value of each run."""

    one: ComparedRun
    other: ComparedRun
    differences: Mapping[str, tuple[Any, Any]]


def compare(runs: Sequence[Path]) -> Comparison:
    """Read two run folders.

    Raises:
        BadInput: one of them holds no plan.
    """
    one, other = (_read(run) for run in runs)
    # Settings in the recipe's own order; what only one method reads is missing in the other's.
    names = [*one.settings, *(name for name in other.settings if name not in one.settings)]
    pairs = {name: (one.settings.get(name), other.settings.get(name)) for name in names}
    return Comparison(one, other, {name: pair for name, pair in pairs.items() if pair[0] != pair[1]})


def _read(run: Path) -> ComparedRun:
    plan = load_plan(run)
    settings = {"data": plan.data.path, **plan.recipe.model_dump(mode="json")}
    return ComparedRun(summarize_run(run), RunHistory().take_all(read_events(run)), settings)
