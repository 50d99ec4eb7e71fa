"""Text that is shown as it is: brackets in a path or a class name are no markup."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class Words(Static):
    """A piece of text without markup."""

    def __init__(self, text: str | Content = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(text, id=id, classes=classes, markup=False)

    def say(self, text: str | Content) -> None:
        """Show `text` from now on; nothing is drawn anew where it is the same."""
        if text != self.content:
            self.update(text)
