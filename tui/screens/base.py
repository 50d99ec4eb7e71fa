"""What all screens share: the step header, heading and reason above the body, messages and keys below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from textual import getters
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from engine.messages import BadInput
from tui.text import N_, _, translate
from tui.widgets.key_footer import KeyFooter
from tui.widgets.label import Label
from tui.widgets.step_header import StepHeader, StepMarker
from tui.wizard.steps import SCREEN_ORDER, next_screen, previous_screen

if TYPE_CHECKING:
    from engine.hardware import Hardware
    from tui.wizard.state import WizardState
    from tui.wizard.training_status import TrainingStatus
    from tui.workers.wizard_protocol import Wizard

TEXTUALS_OWN = frozenset({"app.focus_next", "app.focus_previous", "screen.copy_text", "app.help_quit", "help_quit"})
"""Actions of Textual's own keys, which are the same in every program."""


class WizardScreen(Screen[None]):
    """One screen. A new one is created for every visit: what the user entered is kept in `state`, not in widgets."""

    screen_name: ClassVar[str]
    heading: ClassVar[str]
    """In English, marked with `N_`."""
    reason: ClassVar[str]
    """One line that says why this screen exists, like `heading`."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "forward", N_("next")),
        Binding("ctrl+right", "forward", N_("next"), show=False),
        Binding("escape", "back", N_("back")),
        Binding("ctrl+left", "back", N_("back"), show=False),
        Binding("f1", "app.show_help", N_("help")),
        Binding("r", "runs", N_("runs"), show=False),
    ]

    body = getters.query_one("#body", VerticalScroll)
    _step_header = getters.query_one(StepHeader)
    _enter_hint = getters.query_one("#enter-hint", Label)
    _validation_error = getters.query_one("#validation-error", Label)
    _too_small = getters.query_one("#too-small", Label)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__()
        self.wizard = wizard

    @property
    def state(self) -> WizardState:
        """What the user entered so far."""
        return self.wizard.state

    def compose(self) -> ComposeResult:
        """The frame around `compose_body`."""
        visited = [name for name in SCREEN_ORDER if self.state.was_visited(name)]
        yield StepHeader(self.screen_name, visited, self.wizard.training_status)
        with Vertical(id="head"):
            yield Label(_(self.heading), id="heading")
            yield Label(_(self.reason), id="reason")
        with VerticalScroll(id="body", can_focus=False):
            yield from self.compose_body()
        yield Label(id="enter-hint")
        validation_error = Label(id="validation-error")
        validation_error.display = False
        yield validation_error
        yield KeyFooter(show_command_palette=False)
        yield Label(id="too-small")

    def compose_body(self) -> Iterator[Widget]:
        """The widgets of this screen."""
        yield from ()

    def help_text(self) -> str:
        """Text for F1, if the focused widget has none of its own: what this screen is for, and every key of it."""
        return f"{_(self.reason)}\n\n{self.key_list()}"

    def key_list(self) -> str:
        """The keys of this screen and of the wizard with what they do, also those that the footer has no room for."""
        keys: dict[str, list[str]] = {}
        for key, active in self.active_bindings.items():
            binding = active.binding
            if active.enabled and active.node in (self, self.app) and binding.action not in TEXTUALS_OWN:
                keys.setdefault(binding.description, []).append(_key_name(key))
        names = {description: ", ".join(same) for description, same in keys.items()}
        width = max(map(cell_len, names.values()), default=0)
        return "\n".join(f"{set_cell_size(name, width)}  {description}" for description, name in names.items())

    @property
    def is_in_front(self) -> bool:
        """Whether no dialog covers the screen, and the user has not left it, even if the next one is not there yet."""
        return self.is_current and self.state.screen_name == self.screen_name

    def show_hint(self, text: str) -> None:
        """Show above the keys what Enter does."""
        self._enter_hint.update(text)

    def show_error(self, text: str) -> None:
        """Show above the keys what is wrong; empty: nothing."""
        self._validation_error.update(text)
        self._validation_error.display = bool(text)

    def show_bad_input(self, error: BadInput) -> None:
        """Show an error of the engine."""
        self.show_error("\n".join(map(translate, error.messages)))

    def validation_error(self) -> str | None:
        """Why the next screen cannot be shown yet; None if it can."""
        return None

    def accept(self) -> None:
        """Write what the screen shows, suggested values included, into `state`. Called before the next screen."""

    def show_hardware(self, hardware: Hardware) -> None:
        """Called with every result of the hardware monitor."""

    def on_mount(self) -> None:
        """Watch hardware and training. Textual calls this in addition to the `on_mount` of a subclass; do not call it there."""
        self.watch(self.app, "hardware", self._on_hardware)
        self.watch(self.app, "training_status", self._on_training_status)

    def _on_hardware(self, hardware: Hardware | None) -> None:
        if hardware is not None and self.is_mounted:
            self.show_hardware(hardware)

    def _on_training_status(self, status: TrainingStatus | None) -> None:
        if self.is_mounted:
            self._step_header.show_training(status)

    def on_resize(self) -> None:
        """Replace the screen by a message if the window is too small for it."""
        is_too_small = self.size.width < 80 or self.size.height < 24
        if is_too_small:
            text = _(
                "This window is {width}x{height}. Please enlarge it to 80x24 or more; nothing is lost.",
                width=self.size.width,
                height=self.size.height,
            )
            self._too_small.update(text)
        self.set_class(is_too_small, "-too-small")

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The keys, with their descriptions (Textual's own too) in the user's language."""
        return {
            key: active._replace(
                binding=replace(active.binding, description=_(active.binding.description)),
                tooltip=_(active.tooltip),
            )
            for key, active in super().active_bindings.items()
        }

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the key that goes back on the first screen."""
        if action == "back" and self.screen_name == SCREEN_ORDER[0] and not self.wizard.opened_from_runs:
            return False
        return super().check_action(action, parameters)

    def action_forward(self) -> None:
        """Accept what the screen shows and show the next screen."""
        if (error := self.validation_error()) is not None:
            self.show_error(error)
            return
        self.accept()
        if (name := next_screen(self.screen_name)) is not None:
            self.wizard.show_screen(name)

    def action_back(self) -> None:
        """Show the previous screen, or Runs if this one was opened from there."""
        if self.screen_name not in SCREEN_ORDER:
            self.wizard.back_to_steps()
        elif self.wizard.opened_from_runs:
            self.wizard.show_screen("runs")
        elif (name := previous_screen(self.screen_name)) is not None:
            self.wizard.show_screen(name)

    def action_runs(self) -> None:
        """Show the Runs screen."""
        if self.screen_name != "runs":
            self.wizard.show_screen("runs")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field does the same as elsewhere."""
        event.stop()
        self.action_forward()

    def on_step_marker_selected(self, event: StepMarker.Selected) -> None:
        """Show the screen that was clicked."""
        self.wizard.show_screen(event.screen_name)


def _key_name(key: str) -> str:
    """A key as texts name it: Esc, F1, Ctrl+P."""
    return "Esc" if key == "escape" else "+".join(part.capitalize() for part in key.split("+"))


def described(bindings: dict[str, ActiveBinding], descriptions: Mapping[str, str]) -> dict[str, ActiveBinding]:
    """The keys with other `descriptions`: what each does now."""
    changed = {
        key: bindings[key]._replace(binding=replace(bindings[key].binding, description=description))
        for key, description in descriptions.items()
        if key in bindings
    }
    return {**bindings, **changed}
