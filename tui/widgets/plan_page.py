"""Everything a Plan says, from top to bottom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from engine.messages import printable
from engine.recipe import Recipe
from tui.text import N_, _, ngettext, translate
from tui.widgets.label import Label
from tui.widgets.stage_table import StageTable
from tui.wizard.planner import PlanPreview
from tui.wizard.recipe_draft import RecipeDraft, plain
from tui.wizard.recipe_fields import recipe_fields

SHOWN_CLASSES = 8
FACTS = (
    N_("data"),
    N_("classes"),
    N_("starts from"),
    N_("network"),
    N_("trains on"),
    N_("preset"),
    N_("changed"),
)


class PlanPage(Vertical):
    """Data, start, recipe, stages, warnings, and the same run as a command."""

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

    def compose(self) -> ComposeResult:
        """Parts; empty as long as there is no Plan."""
        for number, label in enumerate(FACTS):
            with Horizontal(classes="plan-fact"):
                yield Label(_(label))
                yield Label(id=f"fact-{number}")
        yield StageTable()
        yield Label(id="plan-warnings")
        yield Label(id="plan-command-title")
        yield Label(id="plan-command")

    def show(self, proposed: PlanPreview, proposal: RecipeDraft, command: str, *, untimed: str) -> None:
        """Show a Plan, what it differs in from its preset, and its command line."""
        facts = _facts(proposed, proposal)
        for number, label in enumerate(FACTS):
            self.query_one(f"#fact-{number}", Label).say(facts[label])
        self.query_one(StageTable).show(proposed, untimed=untimed)
        warnings = self.query_one("#plan-warnings", Label)
        warnings.say("\n".join(f"! {translate(message)}" for message in proposed.plan.warnings))
        warnings.display = bool(proposed.plan.warnings)
        self.query_one("#plan-command-title", Label).say(_("The same run without a screen:"))
        self.query_one("#plan-command", Label).say(printable(command))


def _facts(proposed: PlanPreview, proposal: RecipeDraft) -> dict[str, str]:
    """What stands beside each label."""
    plan = proposed.plan
    recipe = plan.recipe
    height, width = recipe.input_shape
    network = _("{network}, input {width} x {height}", network=recipe.network, width=width, height=height)
    computing = _("{device} in {precision}", device=plan.device, precision=plan.precision)
    if plan.device == "cpu":
        computing += ", " + ngettext("{count} thread", "{count} threads", plan.threads)
    return {
        "data": f"{printable(plan.data.path)}\n{_counts(proposed)}",
        "classes": _classes(plan.classes),
        "starts from": _("nothing (from scratch)") if plan.weights is None else _weights(plan.weights, recipe),
        "network": network,
        "trains on": computing,
        "preset": f"{_(printable(proposal.preset.title))}  ({printable(proposal.preset.name)})",
        "changed": _changes(proposal) or _("nothing"),
    }


def _counts(proposed: PlanPreview) -> str:
    images = proposed.plan.images
    return _(
        "{train} images to learn from, {val} to validate, {test} to test; {boxes} boxes",
        train=images.get("train", 0),
        val=images.get("val", 0),
        test=images.get("test", 0),
        boxes=len(proposed.dataset.boxes),
    )


def _classes(names: tuple[str, ...]) -> str:
    shown = ", ".join(printable(name) for name in names[:SHOWN_CLASSES])
    more = ", " + _("and {count} more", count=len(names) - SHOWN_CLASSES) if len(names) > SHOWN_CLASSES else ""
    return f"{len(names)}: {shown}{more}"


def _weights(file: str, recipe: Recipe) -> str:
    name = printable(Path(file).name)
    return (
        _("the whole network of {file}", file=name)
        if recipe.start == "whole"
        else _("the backbone of {file}", file=name)
    )


def _changes(proposal: RecipeDraft) -> str:
    """`name value (preset: value)`, a line each."""
    fields = {field.name: field for field in recipe_fields()}
    preset = proposal.preset.recipe()

    def text(name: str, value: Any) -> str:
        return fields[name].text(value) if name in fields else str(value)

    lines = [
        _(
            "{name} = {value}  (preset: {other})",
            name=name,
            value=text(name, value),
            other=text(name, getattr(preset, name)),
        )
        for name, value in proposal.differences.items()
        if plain(getattr(preset, name, None)) != value
    ]
    return "\n".join(lines)
