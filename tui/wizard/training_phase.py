"""What a training does at the moment, from its events and from what was asked of it."""

from __future__ import annotations

from typing import Literal

from engine.events import CommandAnswered, Event, LossNotFinite, OutOfMemory, Paused, Resumed, RunStarted, Step

Phase = Literal["preparing", "training", "pausing", "paused", "stopping", "detaching", "ended"]

_ENDING = ("stopping", "detaching")


def phase_after(phase: Phase, event: Event, *, starts_paused: bool = False, is_refused: bool = False) -> Phase:
    """The phase of a training in `phase` after `event`.

    Args:
        phase: also what was asked for and has not happened yet.
        event: the next event of the run.
        starts_paused: whether a run that starts pauses at once.
        is_refused: whether the event refuses what led to `phase`.
    """
    match event:
        case RunStarted():
            return "pausing" if starts_paused else "preparing"
        case CommandAnswered() if not event.accepted:
            return "training" if is_refused and phase in ("pausing", *_ENDING) else phase
        case _ if phase in _ENDING:
            return phase
        case Step():
            return "training" if phase == "preparing" else phase
        case Paused():
            return "paused"
        case Resumed():
            return "training"
        case CommandAnswered():
            return _phase_after_command(phase, event.command)
        case OutOfMemory() | LossNotFinite():
            return "preparing"  # the run ends, or continues with a smaller batch
    return phase


def _phase_after_command(phase: Phase, command: str) -> Phase:
    """What one window asks for, all others show too."""
    if command in ("stop", "extend"):
        return "stopping"
    if command == "detach":
        return "detaching"
    if command == "pause" and phase == "training":
        return "pausing"
    if command == "resume" and phase in ("pausing", "paused"):
        return "training"
    return phase
