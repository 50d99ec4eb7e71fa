"""What two runs have in common and what not, as text: for the dialog of the Runs screen and for `runs compare` alike."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from engine.messages import printable
from tui.text import _
from tui.text.durations import duration
from tui.text.joining import with_detail
from tui.text.run_states import STATE_NAMES, format_epochs
from tui.wizard.recipe_fields import recipe_fields
from tui.wizard.run_comparison import ComparedRun, Comparison, Difference
from tui.wizard.run_history import RunHistory


def describe_limits(comparison: Comparison) -> list[str]:
    """A sentence for each reason why the results cannot be compared; one that says so where nothing differs at all."""
    sentences = [describe_limit(each, comparison) for each in comparison.limits]
    changed = any(run.history.batch_changes for run in (comparison.left, comparison.right))
    if not comparison.settings and not sentences and not changed:
        return [_("All settings and images are the same, also the seed: only an interruption can differ.")]
    return sentences


def describe_limit(difference: Difference, comparison: Comparison) -> str:
    """What cannot be compared, and why."""
    left, right = comparison.left, comparison.right
    match difference:
        case "classes":
            return _("The classes differ: neither mAP nor loss can be compared.")
        case "data":
            values = {"left": printable(left.settings["data"]), "right": printable(right.settings["data"])}
            return _("The data sets differ ({left}, {right}): neither mAP nor loss can be compared.", **values)
        case "data_changed":
            return _("The data set was changed between the two runs: neither mAP nor loss can be compared.")
        case "validation_images":
            return _(
                "The splits differ: the runs were validated on other images, so neither mAP nor loss can be compared."
            )
        case "training_images":
            return _("The training images differ. The validation images are the same, so the results can be compared.")
        case "network":
            values = {"left": str(left.settings["network"]), "right": str(right.settings["network"])}
            return _("The networks differ ({left}, {right}): compare mAP, not the losses.", **values)
        case "input_shape":
            values = {"left": _shape_text(left), "right": _shape_text(right)}
            return _("The input sizes differ ({left}, {right}): compare mAP, not the losses.", **values)


def _shape_text(run: ComparedRun) -> str:
    shape = run.settings.get("input_shape")
    return "x".join(map(str, shape)) if isinstance(shape, list) else str(shape)


def result_rows(run: ComparedRun) -> Iterator[tuple[str, str]]:
    """(name, value) pairs; every run has the same names."""
    summary, history = run.summary, run.history
    yield _("run"), printable(summary.name)
    yield _("note"), summary.note
    yield _("state"), _(STATE_NAMES[summary.state])
    yield _("epoch"), format_epochs(summary)
    yield _("steps"), str(history.steps)
    yield _("best mAP50"), _best_map(map50 for _epoch, map50, _map in history.maps)
    yield _("lowest val loss"), _lowest_loss(loss for _epoch, loss in history.validation)
    yield _("time per step"), _time_per_step(history)
    yield _("batch size changed"), "; ".join(_batch_change(*change) for change in history.batch_changes)


def setting_label(name: str) -> str:
    """What people call a setting: at most 22 columns."""
    if name in ("data", "preset"):
        return _("data") if name == "data" else _("preset")
    return next((field.label for field in recipe_fields() if field.name == name), name)


def setting_name(name: str) -> str:
    """What people call a setting, and its name in files."""
    label = setting_label(name)
    return label if name in ("data", "preset", label) else with_detail(label, name)


def _batch_change(epoch: int, batch_size: int) -> str:
    return _("to {batch} in epoch {epoch}", batch=batch_size, epoch=epoch + 1)


def _time_per_step(history: RunHistory) -> str:
    latest = history.latest
    seconds = None if latest is None else history.timer.seconds_per_step(latest.stage)
    return "" if seconds is None else f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(seconds)


def _lowest_loss(losses: Iterable[float]) -> str:
    return min((f"{loss:.4f}" for loss in losses), key=float, default="")


def _best_map(maps: Iterable[float]) -> str:
    return max((f"{map50:.3f}" for map50 in maps), key=float, default="")


def setting_text(value: Any) -> str:
    """The value as in a recipe file."""
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
