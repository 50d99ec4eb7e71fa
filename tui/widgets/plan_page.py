"""A Plan on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual import getters
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from engine.messages import printable
from engine.planning.request import PreparedPlan
from engine.recipe import Recipe, to_plain_value
from tui.text import N_, _, ngettext, translate
from tui.widgets.label import Label
from tui.widgets.stage_table import StageTable
from tui.wizard.recipe_draft import RecipeDraft
from tui.wizard.recipe_fields import recipe_fields

MAX_LISTED_CLASSES = 8
FACTS = {
    "data": N_("data"),
    "classes": N_("classes"),
    "start": N_("starts from"),
    "network": N_("network"),
    "device": N_("device"),
    "preset": N_("preset"),
    "changes": N_("changes"),
}
"""Ids and titles of the lines above the stages."""


class PlanPage(Vertical):
    """Data, start, recipe, stages, warnings, and the command line for the same run."""

    DEFAULT_CSS = """
    PlanPage { height: auto; }
    PlanPage Label { height: auto; }
    PlanPage > .plan-fact { height: auto; }
    .plan-fact > Label { width: 1fr; }
    .plan-fact > Label:first-of-type { width: 14; color: $text-muted; }
    PlanPage > StageTable { padding: 1 0; }
    .-low PlanPage > StageTable { padding: 0; }
    PlanPage > #plan-warnings { color: $warning; }
    PlanPage > #plan-command-title { color: $text-muted; padding-top: 1; }
    PlanPage > #plan-command { background: $surface; padding: 0 1; }
    """

    _stage_table = getters.query_one(StageTable)
    _warnings = getters.query_one("#plan-warnings", Label)
    _command_title = getters.query_one("#plan-command-title", Label)
    _command = getters.query_one("#plan-command", Label)

    def compose(self) -> ComposeResult:
        """All parts, empty until `show`."""
        for name, title in FACTS.items():
            with Horizontal(classes="plan-fact"):
                yield Label(_(title))
                yield Label(id=f"fact-{name}")
        yield StageTable()
        yield Label(id="plan-warnings")
        yield Label(id="plan-command-title")
        yield Label(id="plan-command")

    def show(self, prepared: PreparedPlan, draft: RecipeDraft, command: str, *, unknown_time: str) -> None:
        """Show a Plan.

        Args:
            prepared: the Plan.
            draft: the recipe it was made from, for what differs from the preset.
            command: the command line for the same run.
            unknown_time: text for the time of a stage that was not measured.
        """
        for name, text in _facts(prepared, draft).items():
            self.query_one(f"#fact-{name}", Label).update(text)
        self._stage_table.show(prepared, unknown_time=unknown_time)
        warnings = prepared.plan.warnings
        self._warnings.update("\n".join(f"! {translate(message)}" for message in warnings))
        self._warnings.display = bool(warnings)
        self._command_title.update(_("The same run on the command line:"))
        self._command.update(printable(command))


def _facts(prepared: PreparedPlan, draft: RecipeDraft) -> dict[str, str]:
    """The texts for `FACTS`."""
    plan, recipe = prepared.plan, prepared.plan.recipe
    height, width = recipe.input_shape
    device = _("{device} in {precision}", device=plan.device, precision=plan.precision)
    if plan.device == "cpu":
        device += ", " + ngettext("{count} thread", "{count} threads", plan.threads)
    return {
        "data": f"{printable(plan.data.path)}\n{_counts(prepared)}",
        "classes": _classes(plan.classes),
        "start": _("nothing (from scratch)") if plan.weights is None else _weights(plan.weights, recipe),
        "network": _("{network}, input {width} x {height}", network=recipe.network, width=width, height=height),
        "device": device,
        "preset": f"{_(printable(draft.preset.title))}  ({printable(draft.preset.name)})",
        "changes": _changes(draft) or _("none"),
    }


def _counts(prepared: PreparedPlan) -> str:
    images = prepared.plan.images
    return _(
        "{train} images for training, {val} for validation, {test} for testing; {boxes} boxes",
        train=images.get("train", 0),
        val=images.get("val", 0),
        test=images.get("test", 0),
        boxes=len(prepared.dataset.boxes),
    )


def _classes(names: tuple[str, ...]) -> str:
    listed = ", ".join(printable(name) for name in names[:MAX_LISTED_CLASSES])
    unlisted = len(names) - MAX_LISTED_CLASSES
    more = ", " + _("and {count} more", count=unlisted) if unlisted > 0 else ""
    return f"{len(names)}: {listed}{more}"


def _weights(file: str, recipe: Recipe) -> str:
    name = printable(Path(file).name)
    return (
        _("the whole network of {file}", file=name)
        if recipe.start == "whole"
        else _("the backbone of {file}", file=name)
    )


def _changes(draft: RecipeDraft) -> str:
    """A line for each setting that differs from the preset."""
    fields = {field.name: field for field in recipe_fields()}
    preset = draft.preset.recipe()

    def format_value(name: str, value: Any) -> str:
        return fields[name].text(value) if name in fields else str(value)

    lines = [
        _(
            "{name} = {value}  (preset: {other})",
            name=name,
            value=format_value(name, value),
            other=format_value(name, getattr(preset, name)),
        )
        for name, value in draft.differences.items()
        if to_plain_value(getattr(preset, name, None)) != value
    ]
    return "\n".join(lines)
