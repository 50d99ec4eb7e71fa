"""Recipes as text: TOML files, and `key=value` arguments of a command line."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit

from engine.files import read_text
from engine.messages import bad_input
from engine.recipe.making import make_recipe
from engine.recipe.model import Recipe


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """The settings in `key=value` arguments. A value that is valid TOML is read as TOML, any other as plain text.

    Raises:
        BadInput: an argument has no `=`.
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
        settings[key.strip()] = _parse_value(text.strip())
    return settings


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, KeyError, RecursionError):
        return {"True": True, "False": False}.get(text, text)


def read_settings_file(path: Path) -> dict[str, Any]:
    """The content of a preset or recipe file (TOML): settings, and a preset's table `preset`.

    Raises:
        BadInput: the file cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(read_text(path))
    except (ValueError, RecursionError) as error:  # besides syntax errors: numbers of thousands of digits
        raise bad_input(
            "recipe.not_toml", "{path}: this is not a TOML file ({reason}).", path=path, reason=error
        ) from error


def load_recipe(path: Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The Recipe in a recipe or preset file (TOML), with `overrides` laid over it.

    Raises:
        BadInput: the file cannot be read, or is not TOML; or one message for every wrong setting.
    """
    settings = read_settings_file(path)
    settings.pop("preset", None)
    return make_recipe(settings, str(path), overrides)


def recipe_to_toml(recipe: Recipe) -> str:
    """The settings that the recipe's method reads, as TOML, each under its description."""
    document = tomlkit.document()
    for name, value in recipe.relevant_settings().items():
        document.add(tomlkit.comment(str(Recipe.model_fields[name].description)))
        document.add(name, to_plain_value(value))
    return tomlkit.dumps(document)


def to_plain_value(value: Any) -> Any:
    """A value of a recipe as TOML and JSON have it: lists for tuples."""
    return [to_plain_value(item) for item in value] if isinstance(value, tuple | list) else value
