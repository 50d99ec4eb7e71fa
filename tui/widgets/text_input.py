"""A text field whose whole text is selected when it gets the focus, so that typing replaces it."""

from __future__ import annotations

from textual.events import Focus, MouseDown
from textual.widgets import Input


class TextInput(Input):
    """Like a field of a browser's address bar: Tab, a click or a new dialog selects the text; a second click places the cursor.

    Textual's own Input loses the selection on a click: the press of the button that gives the focus also moves the cursor.
    """

    _is_clicked_into = False
    """Whether a press of the mouse button that is queued now, if there is one, gave the focus."""

    def on_focus(self, event: Focus) -> None:
        """Remember that a press that is queued now gave the focus. Textual then selects the text."""
        if self.select_on_focus and not event.from_app_focus:
            self._is_clicked_into = True
            self.call_later(self._end_click)

    def on_mouse_down(self, event: MouseDown) -> None:
        """Keep the selection if this press gave the focus."""
        if self._is_clicked_into:
            event.prevent_default()

    def _end_click(self) -> None:
        self._is_clicked_into = False
