"""A Plan on one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textual import getters
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from engine.messages import printable
from engine.planning.advice import Goal
from engine.planning.request import PreparedPlan
from engine.recipe import Recipe, to_plain_value
from tui.text import N_, _, ngettext, translate
from tui.text.devices import devices_text
from tui.text.joining import join_parts, named, with_detail
from tui.widgets.label import Label
from tui.widgets.stage_table import StageTable
from tui.wizard.recipe_draft import RecipeDraft
from tui.wizard.recipe_fields import recipe_fields
from tui.wizard.recommendation import GOAL_NAMES

MAX_LISTED_CLASSES = 8
FACTS = {
    "data": N_("data"),
    "classes": N_("classes"),
    "start": N_("starts from"),
    "network": N_("network"),
    "device": N_("device"),
    "preset": N_("preset"),
    "goal": N_("goal"),
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
            with Horizontal(classes="plan-fact", id=f"line-of-{name}"):
                yield Label(_(title))
                yield Label(id=f"fact-{name}")
        yield StageTable()
        yield Label(id="plan-warnings")
        yield Label(id="plan-command-title")
        yield Label(id="plan-command")

    def show(
        self,
        prepared: PreparedPlan,
        draft: RecipeDraft,
        command: str,
        *,
        goal: Goal,
        readable: Mapping[str, int] | None,
        unknown_time: str,
    ) -> None:
        """Show a Plan.

        Args:
            prepared: the Plan.
            draft: the recipe it was made from, for what differs from the preset.
            command: the command line for the same run.
            goal: what the user wants; the epochs of a preset of ours are adapted to it.
            readable: number of images in each split that can be read, if they were checked.
            unknown_time: text for the time of a stage that was not measured.
        """
        for name, text in _facts(prepared, draft, goal, readable).items():
            self.query_one(f"#fact-{name}", Label).update(text)
            self.query_one(f"#line-of-{name}").display = bool(text)
        self._stage_table.show(prepared, unknown_time=unknown_time)
        # That a first look has fewer steps is said below the stages; it is no warning.
        warnings = [message for message in prepared.plan.warnings if message.code != "plan.first_look"]
        self._warnings.update("\n".join(f"! {translate(message)}" for message in warnings))
        self._warnings.display = bool(warnings)
        self._command_title.update(_("The same run on the command line:"))
        self._command.update(printable(command))


def _facts(
    prepared: PreparedPlan, draft: RecipeDraft, goal: Goal, readable: Mapping[str, int] | None
) -> dict[str, str]:
    """The texts for `FACTS`; a line without text is hidden."""
    plan, recipe = prepared.plan, prepared.plan.recipe
    height, width = recipe.input_shape
    device = _("{device} in {precision}", device=devices_text(plan), precision=plan.precision)
    if plan.device == "cpu":
        device = join_parts(device, ngettext("{count} thread", "{count} threads", plan.threads))
    return {
        "data": "\n".join((printable(plan.data.path), _counts(prepared), *_unreadable(plan.images, readable))),
        "classes": _classes(plan.classes),
        "start": _("nothing (from scratch)") if plan.weights is None else _weights(plan.weights, recipe),
        "network": _("{network}, input {width} x {height}", network=recipe.network, width=width, height=height),
        "device": device,
        "preset": with_detail(_(printable(draft.preset.title)), draft.preset.name),
        "goal": _goal(prepared, draft, goal),
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


def _unreadable(images: Mapping[str, int], readable: Mapping[str, int] | None) -> Iterator[str]:
    """What follows from images that cannot be read."""
    if readable is None:
        return
    missing = sum(images.values()) - sum(readable.values())
    if missing:
        yield ngettext(
            "{count} image cannot be read and is left out: {train} remain for training, {val} for validation.",
            "{count} images cannot be read and are left out: {train} remain for training, {val} for validation.",
            missing,
            train=readable.get("train", 0),
            val=readable.get("val", 0),
        )
    if images.get("val", 0) and not readable.get("val", 0):
        yield _("No validation image can be read, so nothing shows when the network stops improving.")


def _goal(prepared: PreparedPlan, draft: RecipeDraft, goal: Goal) -> str:
    """The goal that the epochs are adapted to; empty where they are not, or where the user chose them."""
    if not draft.is_adapted:
        return ""
    return _(
        "{goal} from {images} training images: {epochs} epochs. G on the Recipe screen switches.",
        goal=_(GOAL_NAMES[goal]),
        images=prepared.plan.images["train"],
        epochs=prepared.plan.recipe.unfreeze_epoch,
    )


def _classes(names: tuple[str, ...]) -> str:
    listed = ", ".join(printable(name) for name in names[:MAX_LISTED_CLASSES])
    unlisted = len(names) - MAX_LISTED_CLASSES
    more = _("and {count} more", count=unlisted) if unlisted > 0 else ""
    return named(str(len(names)), join_parts(listed, more))


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
