"""Completion in the shell: the values of options and arguments, and the scripts that ask for them.

A shell waits for it at every Tab, so nothing slow is imported: settings are read from the text of the recipe's model.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

import engine
from engine.messages import bad_input
from engine.workspace import logs_folder, preset_folders
from tui.text import _

if TYPE_CHECKING:
    from typer._click import Command

Completer = Callable[[typer.Context, str], list[str]]
"""Takes the context and the word to complete; returns the words that it can become."""
Values = Callable[[Path], Iterable[str]]
"""Takes the workspace."""

VARIABLE = "_FREEZETUI_COMPLETE"
"""Set in the environment by the scripts of the shells."""
SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
_SWITCH = ("on", "off")
_RUN_WEIGHTS = ("best_epoch_weights.pth", "last_epoch_weights.pth")
_WEIGHTS_SUFFIXES = frozenset({".weights", ".pth", ".pt"})


def one_of(*words: str) -> Completer:
    """Completes to one of `words`."""
    return _completer(lambda _workspace: words)


def _completer(values: Values) -> Completer:
    """Completes to the values that begin with the word. Whatever goes wrong, the user's line is not disturbed."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            workspace = Path(ctx.params.get("workspace") or "")
            return [value for value in values(workspace) if value.startswith(incomplete)]
        except Exception:  # noqa: BLE001  a shell would show it in the middle of the user's line
            return []

    return complete


def preset_names(workspace: Path) -> list[str]:
    """The names of all presets."""
    return sorted({file.stem for folder in preset_folders(workspace) for file in folder.glob("*.toml")})


def run_names(workspace: Path) -> list[str]:
    """The names of the runs in logs/, the newest first."""
    return sorted((file.parent.name for file in logs_folder(workspace).glob("*/events.jsonl")), reverse=True)


def weights_files(workspace: Path) -> list[str]:
    """Known weights by name, files in model_data/, and the weights of each run."""
    folder = workspace / "model_data"
    files = [str(file) for file in sorted(folder.glob("*")) if file.suffix in _WEIGHTS_SUFFIXES]
    of_runs = (logs_folder(workspace) / run / name for run in run_names(workspace) for name in _RUN_WEIGHTS)
    return [*known_weights(workspace), *files, *(str(file) for file in of_runs if file.is_file())]


def known_weights(_workspace: Path) -> list[str]:
    """The names of the weights that can be downloaded."""
    from engine.network.registry import NETWORKS

    return [file.name for spec in NETWORKS.values() for file in spec.published]


def setting_words(_workspace: Path) -> list[str]:
    """`KEY=` for every setting of a recipe, and `KEY=VALUE` for one that has few values."""
    words: list[str] = []
    for name, values in setting_values().items():
        words += [f"{name}=", *(f"{name}={value}" for value in values)]
    return words


@functools.cache
def setting_values() -> Mapping[str, tuple[str, ...]]:
    """Each setting of a recipe with its possible values; none where they cannot be listed."""
    source = Path(str(engine.__file__)).parent / "recipe" / "model.py"
    module = ast.parse(source.read_text(encoding="utf-8"))
    aliases = {
        node.targets[0].id: node.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    (recipe,) = (node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Recipe")
    return {
        node.target.id: _values_of(node.annotation, aliases)
        for node in recipe.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def _values_of(annotation: ast.expr, aliases: Mapping[str, ast.expr]) -> tuple[str, ...]:
    """The values that a type has: those of `Literal[...]`, and on and off of `bool`."""
    match annotation:
        case ast.Name(id="bool"):
            return _SWITCH
        case ast.Name(id=name) if name in aliases:
            return _values_of(aliases[name], {})
        case ast.Subscript(value=ast.Name(id="Literal"), slice=values):
            items = values.elts if isinstance(values, ast.Tuple) else [values]
            return tuple(str(item.value) for item in items if isinstance(item, ast.Constant))
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[first, *_rest])):
            return _values_of(first, aliases)
    return ()


complete_preset = _completer(preset_names)
complete_run = _completer(run_names)
complete_weights = _completer(weights_files)
complete_known_weights = _completer(known_weights)
_complete_setting_word = _completer(setting_words)


def complete_setting(ctx: typer.Context, incomplete: str) -> list[str]:
    """Completes to `KEY=`, and behind it to a value."""
    words = _complete_setting_word(ctx, incomplete)
    return [word for word in words if word.endswith("=") != ("=" in incomplete)]


def is_asked() -> bool:
    """Whether a shell asks this process for completions."""
    return VARIABLE in os.environ


def answer(command: Command) -> NoReturn:
    """Print the completions that the shell asks for, and end the process: quietly, whatever goes wrong."""
    from typer._completion_classes import completion_init

    completion_init()
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            command.main([], prog_name="freezetui", complete_var=VARIABLE, standalone_mode=False)
        except Exception:  # noqa: BLE001  a shell would show it in the middle of the user's line
            sys.exit(1)
    sys.exit(0)


def install(program: str = "freezetui") -> str:
    """Install completion for the shell that started this process; returns a sentence that says so.

    Raises:
        BadInput: the shell is not one of `SHELLS`.
    """
    from typer._completion_shared import install as install_script

    shell, path = install_script(_shell(), program, VARIABLE)
    return _("Completion for {shell} is installed in {path}. It works in every new terminal.", shell=shell, path=path)


def script(program: str = "freezetui") -> str:
    """The script that `install` writes.

    Raises:
        BadInput: the shell is not one of `SHELLS`.
    """
    from typer._completion_shared import get_completion_script

    return get_completion_script(prog_name=program, complete_var=VARIABLE, shell=_shell())


def _shell() -> str:
    """The shell that started this process; of a process that no shell started, the user's own."""
    from typer._completion_shared import _get_shell_name

    detected = _get_shell_name()
    shell = Path(os.environ.get("SHELL", "")).name if detected not in SHELLS else detected
    if shell not in SHELLS:
        raise bad_input(
            "command.shell",
            "{shell}: there is no completion for this shell; there is for bash, zsh, fish and PowerShell.",
            shell=shell or detected or "SHELL",
        )
    return shell
