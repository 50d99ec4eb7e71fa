"""A training of a command, and what continues it: with other epochs, or in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.messages import BadInput
from tui.cli.console import OutputClosed, print_line

if TYPE_CHECKING:
    from engine.events import Event
    from engine.training.control import Control
    from tui.cli.training_host import TrainingHost


class HostedTraining:
    """The events of a training and of those that continue it."""

    def __init__(self, host: TrainingHost | None, control: Control) -> None:
        """Without a `host` nothing continues the training."""
        self._host = host
        self._control = control
        self._run: Path | None = None
        self.has_detached = False
        """Whether a process in the background continues the training."""

    def events(self, start: Callable[[Control], Iterator[Event]]) -> Iterator[Event]:
        """Train, to the end or until the run has moved into the background.

        Raises:
            BadInput: it cannot start, or not continue.
        """
        from engine.events import RunStarted
        from engine.runner.continuation import train_on

        host = self._host
        training = start(self._control)
        if host is not None:

            def resume(run: Path, overrides: Mapping[str, Any]) -> Iterator[Event]:
                return host.resume(run, overrides, self._control)

            training = train_on(training, self._control, resume, self._detach)
        for event in training:
            if isinstance(event, RunStarted):
                self._run = Path(event.run)
            yield event

    def _detach(self, run: Path) -> None:
        assert self._host is not None
        self._host.start_in_background(run).release()
        self.has_detached = True

    def notify(self) -> None:
        """After the end of the run: start the command of the user that wants to know, if there is one."""
        if self._run is None or self._host is None or self._host.notify is None or self.has_detached:
            return
        with suppress(BadInput):
            self._host.notify.run(self._run)

    def print_farewell(self, *, json: bool) -> None:
        """Say where the training is now, if anybody reads it: the terminal may be closed."""
        if json or self._run is None or self._host is None:
            return
        from tui.wizard.farewell import background_farewell  # imports NumPy, which completion does not wait for

        with suppress(BadInput, OutputClosed):
            for line in background_farewell(self._run, self._host.workspace):
                print_line(line)
