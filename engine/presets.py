"""Recipes to start from: commented TOML files that people may read and edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.messages import bad_input, nearest
from engine.recipe import Recipe, make_recipe, read_settings_file

_CHECKOUT = Path(__file__).parent.parent / "presets"
_INSTALLED = Path(__file__).parent / "preset_files"

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
        raise bad_input(
            "preset.unknown",
            "--preset {name}: there is no such preset; did you mean {nearest}?",
            name=name,
            nearest=nearest(name, presets) or DEFAULT_PRESET,
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
