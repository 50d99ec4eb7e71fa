"""Recipes to start from: commented TOML files that people may read and edit."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tomlkit

from engine.files import write_text
from engine.messages import BadInput, bad_input, nearest
from engine.recipe import Recipe, make_recipe, read_settings_file

_CHECKOUT = Path(__file__).parents[2] / "presets"
_INSTALLED = Path(__file__).parents[1] / "preset_files"

DEFAULT_PRESET = "modern-whole"


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset as a list shows it. `order` sorts within its family, ours first."""

    name: str
    title: str
    summary: str
    family: Literal["modern", "tutorial"]
    order: int
    path: Path
    settings: Mapping[str, Any]
    """Only what differs from the defaults."""

    def recipe(self) -> Recipe:
        """The whole Recipe.

        Raises:
            BadInput: the file has been edited into something impossible.
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
    """The presets that come with freezetui and those in the workspace's presets/, ours first.

    Raises:
        BadInput: a file is no TOML.
    """
    folders = [_CHECKOUT if _CHECKOUT.is_dir() else _INSTALLED]
    if workspace is not None and (workspace / "presets").resolve() != folders[0].resolve():
        folders.append(workspace / "presets")
    found = [_read(path) for folder in folders for path in sorted(folder.glob("*.toml"))]
    return tuple(sorted(found, key=lambda preset: (preset.family, preset.order, preset.name)))


def find_preset(name: str, workspace: Path | None = None) -> Preset:
    """The preset of that name.

    Raises:
        BadInput: there is none; names the nearest.
    """
    presets = {preset.name: preset for preset in list_presets(workspace)}
    if name not in presets:
        close = nearest(name, presets) or next(
            (preset for preset in presets if nearest(name, preset.split("-")) is not None), DEFAULT_PRESET
        )
        raise bad_input(
            "preset.unknown",
            "--preset {name}: there is no such preset; did you mean {nearest}?",
            name=name,
            nearest=close,
        )
    return presets[name]


def _read(path: Path) -> Preset:
    settings = read_settings_file(path)
    about = settings.pop("preset", {})
    return Preset(
        name=path.stem,
        title=str(about.get("title", path.stem)),
        summary=str(about.get("summary", "")),
        family="tutorial" if settings.get("method") == "tutorial" else "modern",
        order=int(about.get("order", 99)),
        path=path,
        settings=settings,
    )


def least_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` without those that change nothing.

    Raises:
        BadInput: they are no recipe.
    """
    wanted, kept = make_recipe(settings), dict(settings)
    for name in settings:
        rest = {key: value for key, value in kept.items() if key != name}
        with contextlib.suppress(BadInput):
            if make_recipe(rest) == wanted:
                kept = rest
    return kept


def save_preset(
    workspace: Path, name: str, settings: Mapping[str, Any], title: str, summary: str, *, replace: bool = False
) -> Path:
    """Write `settings` as a commented preset into the workspace's presets/, only what differs from the defaults.

    Raises:
        BadInput: the settings are no recipe, the name is no file name or one of freezetui's own, or a preset of that name is
            there and `replace` is False (code `preset.exists`).
    """
    if not name or name.startswith(".") or name != name.strip(" .") or not set(name).isdisjoint('<>:"/\\|?*'):
        raise bad_input("preset.name", '"{name}" is no file name; take letters, digits and hyphens.', name=name)
    path = workspace / "presets" / f"{name}.toml"
    own = _CHECKOUT if _CHECKOUT.is_dir() else _INSTALLED
    if (own / path.name).exists() and own.resolve() != path.parent.resolve():
        raise bad_input("preset.own", "{name} is a preset that comes with freezetui; take another name.", name=name)
    if path.exists() and not replace:
        raise bad_input("preset.exists", "{name} is there already.", name=name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, _commented(name, least_settings(settings), title, summary))
    return path


def _commented(name: str, settings: Mapping[str, Any], title: str, summary: str) -> str:
    """Like the presets that come with freezetui: what it is, the command that runs it, each setting with its meaning."""
    document = tomlkit.document()
    for line in (title, "", summary, "", f"    freezetui train --data FOLDER --preset {name}"):
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    for key, value in settings.items():
        item = tomlkit.item(
            [list(one) if isinstance(one, tuple) else one for one in value] if isinstance(value, tuple) else value
        )
        document.add(key, item.comment(str(Recipe.model_fields[key].description)))
    document.add(tomlkit.nl())
    about = tomlkit.table()
    about.update({"title": title, "summary": summary, "order": 50})
    document.add("preset", about)
    return tomlkit.dumps(document)
