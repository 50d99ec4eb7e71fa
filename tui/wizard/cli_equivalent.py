"""The wizard's run as a command, quoted for the shell of this machine."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.plan import DataSource
from engine.recipe import is_read_by, parse_assignments
from engine.recipe.presets import DEFAULT_PRESET
from engine.workspace import logs_folder
from tui.wizard.recipe_draft import RecipeDraft


def command_words(draft: RecipeDraft, source: DataSource, workspace: Path, command: str = "train") -> list[str]:
    """`freezetui train ...` as a list of words. `source` has absolute paths."""
    settings, preset = draft.differences, draft.preset.name
    if not all(is_read_by(name, draft.method) for name in draft.preset.settings):
        # The preset has settings that the chosen method does not read, so it cannot be named: list every setting instead.
        settings, preset = draft.settings, DEFAULT_PRESET
    return [
        *("freezetui", command, "--preset", preset),
        *_data_options(source),
        *workspace_option(workspace),
        *_set_options(settings),
    ]


def resume_words(run: Path, workspace: Path) -> list[str]:
    """`freezetui resume ...` as a list of words; a run of this workspace is named, another one is given by its path."""
    return ["freezetui", "resume", *_run_words(run, workspace)]


def attach_words(run: Path, workspace: Path) -> list[str]:
    """`freezetui attach ...`, like `resume_words`."""
    return ["freezetui", "attach", *_run_words(run, workspace)]


def stop_words(run: Path, workspace: Path) -> list[str]:
    """`freezetui runs stop ...`, like `resume_words`."""
    return ["freezetui", "runs", "stop", *_run_words(run, workspace)]


def _run_words(run: Path, workspace: Path) -> list[str]:
    name = run.name if run.absolute().parent == logs_folder(workspace.absolute()) else str(run.absolute())
    return [name, *workspace_option(workspace)]


def command_line(words: list[str]) -> str:
    """The words as one line for the shell."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def set_argument(name: str, value: Any) -> str:
    """`name=value`, which `--set` parses to exactly the same value."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if parse_assignments([f"{name}={text}"])[name] == value:
        return f"{name}={text}"
    return f"{name}={json.dumps(str(value), ensure_ascii=False)}"  # a string that would be parsed as a number


def _data_options(source: DataSource) -> Iterator[str]:
    yield from ("--data", source.path)
    if source.format != "auto":
        yield from ("--format", source.format)
    if source.classes_file is not None:
        yield from ("--classes", source.classes_file)
    for old, new in source.mapping.items():
        yield from ("--map", f"{old}={new}")


def workspace_option(workspace: Path) -> Iterator[str]:
    """`--workspace FOLDER`; nothing where a command uses that folder anyway: the current one."""
    if workspace.absolute() != Path.cwd():
        yield from ("--workspace", str(workspace.absolute()))


def _set_options(settings: dict[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        yield from ("--set", set_argument(name, value))
