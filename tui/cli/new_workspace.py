"""A workspace that does not exist yet may be a mistyped one."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from engine.messages import nearest
from tui.text import _

_MAX_ENTRIES = 1000
"""Entries of the parent folder that are compared."""


def new_workspace_notice(workspace: Path) -> str | None:
    """A sentence about a workspace that does not exist, with the most similar folder beside it; None for one that does."""
    path = workspace.expanduser().absolute()
    if path.exists():
        return None
    try:
        beside = [entry.name for entry in islice(path.parent.iterdir(), _MAX_ENTRIES) if entry.is_dir()]
    except OSError:
        beside = []
    if (similar := nearest(path.name, beside)) is not None:
        return _(
            "{path}: this workspace is new, and is created when something is written to it; did you mean {near}?",
            path=path,
            near=path.parent / similar,
        )
    return _("{path}: this workspace is new, and is created when something is written to it.", path=path)
