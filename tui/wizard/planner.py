"""The wizard's Plans: one planner for all screens, so that the labels are read once, and a dry run that times a Plan."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.planning.request import DatasetReader, PlanRequest, PreparedPlan, prepare
from tui.text import N_
from tui.wizard.data_source import absolute_source

if TYPE_CHECKING:
    from engine.planning.dry_run.dry_run import DryRunResult

NO_DATA = N_("There are no training images yet: choose a data set on the Data screen.")


class Planner:
    """Makes Plans in a worker thread and keeps the newest one."""

    def __init__(self, datasets: DatasetReader) -> None:
        self._datasets = datasets
        self._lock = threading.Lock()
        self._request: PlanRequest | None = None
        self._prepared: PreparedPlan | None = None

    def prepare(self, request: PlanRequest) -> PreparedPlan:
        """The Plan for `request`; the one at hand where the request is the same.

        Raises:
            BadInput: see `engine.planning.request.prepare`.
        """
        with self._lock:
            if self._prepared is None or request != self._request:
                located = replace(request, source=absolute_source(request.source, request.workspace))
                self._prepared = prepare(located, self._datasets)
                self._request = request
            return self._prepared


class DryRunner:
    """Runs the first steps of a Plan in a child process to time them. `stop` ends the child."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def dry_run(self, prepared: PreparedPlan) -> tuple[PreparedPlan, DryRunResult]:
        """`prepared` with estimates of its seconds, and the result of the dry run."""
        from engine.planning.dry_run.timing import with_seconds
        from engine.runner.dry_run import dry_run

        result = dry_run(prepared.plan, prepared.dataset, prepared.hardware, self._stop)
        return replace(prepared, plan=with_seconds(prepared.plan, result)), result

    def stop(self) -> None:
        """End the dry run that is under way, if any."""
        self._stop.set()
        self._stop = threading.Event()
