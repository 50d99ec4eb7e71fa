"""The events of a training as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll

from engine.events import Event
from tui.dialogs.base import Dialog
from tui.text import N_, _
from tui.widgets.event_lines import event_lines
from tui.widgets.label import Label


class LogDialog(Dialog[None]):
    """One line an event; opens at its end."""

    help_sentence: ClassVar[str] = N_(
        "Everything that happened in the training, with its time, except single steps and saved checkpoints."
    )

    DEFAULT_CSS = """
    LogDialog { align: center middle; }
    LogDialog > Vertical { width: 90%; height: 85%; border: round $primary; padding: 0 1; background: $surface; }
    LogDialog VerticalScroll { height: 1fr; }
    LogDialog Label { height: auto; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,l,q", "dismiss", N_("close"))]

    _scroll = getters.query_one(VerticalScroll)

    def __init__(self, events: Iterable[Event]) -> None:
        super().__init__()
        self._lines = event_lines(events)

    def compose(self) -> ComposeResult:
        """Time and text of each event."""
        with Vertical() as box:
            box.border_title = _("Log")
            with VerticalScroll():
                yield Label("\n".join(self._lines) or _("No events yet."))
            yield Label(_("Esc closes this."), classes="hint")

    def on_mount(self) -> None:
        """Scroll to the end."""
        self._scroll.focus()
        self.call_after_refresh(self._scroll.scroll_end, animate=False)
