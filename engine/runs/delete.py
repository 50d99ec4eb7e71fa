"""Deletes runs."""

from __future__ import annotations

import shutil
from pathlib import Path

from engine.messages import bad_input
from engine.runs.folder import PLAN
from engine.runs.lock import run_lock


def delete_run(run: Path) -> None:
    """Delete a run folder and everything in it.

    Raises:
        BadInput: a process is training into it, it is not a run, or it cannot be deleted.
    """
    if not (run / PLAN).is_file():
        raise bad_input("run.none", "{path}: this is not a run.", path=run)
    with run_lock(run):
        pass
    # Renamed first, so that a folder that could be deleted only in part is not listed as a run.
    renamed = run.with_name(f".{run.name}.deleted")
    try:
        run.rename(renamed)
        shutil.rmtree(renamed)
    except OSError as error:
        raise bad_input("run.not_deleted", "{path}: cannot be deleted ({reason}).", path=run, reason=error) from error
