"""Processes that outlive the terminal and the process that started them: in a session of their own, printing into a log."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.files import error_reason, write_text
from engine.messages import bad_input

LOG = "background.log"
"""What the process prints, in the run folder."""
_LOG_VARIABLE = "FREEZETUI_BACKGROUND_LOG"
"""In the environment of such a process: the file into which it prints."""
_READY_VARIABLE = "FREEZETUI_BACKGROUND_READY"
"""The file into which it writes the path of its run, for who started it and waits."""
_MAX_LINE = 500


class BackgroundProcess:
    """A process that was started in the background."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def terminate(self) -> int:
        """Ask it to end, wait until it has, and return its exit code."""
        self._process.terminate()
        return self._process.wait()

    def last_line(self) -> str:
        """What it printed last: where it has ended, usually the reason."""
        with suppress(OSError):
            lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return lines[-1][:_MAX_LINE] if lines else ""
        return ""

    def release(self) -> None:
        """Leave it to itself: the system takes over when this process ends."""
        # A child process that has ended stays in the process table, as if it lived, until its parent has waited for it.
        threading.Thread(target=self._process.wait, name="background-wait", daemon=True).start()


def start_in_background(words: Sequence[str], log: Path, *, ready: Path | None = None) -> BackgroundProcess:
    """Start `freezetui` with `words` in a session of its own, with the environment and the folder of this process.

    Args:
        words: the arguments.
        log: the file to which it appends what it prints; `move_log_to` moves it into the run folder.
        ready: the file into which the process writes the path of its run when it trains.

    Raises:
        BadInput: it cannot be started.
    """
    environment = {**os.environ, _LOG_VARIABLE: str(log.absolute())}
    if ready is not None:
        environment[_READY_VARIABLE] = str(ready.absolute())
    own_session: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        own_session = {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    try:
        with log.open("ab") as file:
            process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [sys.executable, "-P", "-m", "tui", *words],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                **own_session,
            )
    except OSError as error:
        raise bad_input(
            "background.not_started",
            "A process in the background cannot be started ({reason}).",
            reason=error_reason(error),
        ) from error
    return BackgroundProcess(process, log)


@dataclass(frozen=True, slots=True)
class BackgroundLog:
    """Where this process, which runs in the background, prints to."""

    log: Path
    ready: Path | None

    def move_to(self, run: Path) -> None:
        """Print into the folder of `run` from now on, and tell who waits that the run trains."""
        target = run / LOG
        with suppress(OSError):
            if not target.exists():
                self.log.replace(target)  # on POSIX this moves what all descriptors write into
        with suppress(OSError):
            if not _is_output(target):
                _print_into(target, self.log)
        if self.ready is not None:
            with suppress(OSError):
                write_text(self.ready, str(run))


def take_background_log() -> BackgroundLog | None:
    """The log of this process; None where it does not run in the background. Its own child processes do not inherit it."""
    log, ready = os.environ.pop(_LOG_VARIABLE, None), os.environ.pop(_READY_VARIABLE, None)
    return None if log is None else BackgroundLog(Path(log), None if ready is None else Path(ready))


def is_in_background() -> bool:
    """Whether this process was started in the background; to be asked before `take_background_log`."""
    return _LOG_VARIABLE in os.environ


def _is_output(path: Path) -> bool:
    """Whether standard output is written into the file `path`."""
    return path.exists() and os.path.samestat(os.fstat(1), path.stat())


def _print_into(target: Path, previous: Path) -> None:
    """Give standard output and error the file `target`, at whose end what was printed before is repeated."""
    sys.stdout.flush()
    sys.stderr.flush()
    with target.open("ab", buffering=0) as file:
        if previous.exists():
            file.write(previous.read_bytes())
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    with suppress(OSError):  # on Windows another process may have it open
        previous.unlink()
