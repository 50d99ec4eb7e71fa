"""What a command that trains does besides: it resumes a run with other epochs, moves it into the background, says that it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.messages import bad_input
from tui.cli.notify import NotifyCommand, notify_option
from tui.cli.options import ON_HANGUP
from tui.wizard.state import OnHangup, load_state

if TYPE_CHECKING:
    from engine.events import Event
    from engine.runner.launch import Launch
    from engine.runner.supervisor import OnOutOfMemory
    from engine.training.control import Control
    from tui.terminal.background import BackgroundProcess


@dataclass(frozen=True, slots=True)
class TrainingHost:
    """The values of the options that outlast the first training of a command."""

    workspace: Path
    on_out_of_memory: OnOutOfMemory
    on_hangup: OnHangup
    notify: NotifyCommand | None
    launch: Launch

    @property
    def can_detach(self) -> bool:
        """Whether a process in the background can resume the run: not one of several machines, which must all start one."""
        return self.launch.rendezvous.nodes == 1

    def resume(self, run: Path, overrides: Mapping[str, Any], control: Control) -> Iterator[Event]:
        """Resume the run with other settings, and with the options of this command."""
        from engine.runner.resume import resume

        return resume(
            run,
            control,
            overrides=overrides,
            workspace=self.workspace,
            on_out_of_memory=self.on_out_of_memory,
            how=self.launch,
        )

    def start_in_background(self, run: Path) -> BackgroundProcess:
        """Resume the run in a process that outlives this one."""
        from tui.terminal.background import LOG, start_in_background

        words = ["resume", "--workspace", str(self.workspace), "--on-oom", self.on_out_of_memory]
        if self.launch.max_restarts:
            words += ["--max-restarts", str(self.launch.max_restarts)]
        return start_in_background([*words, *notify_option(self.notify), "--", str(run)], run / LOG)


def parse_on_hangup(value: str | None, workspace: Path) -> OnHangup:
    """The value of --on-hangup; without one, what was chosen in the wizard of this workspace.

    Raises:
        BadInput: there is no such value.
    """
    if value is None:
        return load_state(workspace).on_hangup
    for choice in ON_HANGUP:
        if value == choice:
            return choice
    raise bad_input(
        "command.on_hangup", "--on-hangup {value}: choose one of {choices}.", value=value, choices=", ".join(ON_HANGUP)
    )


def hangup_option(value: str | None) -> list[str]:
    """--on-hangup as words of another command, where it was given."""
    return [] if value is None else ["--on-hangup", value]
