"""Where the events of a training come from, and where the user's commands go: this process, or another one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from engine.runs.follow import EventBatch


class TrainingSource(Protocol):
    """A training as the session sees it. `batches` runs in a thread; everything else is called in the app's."""

    def batches(self) -> Iterator[EventBatch]:
        """The events until the training ends, or until `leave` was called.

        Raises:
            BadInput: it cannot start, or its process has gone.
        """

    def successor(self) -> TrainingSource | None:
        """After the last batch: who continues the training; None where it has ended.

        Raises:
            BadInput: it cannot be continued.
        """

    @property
    def is_watched(self) -> bool:
        """Whether another process trains; then the wizard may be left without stopping it."""

    @property
    def run(self) -> Path | None:
        """The run folder on this machine, where it may have another path than in its events; None: take that."""

    @property
    def can_detach(self) -> bool:
        """Whether the training can move into the background."""

    @property
    def is_pausing(self) -> bool:
        """Whether a pause was requested here and has not ended: a run that is resumed then begins with it."""

    # Each of these raises BadInput where the command does not reach the training.

    def pause(self) -> None:
        """Pause after the current step."""

    def resume(self) -> None:
        """End the pause."""

    def stop(self) -> None:
        """Save a checkpoint after the current step, then end."""

    def lower_batch(self, batch_size: int) -> None:
        """Use a smaller batch size from the next step on."""

    def extend(self, epochs: int) -> None:
        """Train for `epochs` epochs in total."""

    def detach(self) -> None:
        """Move into the background."""

    def leave(self) -> None:
        """Read no more events. A watched training continues; one of this process is stopped."""
