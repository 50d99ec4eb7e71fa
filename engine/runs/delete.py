"""Deletes runs, and what an interrupted deletion has left."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from engine.files import error_reason
from engine.messages import BadInput, bad_input
from engine.runs.folder import HIDDEN_PLAN, PLAN, RUN_GONE, is_being_deleted, is_half_made, is_run_folder
from engine.runs.lock import run_lock
from engine.workspace import logs_folder

_DELETED = ".deleted"
_MAX_NAME_BYTES = 200
"""File systems allow 255; the rest is for the ending."""


def delete_run(run: Path) -> None:
    """Delete a run folder and everything in it.

    Raises:
        BadInput: a process is training into it, it is not a run, or it cannot be deleted.
    """
    if not is_run_folder(run):
        raise bad_input("run.none", "{path}: this is not a run.", path=run)
    _delete_folder(run)


def _delete_folder(run: Path) -> None:
    plan, hidden_plan = run / PLAN, run / HIDDEN_PLAN
    try:
        with run_lock(run):
            # A folder without a plan is not a run: who waits for the lock now finds nothing to resume. The folder itself is
            # renamed after the lock is released, since Windows renames no folder with an open file.
            if os.path.lexists(plan):
                plan.rename(hidden_plan)
            else:
                hidden_plan.touch()
    except FileNotFoundError as error:
        raise bad_input("run.gone", RUN_GONE, run=run) from error
    except OSError as error:
        raise _not_deleted(run, error) from error
    # Renamed first, so that a folder that can be deleted only in part is not listed as a run.
    renamed = run.with_name(f".{_cut(run.name)}{_DELETED}")
    try:
        if renamed.exists():
            shutil.rmtree(renamed)
        run.rename(renamed)
    except OSError as error:
        if not run.exists():  # another process sweeps it
            return
        with suppress(OSError):
            hidden_plan.rename(plan)
        raise _not_deleted(run, error) from error
    try:
        shutil.rmtree(renamed)
    except FileNotFoundError:  # another process sweeps it
        pass
    except OSError as error:
        raise _not_deleted(run, error) from error


def sweep_deleted_runs(workspace: Path) -> None:
    """Delete what is left of runs whose deletion was interrupted, and of processes that died before their folder was a run.

    What cannot be deleted stays.
    """
    with suppress(OSError):
        for folder in list(logs_folder(workspace).iterdir()):
            is_left = folder.name.startswith(".") and folder.name.endswith(_DELETED)
            if is_left or is_being_deleted(folder):
                shutil.rmtree(folder, ignore_errors=True)
            elif is_half_made(folder):
                with suppress(BadInput):  # the process that makes it still runs
                    _delete_folder(folder)


def _not_deleted(run: Path, error: OSError) -> Exception:
    return bad_input("run.not_deleted", "{path}: cannot be deleted ({reason}).", path=run, reason=error_reason(error))


def _cut(name: str) -> str:
    """As much of `name` as a file name has room for."""
    return name.encode("utf-8", "surrogateescape")[:_MAX_NAME_BYTES].decode("utf-8", "ignore")
