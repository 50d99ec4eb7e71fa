"""The log of a command: what was found, read and chosen, and when. `-v` shows it; a bug leaves it in logs/.

Modules write to it with `logging.getLogger(__name__)`. It is in English in every language: it is read by those who mend bugs.
"""

from __future__ import annotations

import logging
import platform
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.files import make_folder, write_text
from engine.messages import BadInput
from engine.workspace import logs_folder
from tui.cli.console import without_controls

MAX_RECORDS = 5000
"""Older ones are dropped: a training may write for days."""
_PACKAGES = ("engine", "tui")
_FORMAT = logging.Formatter("%(seconds)9.2f s  %(name)s: %(message)s")


class _CommandLog(logging.Handler):
    """Keeps the newest records as lines, and shows them on standard error where that is wanted."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(_FORMAT)
        self.lines: deque[str] = deque(maxlen=MAX_RECORDS)
        self.is_shown = False
        self.workspace = Path()
        self._start = time.time()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; show it where that is wanted."""
        record.seconds = record.created - self._start
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001  as in logging itself: a record that cannot be formatted is no reason to fail
            self.handleError(record)
            return
        self.lines.append(line)
        if self.is_shown:
            self.show(line)

    def show(self, text: str) -> None:
        """Print lines on standard error, if it can be written."""
        with suppress(OSError, ValueError):
            sys.stderr.write(without_controls(text) + "\n")
            sys.stderr.flush()


_log: _CommandLog | None = None


@contextmanager
def command_log() -> Iterator[None]:
    """Keep the log of one command."""
    global _log
    outer, _log = _log, _CommandLog()
    handler = _log
    loggers = [logging.getLogger(package) for package in _PACKAGES]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
        _log = outer


def show_log() -> None:
    """Show the log on standard error from now on, and what it has already."""
    if _log is not None and not _log.is_shown:
        _log.is_shown = True
        _log.show("\n".join((_machine(), *_log.lines)))


def is_shown() -> bool:
    """Whether the log is shown: then nothing else may be drawn on standard error."""
    return _log is not None and _log.is_shown


def use_workspace(workspace: Path) -> None:
    """The log of a bug is written into the logs/ of this workspace."""
    if _log is not None:
        _log.workspace = workspace


def write_crash_log(error: BaseException | None = None) -> Path | None:
    """Write the log, and the traceback of `error`, into logs/; the path, or None where it cannot be written."""
    if _log is None:
        return None
    path = logs_folder(_log.workspace).absolute() / time.strftime("crash_%Y_%m_%d_%H_%M_%S.log")
    trace = "" if error is None else "".join(traceback.format_exception(error))
    try:
        make_folder(path.parent)
        write_text(path, "\n".join((_machine(), *_log.lines, "", trace)))
    except (BadInput, OSError):
        return None
    return path


def _machine() -> str:
    """The command, the versions and the system, in one line."""
    from importlib.metadata import PackageNotFoundError, version

    versions = []
    for package in ("freezetui", "torch"):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"{package} is not installed")
    words = " ".join(["freezetui", *sys.argv[1:]])
    return f"{words}\n{', '.join(versions)}, Python {platform.python_version()}, {platform.platform()}"
