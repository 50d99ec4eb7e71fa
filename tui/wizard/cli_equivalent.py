"""The run of the wizard as words for the command line, quoted for the shell of this machine."""

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
from tui.wizard.recipe_draft import RecipeDraft


def cli_words(proposal: RecipeDraft, source: DataSource, workspace: Path, command: str = "train") -> list[str]:
    """`freezetui train ...` as a list of words; `source` is a located one."""
    settings, preset = proposal.differences, proposal.preset.name
    if not all(is_read_by(name, proposal.method) for name in proposal.preset.settings):
        # The preset is of the other method and sets what this one does not read, so everything is said one by one.
        settings, preset = proposal.settings, DEFAULT_PRESET
    return ["freezetui", command, "--preset", preset, *_data(source), *_place(workspace), *_sets(settings)]


def command_line(words: list[str]) -> str:
    """The words as one line to paste."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def assignment(name: str, value: Any) -> str:
    """`name=value` as `--set` reads it back to the very same value."""
    plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if parse_assignments([f"{name}={plain}"])[name] == value:
        return f"{name}={plain}"
    return f"{name}={json.dumps(str(value), ensure_ascii=False)}"  # a text that looks like a number


def _data(source: DataSource) -> Iterator[str]:
    yield from ("--data", source.path)
    if source.format != "auto":
        yield from ("--format", source.format)
    if source.classes_file is not None:
        yield from ("--classes", source.classes_file)
    for old, new in source.mapping.items():
        yield from ("--map", f"{old}={new}")


def _place(workspace: Path) -> Iterator[str]:
    if workspace.absolute() != Path.cwd():
        yield from ("--workspace", str(workspace.absolute()))


def _sets(settings: dict[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        yield from ("--set", assignment(name, value))
