"""`--notify CMD`: a command of the user that runs when a training has ended."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from engine.messages import bad_input
from tui.cli.errors import print_error
from tui.text import _

TIMEOUT = 60.0
"""Seconds that the command may take."""


@dataclass(frozen=True, slots=True)
class NotifyCommand:
    """The program and its arguments. It is started without a shell, so nothing in them is interpreted."""

    text: str
    """As the user wrote it."""
    words: tuple[str, ...]

    def run(self, run: Path) -> None:
        """Run it with the outcome of `run` in its environment; a failure is said and changes nothing else."""
        from engine.runs.summary import summarize_run

        summary = summarize_run(run)
        environment = {
            **os.environ,
            "FREEZETUI_RUN": str(run.absolute()),
            "FREEZETUI_STATUS": summary.state,
            "FREEZETUI_MAP50": "" if summary.best_map50 is None else f"{summary.best_map50:.4f}",
        }
        try:
            code = subprocess.run(  # noqa: S603 (the user's own command, without a shell)
                self.words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__,  # standard output may be read by a program
                check=False,
                timeout=TIMEOUT,
            ).returncode
        except subprocess.TimeoutExpired:
            print_error(_("--notify: {command} took longer than {seconds} s.", command=self.text, seconds=int(TIMEOUT)))
        except OSError as error:
            print_error(_("--notify: {command} cannot be started ({reason}).", command=self.text, reason=str(error)))
        else:
            if code != 0:
                print_error(_("--notify: {command} ended with exit code {code}.", command=self.text, code=code))


def parse_notify(text: str | None) -> NotifyCommand | None:
    """The value of --notify.

    Raises:
        BadInput: it is no command, or there is no such program: better known before the training than after it.
    """
    if text is None:
        return None
    try:
        words = _split(text)
    except ValueError as error:
        raise bad_input("notify.quotes", "--notify {command}: a quotation mark is missing.", command=text) from error
    if not words:
        raise bad_input("notify.empty", "--notify: write a command, for example: --notify 'notify-send done'")
    if shutil.which(words[0]) is None:
        raise bad_input(
            "notify.no_program", "--notify {command}: there is no program {name}.", command=text, name=words[0]
        )
    return NotifyCommand(text, tuple(words))


def _split(text: str) -> list[str]:
    if sys.platform != "win32":
        return shlex.split(text)
    # Backslashes are part of Windows paths; quotation marks around a word are not part of it.
    return [word.strip('"') for word in shlex.split(text, posix=False)]


def notify_option(command: NotifyCommand | None) -> list[str]:
    """The option as words of another command."""
    return [] if command is None else ["--notify", command.text]
