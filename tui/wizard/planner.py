"""From what was entered to a Plan, in a thread: the work behind Tune and Review."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.cli.plan_request import source_of
from tui.text import N_

if TYPE_CHECKING:
    from engine.dataset.index import Dataset
    from engine.hardware import Hardware
    from engine.plan import DataSource, Plan
    from engine.planning.dry_run.dry_run import DryRunResult
    from engine.planning.memory.batch_size import BatchSizes

NO_DATA = N_("There are no pictures to learn from yet: choose them in step 2, Data.")


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What a Plan is wanted for."""

    settings: Mapping[str, Any]
    source: DataSource
    hardware: Hardware
    workspace: Path


@dataclass(frozen=True, slots=True)
class PlanPreview:
    """A Plan and what it was made from."""

    plan: Plan
    dataset: Dataset
    hardware: Hardware
    suggested: BatchSizes | None
    """The batch sizes that "auto" would take; None where not even 2 fits."""
    steps: int
    """As the tutorials count them: all epochs at the unfreeze batch."""
    advised_steps: int

    @property
    def fits(self) -> bool:
        """Whether the prediction finds room for both stages."""
        return all(
            stage.memory_estimate_bytes is None
            or stage.memory_limit_bytes is None
            or stage.memory_estimate_bytes <= stage.memory_limit_bytes
            for stage in self.plan.stages
        )

    @property
    def timed(self) -> bool:
        """Whether it is known how long every stage takes."""
        return all(stage.seconds_estimate is not None for stage in self.plan.stages)


class Planner:
    """Makes Plans; opens the data set once for each way to understand it."""

    def __init__(self, *, amp_check: bool = False) -> None:
        """`amp_check`: find out whether 16-bit works here before it is planned with (seconds, once for each card)."""
        self._check_amp = amp_check
        self._opened: tuple[object, Dataset] | None = None

    def propose(self, wish: PlanRequest) -> PlanPreview:
        """The Plan for `wish`.

        Raises:
            BadInput: something in it cannot work.
        """
        from engine.planning.device import check_amp
        from engine.planning.memory.batch_size import batch_size_problem, suggest_batch_sizes
        from engine.planning.resolve import make_plan
        from engine.planning.warnings import advised_steps, counted_steps
        from engine.recipe import make_recipe

        recipe = make_recipe(wish.settings)
        source = located(wish.source, wish.workspace)
        dataset = self._open(source, recipe.seed)
        if self._check_amp:
            check_amp(recipe, wish.hardware)
        plan = make_plan(recipe, dataset, source, wish.hardware, wish.workspace)
        problem = batch_size_problem(recipe, dataset, plan.device, plan.precision, wish.hardware)
        return PlanPreview(
            plan,
            dataset,
            wish.hardware,
            suggest_batch_sizes(problem),
            counted_steps(plan),
            advised_steps(recipe.method, recipe.optimizer_type),
        )

    def _open(self, source: DataSource, seed: int) -> Dataset:
        from engine.plan import open_source

        key = (source, seed)
        if self._opened is None or self._opened[0] != key:
            self._opened = (key, open_source(source, seed))
        return self._opened[1]


def located(source: DataSource, workspace: Path) -> DataSource:
    """`source` with its path in full; the sample set is drawn where it is not there yet."""
    classes = None if source.classes_file is None else Path(source.classes_file)
    return replace(source_of(source.path, workspace, source.format, classes, ()), mapping=dict(source.mapping))


class DryRunner:
    """Times the first steps of a Plan in a child process, which ends as soon as nobody wants the answer."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def rehearse(self, proposed: PlanPreview) -> tuple[PlanPreview, DryRunResult]:
        """`proposed` with its seconds, and what the rehearsal found."""
        from engine.planning.dry_run.dry_run import rehearse
        from engine.planning.dry_run.timing import with_seconds

        found = rehearse(proposed.plan, proposed.hardware, self._stop)
        return replace(proposed, plan=with_seconds(proposed.plan, found)), found

    def stop(self) -> None:
        """End the rehearsal that runs, if any."""
        self._stop.set()
        self._stop = threading.Event()
