"""What a report of a run says, read from the run folder, and measured with its best weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.messages import BadInput, Message
from engine.plan import Plan
from engine.recipe import to_plain_value
from engine.recipe.presets import DEFAULT_PRESET, Preset, find_preset
from engine.runs.folder import load_plan, read_events
from tui.text.events import describe_event
from tui.wizard.cli_equivalent import command_line, command_words
from tui.wizard.recipe_draft import RecipeDraft
from tui.wizard.run_comparison import Comparison, compare
from tui.wizard.stored_run import StoredRun, read_stored_run, training_facts

if TYPE_CHECKING:
    from engine.evaluation.report_images import ReportImage
    from engine.evaluation.run_report import RunReport
    from engine.runner.environment import Environment

MAX_WORST = 6
_MAX_EVENTS = 40
_TOO_FREQUENT = frozenset({"step", "epoch_finished", "evaluated", "checkpoint_saved", "paused", "resumed"})
"""Events that the curves show, or that nobody asks for later."""


@dataclass(frozen=True, slots=True)
class Results:
    """What the best weights detect in the images of a split."""

    measured: RunReport
    images: Mapping[int, ReportImage]
    """The images of both lists below, by their number in the data set."""
    worst: tuple[int, ...]
    """Those with the most mistakes."""
    samples: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Everything that a report shows."""

    run: StoredRun
    workspace: Path
    plan: Plan
    environment: Environment | None
    preset: Preset | None
    """What the recipe was made from; None where it was none, or it does not exist any more."""
    results: Results | None
    problem: tuple[Message, ...] = ()
    """Why there are no results."""
    events: tuple[tuple[float, str], ...] = ()
    """Unix time and text of what happened, without epochs and steps."""
    comparison: Comparison | None = None
    changed: Mapping[str, Any] = field(default_factory=dict)
    """Settings that differ from the preset, with the preset's value; empty without a preset."""


def read_content(
    run: Path, workspace: Path, progress: Callable[[int, int], None] | None = None, other: Path | None = None
) -> ReportContent:
    """Read a run and evaluate its best weights.

    Without weights, or without its data set, the report has what the run folder tells.

    Args:
        run: a run folder, or its name in the workspace.
        workspace: has the logs/ and presets/.
        progress: called with the number of images that are evaluated, and of all images.
        other: a second run to compare it with.

    Raises:
        BadInput: there is no such run, or it cannot be read.
    """
    from engine.runner.environment import read_environment

    stored = read_stored_run(run, workspace)
    plan = load_plan(stored.folder)
    comparison = None if other is None else compare((stored.folder, read_stored_run(other, workspace).folder))
    results: Results | None = None
    problem: tuple[Message, ...] = ()
    try:
        results = _measure(stored, progress)
    except BadInput as error:
        problem = error.messages
    preset = _preset_of(plan, workspace)
    return ReportContent(
        run=stored,
        workspace=workspace,
        plan=plan,
        environment=read_environment(stored.folder),
        preset=preset,
        results=results,
        problem=problem,
        events=_read_events(stored),
        comparison=comparison,
        changed={} if preset is None else _changed_settings(plan, preset),
    )


def repeat_command(plan: Plan, workspace: Path) -> str:
    """The command that trains again with the same data, settings and batch sizes."""
    preset = _preset_of(plan, workspace) or find_preset(DEFAULT_PRESET)
    given = preset.recipe().model_dump(mode="json")
    settings = {name: to_plain_value(value) for name, value in plan.recipe.relevant_settings().items()}
    for stage in plan.stages:
        # An automatic batch size depends on the machine.
        settings[f"{stage.name}_batch_size"] = stage.batch_size
    changes = {name: value for name, value in settings.items() if given.get(name) != value}
    return command_line(command_words(RecipeDraft(preset, changes=changes), plan.data, workspace))


def _preset_of(plan: Plan, workspace: Path) -> Preset | None:
    if plan.preset is not None:
        with suppress(BadInput):  # it was deleted, or damaged since
            preset = find_preset(plan.preset, workspace)
            preset.recipe()
            return preset
    return None


def _changed_settings(plan: Plan, preset: Preset) -> dict[str, Any]:
    before = preset.recipe().model_dump(mode="json")
    now = plan.recipe.model_dump(mode="json")
    return {name: before[name] for name in plan.recipe.relevant_settings() if now[name] != before[name]}


def _measure(run: StoredRun, progress: Callable[[int, int], None] | None) -> Results:
    from engine.evaluation.report_images import report_image
    from engine.evaluation.run_report import run_report

    measured = run_report(run.folder, training_facts(run), progress)
    images: dict[int, ReportImage] = {}
    worst: list[int] = []
    samples: list[int] = []
    for numbers, candidates in ((worst, measured.images[:MAX_WORST]), (samples, measured.samples)):
        for result in candidates:
            with suppress(BadInput):  # the image was deleted meanwhile
                if result.image_index not in images:
                    images[result.image_index] = report_image(measured.prediction_of(result), measured.threshold)
                numbers.append(result.image_index)
    worst = [number for number in worst if images[number].mistakes.total]
    return Results(measured, images, tuple(worst), tuple(samples))


def _read_events(run: StoredRun) -> tuple[tuple[float, str], ...]:
    last_epoch = run.history.last_epoch
    epochs = None if last_epoch is None else last_epoch + 1
    notable = (event for event in read_events(run.folder) if event.event_name() not in _TOO_FREQUENT)
    told = ((event.time, describe_event(event, epochs)) for event in notable)
    return tuple((moment, text) for moment, text in told if text is not None)[-_MAX_EVENTS:]
