"""`freezetui` in this process: the same arguments, output and exit code as in one of its own, without the seconds of its start."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from tui.main import main


@dataclass(frozen=True, slots=True)
class CommandResult:
    """As `subprocess.CompletedProcess` has them."""

    returncode: int
    stdout: str
    stderr: str


def command(*words: str, cwd: Path | None = None) -> CommandResult:
    """Run `freezetui` with `words` to its end."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["freezetui", *words]),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        contextlib.chdir(cwd or Path.cwd()),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    assert isinstance(ended.value.code, int)
    return CommandResult(ended.value.code, stdout.getvalue(), stderr.getvalue())
