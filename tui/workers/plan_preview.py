"""What follows from a recipe while it is edited: its Plan, the time of its first steps, whether its anchors fit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.widget import Widget

from engine.hardware import Hardware
from engine.messages import BadInput
from engine.planning.request import PlanRequest, PreparedPlan
from engine.recipe import Recipe
from tui.text import _
from tui.text.stages import STAGE_NAMES
from tui.wizard.anchor_offer import AnchorCheck, anchor_settings, check_anchors
from tui.wizard.free_memory import FreeMemoryMonitor
from tui.wizard.planner import DryRunner, Planner
from tui.wizard.recipe_fields import problems_by_field
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.planning.dry_run.dry_run import DryRunResult

DRY_RUN_DELAY = 3.0
"""Seconds after the last change until the first steps are timed: a dry run keeps the whole machine busy."""


class PlanPreview:
    """Works in threads on behalf of a screen, which it tells of every result."""

    def __init__(self, screen: Widget, planner: Planner, on_change: Callable[[], None]) -> None:
        """`on_change` is called in the app's thread. Call `start` when `screen` is mounted and `stop` when it is left."""
        self._screen = screen
        self._on_change = on_change
        self.prepared: PreparedPlan | None = None
        """The newest Plan."""
        self.errors: dict[str, str] = {}
        """Sentences by setting (empty name: none): why there is no newer Plan."""
        self.out_of_memory: dict[str, str] = {}
        """The same, for batch sizes with which the dry run ran out of memory."""
        self._anchor_check: AnchorCheck | None = None
        self._anchors_asked_for: tuple[object, ...] = ()
        """The data set and the settings of the latest check of the anchors."""
        self._dry_run_recipe: Recipe | None = None
        """The Recipe of the latest dry run."""
        self._dry_run_started = 0.0
        self._free_memory = FreeMemoryMonitor()
        self._dry_runner = DryRunner()
        self._plan_query = LatestQuery(screen, planner.prepare, self._use_plan, self._use_error)
        self._dry_run_query = LatestQuery(screen, self._dry_runner.dry_run, self._use_dry_run, None)
        self._anchor_query = LatestQuery(screen, check_anchors, self._use_anchor_check, None)

    def start(self) -> None:
        """Create the timers."""
        self._dry_run_timer = self._screen.set_timer(DRY_RUN_DELAY, self._start_dry_run, pause=True)
        self._clock = self._screen.set_interval(1.0, self._tick, pause=True)

    def stop(self) -> None:
        """End the dry run that is under way."""
        if self._dry_run_query.is_pending:
            self._dry_run_query.cancel()
            self._dry_run_recipe = None
        self._dry_runner.stop()

    def request(self, request: PlanRequest) -> None:
        """Make the Plan for `request`."""
        self._dry_run_timer.pause()
        self._free_memory.set_reference(request.hardware)
        self._plan_query.submit(request)

    def cancel(self) -> None:
        """Make no Plan: the recipe is not valid now."""
        self._plan_query.cancel()
        self._dry_run_timer.pause()

    def forget_errors(self) -> None:
        """For a recipe that has changed. A dry run of the previous one ends."""
        self.errors = {}
        self.stop()

    def needs_renewal(self, hardware: Hardware) -> bool:
        """Whether the free memory has changed enough for another Plan."""
        if self._dry_run_query.is_pending:
            self._free_memory.ignore_changes()  # the dry run releases its memory
            return False
        device = None if self.prepared is None else self.prepared.plan.device
        return not self._plan_query.is_pending and self._free_memory.has_changed(hardware, device)

    @property
    def anchors(self) -> AnchorCheck | None:
        """Whether the anchors of the newest Plan fit; None if that is not known yet."""
        check = self._anchor_check
        is_current = check is not None and self.prepared is not None and check.is_for(self.prepared.plan.recipe)
        return check if is_current else None

    @property
    def unknown_time(self) -> str:
        """What to show for the time of a stage that was not measured."""
        if self._dry_run_query.is_pending:
            seconds = round(time.monotonic() - self._dry_run_started)
            return _("measuring: {seconds} s so far", seconds=seconds)
        if self.prepared is not None and self.prepared.plan.recipe == self._dry_run_recipe:
            return _("could not be measured")
        return _("not measured yet")

    def _use_plan(self, prepared: PreparedPlan) -> None:
        self.prepared, self.errors = prepared, {}
        asked_for = (prepared.plan.data, *anchor_settings(prepared.plan.recipe))
        if asked_for != self._anchors_asked_for:
            self._anchors_asked_for, self._anchor_check = asked_for, None
            self._anchor_query.submit(prepared)
        if not prepared.is_timed and prepared.fits and prepared.plan.recipe != self._dry_run_recipe:
            self._dry_run_timer.reset()
            self._dry_run_timer.resume()
        self._on_change()

    def _use_error(self, error: BadInput) -> None:
        self.errors = problems_by_field(error)
        self._on_change()

    def _use_anchor_check(self, check: AnchorCheck) -> None:
        self._anchor_check = check
        self._on_change()

    def _start_dry_run(self) -> None:
        if self.prepared is not None:
            self.out_of_memory, self._dry_run_recipe = {}, self.prepared.plan.recipe
            self._dry_run_started = time.monotonic()
            self._dry_run_query.submit(self.prepared)
            self._clock.resume()
            self._on_change()

    def _tick(self) -> None:
        """Show how long the dry run has taken so far."""
        if not self._dry_run_query.is_pending:
            self._clock.pause()
        self._on_change()

    def _use_dry_run(self, result: tuple[PreparedPlan, DryRunResult]) -> None:
        prepared, dry_run = result
        if self.prepared is not None and prepared.plan.recipe == self.prepared.plan.recipe:
            self.prepared = prepared
            if dry_run.out_of_memory in STAGE_NAMES:
                sentence = _("Memory ran out in the first steps. Choose a smaller batch size.")
                self.out_of_memory = {f"{dry_run.out_of_memory}_batch_size": sentence}
        self._on_change()
