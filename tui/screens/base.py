"""What every place of the path has: the path above, a heading, one line why, its body, and the keys below."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, cast

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
from tui.wizard.steps import PLACES, after, before

if TYPE_CHECKING:
    from engine.hardware import Hardware
    from tui.app import Freezetui
    from tui.wizard.state import WizardState


class WizardScreen(Screen[None]):
    """One place. A fresh one is made at every visit: what the user entered lives in `state`, never in widgets alone."""

    place: ClassVar[str]
    heading: ClassVar[str]
    """In English, marked with `N_`."""
    reason: ClassVar[str]
    """One line: why this step is there."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "forward", N_("go on")),
        Binding("ctrl+right", "forward", N_("go on"), show=False),
        Binding("escape", "back", N_("back")),
        Binding("ctrl+left", "back", N_("back"), show=False),
        Binding("f1", "app.explain", N_("help")),
        Binding("r", "runs", N_("runs"), show=False),
    ]

    @property
    def wizard(self) -> Freezetui:
        """The app, by its own type."""
        return cast("Freezetui", self.app)

    @property
    def state(self) -> WizardState:
        """What was entered so far."""
        return self.wizard.state

    def compose(self) -> ComposeResult:
        """The frame; the body comes from `compose_body`."""
        state = self.state
        yield StepHeader(self.place, tuple(place for place in PLACES if state.reachable(place)))
        with Vertical(id="head"):
            yield Label(_(self.heading), id="heading")
            yield Label(_(self.reason), id="reason")
        with VerticalScroll(id="body", can_focus=False):
            yield from self.compose_body()
        yield Label(id="suggestion")
        validation_error = Label(id="validation-error")
        validation_error.display = False
        yield validation_error
        yield KeyFooter(show_command_palette=False)
        yield Label(id="too-small")

    def compose_body(self) -> Iterator[Widget]:
        """The widgets of this place."""
        yield from ()

    def explain(self) -> str:
        """What F1 says where no field has the focus, or the field has nothing to say of its own."""
        return _(self.reason)

    def suggest(self, sentence: str) -> None:
        """Say above the keys what Enter takes."""
        self.query_one("#suggestion", Label).say(sentence)

    def validation_error(self) -> str | None:
        """Why one cannot go on yet, in words; None where one can."""
        return None

    def accept(self) -> None:
        """Write what is on the screen, suggestions included, into `state`. Called before going on."""

    def show_error(self, sentence: str) -> None:
        """Say why it does not go on."""
        words = self.query_one("#validation-error", Label)
        words.say(sentence)
        words.display = bool(sentence)

    def show_refusal(self, error: BadInput) -> None:
        """Say what the engine refused."""
        self.show_error("\n".join(translate(message) for message in error.messages))

    def show_hardware(self, hardware: Hardware) -> None:
        """A new look at the hardware, about once a second."""

    def on_mount(self) -> None:
        """Follow the hardware. Textual calls this after the `on_mount` of a step's own; do not call it there."""
        self.watch(self.app, "hardware", self._hardware_seen)

    def _hardware_seen(self, hardware: Hardware | None) -> None:
        if hardware is not None and self.is_mounted:
            self.show_hardware(hardware)

    def on_resize(self) -> None:
        """Say so where the window is too small to show a step whole."""
        small = self.size.width < 80 or self.size.height < 24
        if small:
            text = _(
                "This window is {width}x{height}. Please make it 80x24 or larger; nothing is lost.",
                width=self.size.width,
                height=self.size.height,
            )
            self.query_one("#too-small", Label).say(text)
        self.set_class(small, "-too-small")

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The keys, their descriptions (Textual's own too) in the user's language."""
        return {
            key: active._replace(
                binding=replace(active.binding, description=_(active.binding.description)),
                tooltip=_(active.tooltip),
            )
            for key, active in super().active_bindings.items()
        }

    def action_forward(self) -> None:
        """Take what is suggested and go on."""
        if (sentence := self.validation_error()) is not None:
            self.show_error(sentence)
            return
        self.accept()
        if (place := after(self.place)) is not None:
            self.wizard.go_to(place)

    def action_back(self) -> None:
        """Go back; nothing is lost."""
        if self.place not in PLACES:
            self.wizard.back_to_path()
        elif (place := before(self.place)) is not None:
            self.wizard.go_to(place)

    def action_runs(self) -> None:
        """Show every training so far."""
        if self.place != "runs":
            self.wizard.go_to("runs")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field means what it means elsewhere."""
        event.stop()
        self.action_forward()

    def on_step_marker_chosen(self, event: StepMarker.Chosen) -> None:
        """Go where the path was clicked."""
        self.wizard.go_to(event.place)
