"""What the user has entered so far, as plain data. It is saved in `logs/wizard.json` and restored at the next start."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.files import read_text, write_text
from engine.messages import BadInput
from engine.workspace import logs_folder
from tui.wizard.steps import SCREEN_ORDER

if TYPE_CHECKING:
    from engine.plan import DataSource
    from engine.planning.advice import Goal

OnHangup = Literal["stop", "detach"]
Start = Literal["whole", "backbone", "scratch"]
PresetOrigin = Literal["chosen", "recommended", "saved"]
FORMAT_VERSION = 2
_RENAMED_FROM_VERSION_1 = {"place": "screen_name", "furthest": "furthest_screen"}


@dataclass(slots=True)
class WizardState:
    """Everything the user entered. None and empty values mean "not entered": the suggested value is used."""

    data: str | None = None
    """The data set's path as typed; `sample` is the drawn sample set."""
    format: str = "auto"
    classes_file: str | None = None
    mapping: dict[str, str] = field(default_factory=dict)
    """Class names in the labels -> class names to use."""
    start: Start | None = None
    model_path: str | None = None
    """Weights of the whole network where `start` is "whole"; None: the official COCO weights."""
    preset: str | None = None
    preset_origin: PresetOrigin = "chosen"
    """How `preset` came to be: only one that the user chose is suggested again for another training."""
    goal: Goal = "good_result"
    """What the epochs are adapted to, see `engine.planning.advice`."""
    train_images: int | None = None
    """Number of training images of the data set, once they were counted; the epochs are adapted to it."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the recipe that the user changed; values have the types of TOML and JSON."""
    screen_name: str = SCREEN_ORDER[0]
    """The current screen."""
    furthest_screen: str = SCREEN_ORDER[0]
    """The last screen in the order that was visited; it and all before it can be opened again."""
    run: str | None = None
    """The run folder that Train and Results show."""
    language: str | None = None
    theme: str | None = None
    on_hangup: OnHangup = "stop"
    """What becomes of a training when its terminal is closed: it stops with a checkpoint, or moves into the background."""

    @property
    def source(self) -> DataSource | None:
        """The data set as typed, with format and class names; None while no data set is chosen."""
        if self.data is None:
            return None
        from engine.plan import DataSource

        return DataSource(self.data, self.format, self.classes_file, dict(self.mapping))

    @property
    def has_entries(self) -> bool:
        """Whether the user entered anything that a new start would lose."""
        return bool(self.data or self.preset or self.settings or self.run)

    def visit(self, screen_name: str) -> None:
        """Make `screen_name` the current screen."""
        self.screen_name = screen_name
        if screen_name in SCREEN_ORDER and SCREEN_ORDER.index(screen_name) > SCREEN_ORDER.index(self.furthest_screen):
            self.furthest_screen = screen_name

    def was_visited(self, screen_name: str) -> bool:
        """Whether the screen, or one after it, was visited before."""
        return screen_name in SCREEN_ORDER and SCREEN_ORDER.index(screen_name) <= SCREEN_ORDER.index(
            self.furthest_screen
        )

    def set_data(self, data: str) -> None:
        """Choose another data set. What belongs to the previous one is dropped: format, class names, anchors, run; the rest stays."""
        if data != self.data:
            self.leave_data()
        self.data = data
        self.format, self.classes_file, self.mapping, self.run = "auto", None, {}, None
        self.furthest_screen = min(self.furthest_screen, "data", key=SCREEN_ORDER.index)

    def leave_data(self) -> None:
        """Drop what was fitted to the data set: anchors and the number of images."""
        self.settings.pop("anchors", None)
        self.train_images = None
        self.forget_saved_preset()

    def forget_saved_preset(self) -> None:
        """For the next training suggest what is recommended, not a preset that was only saved in this one."""
        if self.preset_origin == "saved":
            self.preset_origin = "recommended"

    def reset(self) -> None:
        """Drop everything but language, theme and `on_hangup`."""
        default = WizardState(language=self.language, theme=self.theme, on_hangup=self.on_hangup)
        for each in fields(self):
            setattr(self, each.name, getattr(default, each.name))


def state_file(workspace: Path) -> Path:
    """Where the state of this workspace is saved."""
    return logs_folder(workspace) / "wizard.json"


def save_state(state: WizardState, workspace: Path) -> None:
    """Write the state file.

    Raises:
        BadInput: the folder cannot be written to.
    """
    path = state_file(workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(
        path, json.dumps({"format_version": FORMAT_VERSION, **asdict(state)}, ensure_ascii=False, indent=2) + "\n"
    )


def load_state(workspace: Path) -> WizardState:
    """The saved state; an empty one where there is none, or where the file is not valid."""
    with contextlib.suppress(BadInput, ValueError, TypeError):
        stored = json.loads(read_text(state_file(workspace)))
        if isinstance(stored, dict) and (version := stored.pop("format_version", None)) in (1, FORMAT_VERSION):
            if version == 1:
                stored = {_RENAMED_FROM_VERSION_1.get(name, name): value for name, value in stored.items()}
            state = WizardState(**stored)
            if _is_valid(state):
                return state
    return WizardState()


def _is_valid(state: WizardState) -> bool:
    """Check types and values: anyone may have edited the file."""
    texts = (state.data, state.classes_file, state.model_path, state.preset, state.run, state.language, state.theme)
    return (
        all(text is None or isinstance(text, str) for text in texts)
        and isinstance(state.format, str)
        and state.start in (None, "whole", "backbone", "scratch")
        and state.preset_origin in ("chosen", "recommended", "saved")
        and state.goal in ("first_look", "good_result")
        and (state.train_images is None or (isinstance(state.train_images, int) and state.train_images > 0))
        and state.on_hangup in ("stop", "detach")
        and state.screen_name in (*SCREEN_ORDER, "runs")
        and state.furthest_screen in SCREEN_ORDER
        and isinstance(state.settings, dict)
        and isinstance(state.mapping, dict)
        and all(isinstance(text, str) for pair in state.mapping.items() for text in pair)
    )
