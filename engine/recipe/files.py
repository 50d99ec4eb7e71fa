"""Recipes as text: TOML files, and `key=value` words of a command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from engine.files import read_text
from engine.messages import bad_input
from engine.recipe.making import make_recipe
from engine.recipe.model import Recipe


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """The settings in `key=value` words, each value read as TOML where it is TOML and as plain text elsewhere.

    Raises:
        BadInput: a word has no `=`.
    """
    settings: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise bad_input(
                "recipe.assignment",
                "--set {word}: write it as key=value, for example unfreeze_epoch=100.",
                word=assignment,
            )
        settings[key.strip()] = _typed(text.strip())
    return settings


def _typed(text: str) -> Any:
    try:
        return tomlkit.parse(f"value = {text}").unwrap()["value"]
    except (TOMLKitError, KeyError):
        return {"True": True, "False": False}.get(text, text)


def read_settings_file(path: Path) -> dict[str, Any]:
    """The settings in a preset or recipe file (TOML).

    Raises:
        BadInput: the file cannot be read or is no TOML.
    """
    try:
        return tomlkit.parse(read_text(path)).unwrap()
    except TOMLKitError as error:
        raise bad_input(
            "recipe.not_toml", "{path}: this is no TOML file ({reason}).", path=path, reason=error
        ) from error


def load_recipe(path: Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The Recipe in a TOML file, with `overrides` laid over it.

    Raises:
        BadInput: one message for every wrong setting.
    """
    return make_recipe({**read_settings_file(path), **(overrides or {})}, source=str(path))


def recipe_to_toml(recipe: Recipe) -> str:
    """The whole Recipe as TOML, each setting under its description."""
    document = tomlkit.document()
    for name, value in recipe.read_settings().items():
        document.add(tomlkit.comment(str(Recipe.model_fields[name].description)))
        document.add(
            name, [list(v) if isinstance(v, tuple) else v for v in value] if isinstance(value, tuple) else value
        )
    return tomlkit.dumps(document)
