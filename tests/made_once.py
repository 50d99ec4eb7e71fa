"""What is made once for all tests of a session, by the worker that needs it first."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

SHARED_FOLDER = "FREEZETUI_TEST_SHARED"
"""The variable with the folder; `conftest.py` sets it."""


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name` as `make` filled it. No test may change anything in it."""
    folder = Path(os.environ[SHARED_FOLDER]) / name
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            done.touch()
    return folder
