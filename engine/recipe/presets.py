"""Recipes to start from: commented TOML files that people may read and edit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.files import make_folder, write_text
from engine.messages import BadInput, Message, bad_input, join_names, nearest
from engine.recipe.files import read_settings_file, to_plain_value
from engine.recipe.making import make_recipe
from engine.recipe.model import Recipe
from engine.workspace import built_in_presets, preset_folders

DEFAULT_PRESET = "modern-whole"


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset as a list shows it. `order` sorts within its family; `modern` comes before `tutorial`."""

    name: str
    title: str
    summary: str
    family: Literal["modern", "tutorial"]
    order: int
    path: Path
    settings: Mapping[str, Any]
    """Only what differs from the defaults."""
    based_on: str | None = None
    """Name of the preset that it was made from in the wizard; `summary` then only says this, in English."""

    @property
    def is_built_in(self) -> bool:
        """Whether it comes with freezetui."""
        return self.path.parent == built_in_presets()

    def recipe(self) -> Recipe:
        """The Recipe of the preset.

        Raises:
            BadInput: one message for every wrong setting in the file.
        """
        return make_recipe(self.settings, source=str(self.path))

    def to_json(self) -> dict[str, Any]:
        """The form of `presets --json`."""
        return {
            "name": self.name,
            "title": self.title,
            "summary": self.summary,
            "family": self.family,
            "settings": dict(self.settings),
        }


def list_presets(workspace: Path | None = None) -> tuple[Preset, ...]:
    """The presets that come with freezetui and those in the workspace's presets/, by family and order.

    A file that cannot be used is left out; `damaged_presets` says why.
    """
    presets = (preset for preset in _read_presets(workspace) if isinstance(preset, Preset))
    return tuple(sorted(presets, key=lambda preset: (preset.family, preset.order, preset.name)))


def damaged_presets(workspace: Path) -> tuple[Message, ...]:
    """What is wrong with each file in the workspace's presets/ that cannot be used."""
    errors = (error for error in _read_presets(workspace) if isinstance(error, BadInput))
    return tuple(message for error in errors for message in error.messages)


def find_preset(name: str, workspace: Path | None = None) -> Preset:
    """The preset of that name.

    Raises:
        BadInput: there is none, and the message names the nearest; or its file cannot be read. Its settings may be wrong.
    """
    paths = {path.stem: path for path in _preset_files(workspace)}
    if name not in paths:
        close = nearest(name, paths) or next(
            (preset for preset in paths if nearest(name, preset.split("-")) is not None), None
        )
        if close is None:
            raise bad_input(
                "preset.unknown",
                "There is no preset {name}; there are {presets}.",
                name=name,
                presets=join_names(paths),
            )
        raise bad_input(
            "preset.unknown",
            "There is no preset {name}; did you mean {nearest}?",
            name=name,
            nearest=close,
        )
    return _read_preset(paths[name])


def _preset_files(workspace: Path | None) -> Iterator[Path]:
    for folder in preset_folders(workspace):
        with contextlib.suppress(OSError):  # a folder that cannot be read
            yield from sorted(folder.glob("*.toml"))


def _read_presets(workspace: Path | None) -> Iterator[Preset | BadInput]:
    for path in _preset_files(workspace):
        try:
            preset = _read_preset(path)
            preset.recipe()
            yield preset
        except BadInput as error:
            yield error


class _Description(BaseModel):
    """A preset file's table `preset`."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    title: str | None = None
    summary: str = ""
    order: Annotated[int, Field(ge=-(2**31), le=2**31)] = 99
    based_on: str | None = None


def _read_preset(path: Path) -> Preset:
    """The preset in a file.

    Raises:
        BadInput: the file cannot be read, is not TOML, or does not describe itself as a preset does.
    """
    settings = read_settings_file(path)
    try:
        description = _Description.model_validate(settings.pop("preset", {}))
    except ValidationError as error:
        problem = error.errors()[0]
        raise bad_input(
            "preset.damaged",
            "{path}: {key}: {reason}",
            path=path,
            key=".".join(("preset", *map(str, problem["loc"]))),
            reason=problem["msg"],
        ) from error
    return Preset(
        name=path.stem,
        title=description.title or path.stem,
        summary=description.summary,
        family="tutorial" if settings.get("method") == "tutorial" else "modern",
        order=description.order,
        path=path,
        settings=settings,
        based_on=description.based_on,
    )


def non_default_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` without those that leave the recipe as it is.

    Raises:
        BadInput: one message for every wrong setting.
    """
    recipe, kept = make_recipe(settings), dict(settings)
    for name in settings:
        rest = {key: value for key, value in kept.items() if key != name}
        with contextlib.suppress(BadInput):
            if make_recipe(rest) == recipe:
                kept = rest
    return kept


def save_preset(
    workspace: Path,
    name: str,
    settings: Mapping[str, Any],
    title: str,
    summary: str,
    *,
    based_on: str | None = None,
    replace: bool = False,
) -> Path:
    """Write `settings` as a commented preset into the workspace's presets/, only what differs from the defaults.

    Raises:
        BadInput: a setting is wrong; the name is not a file name, or belongs to a preset that comes with freezetui; or a preset
            of that name exists and `replace` is False (code `preset.exists`).
    """
    if not name or name.startswith(".") or name != name.strip(" .") or not set(name).isdisjoint('<>:"/\\|?*'):
        raise bad_input("preset.name", '"{name}" cannot be a file name; use letters, digits and hyphens.', name=name)
    path = workspace / "presets" / f"{name}.toml"
    built_in = built_in_presets()
    if (built_in / path.name).exists() and built_in.resolve() != path.parent.resolve():
        raise bad_input("preset.own", "{name} is a preset that comes with freezetui; choose another name.", name=name)
    if path.exists() and not replace:
        raise bad_input("preset.exists", "A preset named {name} exists already.", name=name)
    make_folder(path.parent)
    write_text(path, _preset_toml(name, non_default_settings(settings), title, summary, based_on))
    return path


def _preset_toml(name: str, settings: Mapping[str, Any], title: str, summary: str, based_on: str | None) -> str:
    """In the form of the presets that come with freezetui: title, summary, the command, each setting with its meaning."""
    document = tomlkit.document()
    for line in (title, "", summary, "", f"    freezetui train --data FOLDER --preset {name}"):
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    for key, value in settings.items():
        item = tomlkit.item(to_plain_value(value))
        document.add(key, item.comment(str(Recipe.model_fields[key].description)))
    document.add(tomlkit.nl())
    table = tomlkit.table()
    table.update({"title": title, "summary": summary, "order": 50})
    if based_on is not None:
        table.add("based_on", based_on)
    document.add("preset", table)
    return tomlkit.dumps(document)
