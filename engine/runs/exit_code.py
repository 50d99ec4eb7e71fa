"""The exit code of a command that trains or watches a run."""

from __future__ import annotations

from engine.events import Event, Failed, Finished, LossNotFinite, OutOfMemory, Stopped


def exit_code(last: Event | None) -> int:
    """The command's exit code after a run whose last event was `last`."""
    match last:
        case Finished():
            return 0
        case Stopped():
            return 130
        case OutOfMemory():
            return 3
        case LossNotFinite():
            return 4
        case Failed():
            return last.exit_code
        case _:
            return 1
