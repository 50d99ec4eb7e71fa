"""Asks what becomes of a training when the wizard is left."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Key
from textual.widgets import Button

from tui.dialogs.base import Dialog
from tui.text import N_, _
from tui.widgets.label import Label

QuitChoice = Literal["stop", "detach"]
_KEYS: dict[str, QuitChoice] = {"s": "stop", "d": "detach"}


class QuitTrainingDialog(Dialog[QuitChoice | None]):
    """Returns what to do with the training; None: stay. The button that stays has the focus, so that Enter changes nothing."""

    help_sentence: ClassVar[str] = N_(
        "The left and right arrow keys choose a button, Enter presses it. Esc changes nothing."
    )

    DEFAULT_CSS = """
    QuitTrainingDialog { align: center middle; }
    QuitTrainingDialog > Vertical { width: 90%; max-width: 84; height: auto; border: round $primary; padding: 1 2; background: $surface; }
    QuitTrainingDialog Label { height: auto; }
    QuitTrainingDialog Horizontal { height: auto; margin-top: 1; }
    QuitTrainingDialog Button { margin-right: 1; padding: 0 1; min-width: 10; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", N_("back")),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, *, can_detach: bool) -> None:
        """`can_detach`: whether the training can move into the background now."""
        super().__init__()
        self._can_detach = can_detach

    def compose(self) -> ComposeResult:
        """The question and the buttons."""
        with Vertical():
            yield Label(_("A training is running."), classes="question")
            yield Label(
                _("Stopping saves a checkpoint after the current step; you can resume the run on the Runs screen.")
            )
            if self._can_detach:
                yield Label(_("In the background it trains on after the wizard and the terminal are closed."))
            with Horizontal():
                yield Button(f"{_('Keep training')} (Esc)", id="stay", variant="primary")
                yield Button(f"{_('Stop and save')} (S)", id="stop", variant="warning")
                if self._can_detach:
                    yield Button(f"{_('Detach')} (D)", id="detach")

    def on_key(self, event: Key) -> None:
        """Choose by key."""
        choice = _KEYS.get(event.key)
        if choice is not None and (choice != "detach" or self._can_detach):
            event.stop()  # the screen below has a binding for the same key
            self.dismiss(choice)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Choose by button."""
        event.stop()
        button = event.button.id
        self.dismiss(None if button == "stay" else "detach" if button == "detach" else "stop")
