"""What the user has entered so far, as plain data. It outlives the wizard in `logs/wizard.json`."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.files import read_text, write_text
from engine.messages import BadInput
from engine.workspace import logs_folder
from tui.wizard.steps import PLACES

if TYPE_CHECKING:
    from engine.plan import DataSource

Start = Literal["whole", "backbone", "scratch"]
FORMAT_VERSION = 1


@dataclass(slots=True)
class WizardState:
    """Everything entered. None and empty mean: not entered, the suggestion holds."""

    data: str | None = None
    """A path as the user typed it; `sample` is the drawn sample set."""
    format: str = "auto"
    classes_file: str | None = None
    mapping: dict[str, str] = field(default_factory=dict)
    """Class names of the labels to the names that take their place."""
    start: Start | None = None
    model_path: str | None = None
    """Weights of the whole network where `start` is whole; None: the official ones."""
    preset: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the recipe that the user changed; values as TOML and JSON know them."""
    place: str = PLACES[0]
    """Where the user is."""
    furthest: str = PLACES[0]
    """How far the path has been walked; every place up to there can be reached again."""
    run: str | None = None
    """The run folder that Train and Results show."""
    language: str | None = None
    theme: str | None = None

    @property
    def source(self) -> DataSource | None:
        """The data set as the engine wants it named; None as long as there is none."""
        if self.data is None:
            return None
        from engine.plan import DataSource

        return DataSource(self.data, self.format, self.classes_file, dict(self.mapping))

    @property
    def begun(self) -> bool:
        """Whether there is anything worth going on with."""
        return bool(self.data or self.preset or self.settings or self.run)

    def reach(self, place: str) -> None:
        """Be at `place`."""
        self.place = place
        if place in PLACES and PLACES.index(place) > PLACES.index(self.furthest):
            self.furthest = place

    def reachable(self, place: str) -> bool:
        """Whether `place` has been reached before."""
        return place in PLACES and PLACES.index(place) <= PLACES.index(self.furthest)

    def take_data(self, data: str) -> None:
        """Another data set: how the one before was understood, and its run, mean nothing for it; everything else stays."""
        self.data = data
        self.format, self.classes_file, self.mapping, self.run = "auto", None, {}, None
        self.furthest = min(self.furthest, "data", key=PLACES.index)

    def forget(self) -> None:
        """Begin anew; language and theme stay."""
        fresh = WizardState(language=self.language, theme=self.theme)
        for one in fields(self):
            setattr(self, one.name, getattr(fresh, one.name))


def state_file(workspace: Path) -> Path:
    """Where the state of this workspace is kept."""
    return logs_folder(workspace) / "wizard.json"


def save_state(state: WizardState, workspace: Path) -> None:
    """Write the state whole.

    Raises:
        BadInput: the folder cannot be written to.
    """
    path = state_file(workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(
        path, json.dumps({"format_version": FORMAT_VERSION, **asdict(state)}, ensure_ascii=False, indent=2) + "\n"
    )


def load_state(workspace: Path) -> WizardState:
    """The state that was saved; a fresh one where there is none, or where it cannot be understood."""
    with contextlib.suppress(BadInput, ValueError, TypeError):
        stored = json.loads(read_text(state_file(workspace)))
        if isinstance(stored, dict) and stored.pop("format_version", None) == FORMAT_VERSION:
            state = WizardState(**stored)
            if _sound(state):
                return state
    return WizardState()


def _sound(state: WizardState) -> bool:
    """Whether a file that anyone may have edited holds the types and words that it should."""
    texts = (state.data, state.classes_file, state.model_path, state.preset, state.run, state.language, state.theme)
    return (
        all(text is None or isinstance(text, str) for text in texts)
        and isinstance(state.format, str)
        and state.start in (None, "whole", "backbone", "scratch")
        and state.place in (*PLACES, "runs")
        and state.furthest in PLACES
        and isinstance(state.settings, dict)
        and isinstance(state.mapping, dict)
        and all(isinstance(text, str) for pair in state.mapping.items() for text in pair)
    )
