"""Text that is shown as it is: brackets in a path or a class name are no markup."""

from __future__ import annotations

from typing import cast

from textual.content import Content
from textual.widgets import Static


class Label(Static):
    """A piece of text without markup."""

    def __init__(self, text: str | Content = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(_content(text), id=id, classes=classes, markup=False)

    def say(self, text: str | Content) -> None:
        """Show `text` from now on; nothing is drawn anew where it is the same, nothing is moved where it fits."""
        content = _content(text)
        if not content.is_same(cast("Content", self.content)):  # == compares letters, not colours
            self.update(content, layout=not self._fits(content))

    def _fits(self, content: Content) -> bool:
        """Whether `content` takes the room that was given to this widget. A layout of the screen costs ten times a line."""
        width, height = self.content_size
        if not height or self.styles.is_auto_width:
            return False
        return content.get_height(self.styles.get_rules(), width) == height


def _content(text: str | Content) -> Content:
    return text if isinstance(text, Content) else Content(text)
