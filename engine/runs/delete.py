"""Removing a run for good."""

from __future__ import annotations

import shutil
from pathlib import Path

from engine.messages import bad_input
from engine.runs.folder import PLAN, run_lock


def delete_run(run: Path) -> None:
    """Remove a run folder with everything in it.

    Raises:
        BadInput: a process trains into it, it is no run, or it cannot be removed.
    """
    if not (run / PLAN).is_file():
        raise bad_input("run.none", "{path}: there is no such run, and {logs} holds none.", path=run, logs=run.parent)
    with run_lock(run):
        pass
    # Under another name first: what is half removed is no run any more.
    away = run.with_name(f".{run.name}.deleted")
    try:
        run.rename(away)
        shutil.rmtree(away)
    except OSError as error:
        raise bad_input("run.not_deleted", "{path}: cannot be removed ({reason}).", path=run, reason=error) from error
