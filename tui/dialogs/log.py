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
from tui.text.line_breaks import indent_breaks
from tui.widgets.event_lines import TIME_WIDTH, event_lines
from tui.widgets.label import Label

SCROLLBAR_WIDTH = 2
"""Textual's; the width of a scroll view without a scroll bar includes it."""


class LogDialog(Dialog[None]):
    """One line an event; opens at its end."""

    help_sentence: ClassVar[str] = N_(
        "Everything that happened in the training, with its time, except single steps and saved checkpoints."
    )

    DEFAULT_CSS = """
    LogDialog { align: center middle; }
    LogDialog > Vertical { width: 96%; max-width: 120; height: 85%; border: round $primary; padding: 0 1; background: $surface; }
    LogDialog VerticalScroll { height: 1fr; }
    LogDialog Label { height: auto; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,l,q", "dismiss", N_("close"))]

    _scroll = getters.query_one(VerticalScroll)
    _label = getters.query_one("#lines", Label)

    def __init__(self, events: Iterable[Event]) -> None:
        super().__init__()
        self._lines = event_lines(events)

    def compose(self) -> ComposeResult:
        """Time and text of each event."""
        with Vertical() as box:
            box.border_title = _("Log")
            with VerticalScroll():
                yield Label(_("No events yet."), id="lines")
            yield Label(_("Esc closes this."), classes="hint")

    def on_mount(self) -> None:
        """Take the keys that scroll."""
        self._scroll.focus()

    def on_resize(self) -> None:
        """Break the lines for the width that there is now, and scroll to their end."""
        self.call_after_refresh(self._show_lines)

    def _show_lines(self) -> None:
        width = self._scroll.size.width - SCROLLBAR_WIDTH
        if self._lines and width > TIME_WIDTH:
            self._label.update(indent_breaks("\n".join(self._lines), width, TIME_WIDTH))
        self.call_after_refresh(self._scroll.scroll_end, animate=False)
