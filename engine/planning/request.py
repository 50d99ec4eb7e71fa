"""From what the user asked for to a Plan. The commands and the wizard both take this way.

Importing this module does not import torch: a wrong recipe or data set is reported before the seconds that torch needs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.dataset.index import Dataset
from engine.hardware import Hardware
from engine.plan import DataSource, Plan, open_source
from engine.planning.advice import StepAdvice, plan_advice
from engine.recipe import Recipe

if TYPE_CHECKING:
    from engine.planning.memory.batch_size import BatchSizes

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What a Plan is made from. `source` is absolute; see `DatasetReader`."""

    recipe: Recipe
    source: DataSource
    hardware: Hardware
    workspace: Path
    preset: str | None = None
    """Name of the preset that the recipe was made from; stored with the run."""
    check_amp: bool = True
    """Check whether 16-bit works before planning with it: seconds, once for each device and network."""
    nodes: int = 1
    """Number of machines that train together."""


@dataclass(frozen=True, slots=True)
class PreparedPlan:
    """A Plan with what it was made from."""

    plan: Plan
    dataset: Dataset
    hardware: Hardware
    batch_sizes: BatchSizes | None
    """The batch sizes that "auto" takes; None where not even 2 fits."""

    @property
    def fits(self) -> bool:
        """Whether every stage is predicted to fit into the free memory."""
        return self.plan.fits

    @property
    def step_advice(self) -> StepAdvice:
        """What is to be said about the number of steps."""
        return plan_advice(self.plan)

    @property
    def is_timed(self) -> bool:
        """Whether every stage has an estimate of its seconds."""
        return all(stage.seconds_estimate is not None for stage in self.plan.stages)


class DatasetReader:
    """Reads the labels of a data source once and keeps the Dataset. Safe from any thread: a second caller waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._source: DataSource | None = None
        self._dataset: Dataset | None = None

    def open(self, source: DataSource, seed: int, progress: Callable[[int, int], None] | None = None) -> Dataset:
        """The Dataset at `source`; where it has no splits of its own, they are drawn by `seed`.

        `progress` is called while labels are read, see `open_dataset`; it may raise to cancel.

        Raises:
            BadInput: see `open_source`.
        """
        with self._lock:
            if self._dataset is None or self._source != source:
                self._dataset = open_source(source, seed, progress)
                self._source = source
            return self._dataset.with_split_seed(seed)

    def reload(self) -> None:
        """Read the labels again at the next `open`."""
        with self._lock:
            self._source = self._dataset = None


def prepare(request: PlanRequest, datasets: DatasetReader | None = None) -> PreparedPlan:
    """The Plan for `request`. Nothing is started, and no memory of a GPU is used.

    Args:
        request: recipe, data, hardware, workspace.
        datasets: keeps what it read, so that the next call need not read the labels again.

    Raises:
        BadInput: the data set, the device, the weights or a batch size cannot work.
    """
    dataset = (datasets or DatasetReader()).open(request.source, request.recipe.seed)

    from engine.planning.device import check_amp
    from engine.planning.memory.batch_size import batch_size_problem, suggest_batch_sizes
    from engine.planning.resolve import make_plan

    recipe, hardware = request.recipe, request.hardware
    if request.check_amp:
        check_amp(recipe, hardware)
    plan = make_plan(recipe, dataset, request.source, hardware, request.workspace, nodes=request.nodes)
    plan = replace(plan, preset=request.preset)
    devices = plan.devices or (plan.device,)
    problem = batch_size_problem(plan.resolved_recipe, dataset, devices, plan.precision, hardware, nodes=plan.nodes)
    prepared = PreparedPlan(plan, dataset, hardware, suggest_batch_sizes(problem))
    _log.info(
        "weights: %s; device: %s; precision: %s; fits: %s", plan.weights, plan.device, plan.precision, prepared.fits
    )
    for stage in plan.stages:
        _log.info("%s", stage)
    return prepared
