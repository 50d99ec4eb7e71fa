"""What the form of the recipe says beside the settings: errors, warnings and suggestions."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from engine.planning.request import PreparedPlan
from engine.recipe import Recipe
from tui.text import _, translate
from tui.text.durations import duration
from tui.wizard.anchor_offer import AnchorCheck
from tui.wizard.recipe_fields import field_of, strip_field_name

NoteKind = Literal["suggestion", "warning", "error"]
NOTE_KINDS: Final[tuple[NoteKind, ...]] = ("suggestion", "warning", "error")


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence beside a setting."""

    text: str
    kind: NoteKind


def setting_notes(
    prepared: PreparedPlan | None,
    errors: Mapping[str, str],
    out_of_memory: Mapping[str, str],
    anchors: AnchorCheck | None,
) -> dict[str, Note]:
    """The notes by setting; under the empty name what belongs to no setting.

    Args:
        prepared: the newest Plan.
        errors: sentences by setting.
        out_of_memory: the same, for batch sizes with which the dry run ran out of memory.
        anchors: whether the anchors of `prepared` fit its data set, if that is known.
    """
    notes: dict[str, Note] = {}
    if prepared is not None:
        suggestions = (
            _batch_suggestions(prepared)
            | _anchor_suggestion(prepared.plan.recipe, anchors)
            | _parallel_suggestion(prepared)
        )
        notes |= {name: Note(text, "suggestion") for name, text in suggestions.items()}
        notes |= {name: Note(text, "warning") for name, text in (_warnings(prepared) | dict(out_of_memory)).items()}
    return notes | {name: Note(text, "error") for name, text in errors.items()}


def _warnings(prepared: PreparedPlan) -> dict[str, str]:
    # That "auto" has chosen a batch size is already shown as a suggestion, and that a first look is one, below the stages.
    shown_elsewhere = ("plan.batch_suggested", "plan.first_look")
    messages = [message for message in prepared.plan.warnings if message.code not in shown_elsewhere]
    by_field = ((field_of(message) or "", translate(message)) for message in reversed(messages))
    return {name: strip_field_name(name, sentence) for name, sentence in by_field}


def _batch_suggestions(prepared: PreparedPlan) -> dict[str, str]:
    if (suggested := prepared.batch_sizes) is None:
        return {}
    recipe, notes = prepared.plan.recipe, {}
    for name, size in (("freeze_batch_size", suggested.freeze), ("unfreeze_batch_size", suggested.unfreeze)):
        if getattr(recipe, name) == "auto":
            notes[name] = _("auto: {size} now", size=size)
        elif getattr(recipe, name) != size:
            notes[name] = _("suggested: {size}, or auto", size=size)
    return notes


def _parallel_suggestion(prepared: PreparedPlan) -> dict[str, str]:
    """What several cards bring, measured, or that they could train together."""
    from engine.planning.dry_run.timing import measured_gain  # imports torch, which a Plan has imported already

    plan, hardware = prepared.plan, prepared.hardware
    if (gain := measured_gain(plan, hardware)) is not None:
        return {
            "parallel": _(
                "measured: an epoch takes {together} in {count} processes, {alone} in one",
                together=duration(gain.together),
                count=plan.processes,
                alone=duration(gain.alone),
            )
        }
    cards = len(hardware.cards_together)
    is_offered = plan.device.startswith("cuda") and plan.recipe.parallel == "none" and not plan.recipe.devices
    if cards > 1 and is_offered and sys.platform != "win32":
        return {"parallel": _("suggested: ddp, which trains on {count} cards together", count=cards)}
    return {}


def _anchor_suggestion(recipe: Recipe, check: AnchorCheck | None) -> dict[str, str]:
    if check is not None and check.has_offer:
        return {
            "anchors": _(
                "F3 fits them to your boxes: mean IoU {before} → {after}. The training then starts with a higher loss.",
                before=f"{check.before:.2f}",
                after=f"{check.after:.2f}",
            )
        }
    if recipe.anchors != "network" and recipe.start != "scratch":
        return {"anchors": _("These are not the anchors of the weights, so the training starts with a higher loss.")}
    return {} if check is None else {"anchors": check.no_offer_reason()}
