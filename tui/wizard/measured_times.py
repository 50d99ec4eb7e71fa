"""How long a preset takes with each goal, where this machine has measured the steps of that very training before."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path

from engine.hardware import Hardware
from engine.messages import BadInput
from engine.plan import DataSource
from engine.planning.advice import Goal
from engine.planning.request import DatasetReader, PlanRequest, prepare
from engine.recipe.presets import Preset
from tui.wizard.data_source import absolute_source
from tui.wizard.recipe_draft import apply_preset, draft_of
from tui.wizard.recommendation import GOAL_NAMES
from tui.wizard.state import WizardState


@dataclass(frozen=True, slots=True)
class TimesRequest:
    """What the times depend on."""

    state: WizardState
    """A copy: threads read it."""
    preset: Preset
    source: DataSource
    hardware: Hardware
    workspace: Path


def measured_times(request: TimesRequest, datasets: DatasetReader) -> Mapping[Goal, float]:
    """The seconds of the training for each goal; without those that were never measured. Takes some seconds: Plans are made."""
    chosen = copy(request.state)
    chosen.settings = dict(request.state.settings)
    apply_preset(chosen, request.preset)
    source = absolute_source(request.source, request.workspace)
    seconds: dict[Goal, float] = {}
    for goal in GOAL_NAMES:
        try:
            recipe = draft_of(chosen, request.preset, goal).recipe()
            prepared = prepare(
                PlanRequest(recipe, source, request.hardware, request.workspace, check_amp=False), datasets
            )
        except BadInput:
            return {}  # shown where it can be corrected
        if prepared.is_timed:
            seconds[goal] = sum(stage.seconds_estimate or 0.0 for stage in prepared.plan.stages)
    return seconds
