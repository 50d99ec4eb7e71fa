"""`--detach`: starts the same command in the background, and waits until its training has begun."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from engine.files import make_folder, temporary_name
from engine.workspace import logs_folder
from tui.cli.console import print_json, print_line
from tui.cli.progress import waiting
from tui.terminal.background import LOG, BackgroundProcess, start_in_background
from tui.text import _

DETACH = "--detach"
_PERIOD = 0.05
"""Seconds."""


def start_detached(workspace: Path, run: Path | None = None, *, json: bool) -> int:
    """Start this command again without --detach; returns when it trains, with 0, or has failed, with its exit code.

    Args:
        workspace: the folder with logs/.
        run: the run that is resumed; None: the command makes a new one.
        json: print an object that names the run, the process and its log.

    Raises:
        BadInput: the folder cannot be written to.
    """
    logs = logs_folder(workspace)
    make_folder(logs)
    log = logs / temporary_name(LOG) if run is None else run / LOG
    ready = logs / temporary_name("background.ready")
    words = [word for word in sys.argv[1:] if word != DETACH]
    with waiting(_("Starting in the background")):
        before = log.stat().st_size if log.exists() else 0
        process = start_in_background(words, log, ready=ready)
        with log.open("rb") as file:
            file.seek(before)
            code = _wait(process, ready)
            printed = _read(file)
    started = _read_ready(ready)
    with suppress(OSError):
        ready.unlink(missing_ok=True)
    if started is None:
        return _report_failure(printed, log if run is None else None, code)
    process.release()
    if json:
        print_json({"run": str(started), "pid": process.pid, "log": str(started / LOG)})
        return 0
    for line in printed.splitlines():
        print_line(line)
    print_line()
    from tui.wizard.farewell import background_farewell  # imports NumPy, which completion does not wait for

    for line in background_farewell(started, workspace):
        print_line(line)
    print_line("  " + _("What it prints: {path}", path=started / LOG))
    return 0


def _wait(process: BackgroundProcess, ready: Path) -> int | None:
    """Wait until it trains (None), or has ended (its exit code). Ctrl+C ends it."""
    try:
        while not ready.exists():
            if (code := process.exit_code()) is not None:
                return code
            time.sleep(_PERIOD)
    except KeyboardInterrupt:
        process.terminate()
        raise
    return None


def _read(file: BinaryIO) -> str:
    return file.read().decode("utf-8", "replace")


def _read_ready(ready: Path) -> Path | None:
    with suppress(OSError):
        return Path(ready.read_text(encoding="utf-8"))
    return None


def _report_failure(printed: str, log: Path | None, code: int | None) -> int:
    """Print what the process printed before it ended; `log`: its file, of which nothing is left."""
    sys.stderr.write(printed)
    sys.stderr.flush()
    if log is not None:
        with suppress(OSError):
            log.unlink()
    return code if code is not None and code > 0 else 1
