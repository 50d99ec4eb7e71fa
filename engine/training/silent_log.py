"""The log of a process that does not write: see `run_log.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.events import EpochFinished, Evaluated, Event
from engine.messages import Message


class SilentLog:
    """Has the methods of `RunLog` and does nothing."""

    note: Message | None = None

    def restore(self, lengths: Mapping[str, int], epochs: Sequence[EpochFinished | Evaluated]) -> None:
        """Nothing to set back."""

    def record(self, event: Event) -> None:
        """Nothing is written."""

    def sync(self) -> dict[str, int]:
        """No log has a length."""
        return {}

    def close(self) -> None:
        """Nothing is open."""
