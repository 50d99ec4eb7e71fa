"""From what was entered to a Plan, in a thread: the work behind Tune and Review."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands.assembly import source_of
from tui.text import N_

if TYPE_CHECKING:
    from engine.dataset.index import Dataset
    from engine.hardware import Hardware
    from engine.plan import DataSource, Plan
    from engine.planning.rehearsal import Rehearsal
    from engine.planning.suggestion import Batches

NO_DATA = N_("There are no pictures to learn from yet: choose them in step 2, Data.")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a Plan is wanted for."""

    settings: Mapping[str, Any]
    source: DataSource
    hardware: Hardware
    workspace: Path


@dataclass(frozen=True, slots=True)
class Proposed:
    """A Plan and what it was made from."""

    plan: Plan
    dataset: Dataset
    hardware: Hardware
    suggested: Batches | None
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

    def __init__(self, *, self_test: bool = False) -> None:
        """`self_test`: find out whether 16-bit works here before it is planned with (seconds, once for each card)."""
        self._self_test = self_test
        self._opened: tuple[object, Dataset] | None = None

    def propose(self, wish: Wish) -> Proposed:
        """The Plan for `wish`.

        Raises:
            BadInput: something in it cannot work.
        """
        from engine.planning.advice import advised_steps, counted_steps
        from engine.planning.device import try_sixteen_bit
        from engine.planning.resolve import make_plan
        from engine.planning.suggestion import situation_of, suggest_batches
        from engine.recipe import make_recipe

        recipe = make_recipe(wish.settings)
        source = located(wish.source, wish.workspace)
        dataset = self._open(source, recipe.seed)
        if self._self_test:
            try_sixteen_bit(recipe, wish.hardware)
        plan = make_plan(recipe, dataset, source, wish.hardware, wish.workspace)
        situation = situation_of(recipe, dataset, plan.device, plan.precision, wish.hardware)
        return Proposed(
            plan,
            dataset,
            wish.hardware,
            suggest_batches(situation),
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


class Rehearser:
    """Times the first steps of a Plan in a child process, which ends as soon as nobody wants the answer."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def rehearse(self, proposed: Proposed) -> tuple[Proposed, Rehearsal]:
        """`proposed` with its seconds, and what the rehearsal found."""
        from engine.planning.rehearsal import rehearse
        from engine.planning.timing import with_seconds

        found = rehearse(proposed.plan, proposed.hardware, self._stop)
        return replace(proposed, plan=with_seconds(proposed.plan, found)), found

    def stop(self) -> None:
        """End the rehearsal that runs, if any."""
        self._stop.set()
        self._stop = threading.Event()
