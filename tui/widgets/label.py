"""Text without markup: brackets in a path or a class name are shown as they are."""

from __future__ import annotations

from textual.content import Content
from textual.selection import Selection
from textual.visual import Visual, VisualType, visualize
from textual.widgets import Static

from tui.widgets.line_breaks import WideText, with_own_breaks


class Label(Static):
    """A Static without markup, whose `update` does no more than is needed.

    `Static.update` always redraws and by default lays out the whole screen, which costs ten times as much as drawing a
    line. While the Train screen is shown, that time is taken from the training.
    """

    def __init__(self, text: str | Content = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(text, id=id, classes=classes, markup=False)

    def update(self, content: VisualType = "", *, layout: bool = True) -> None:
        """Show `content`. Nothing is redrawn if it is the same, nothing is laid out if it needs the same height."""
        new, old = visualize(self, content, markup=False), self.visual
        if isinstance(new, Content) and isinstance(old, Content):
            if new.is_same(old):  # == compares the text only, not the styles
                return
            layout = layout and not self._has_height_for(new)
        super().update(new, layout=layout)

    def render(self) -> Visual:
        """The content; text with wide characters breaks its lines in their way."""
        return with_own_breaks(self.visual)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text. A selection counts lines as they are shown."""
        visual = self.render()
        if isinstance(visual, WideText):
            return selection.extract(visual.at(self.content_size.width).plain), "\n"
        return super().get_selection(selection)

    def _has_height_for(self, content: Content) -> bool:
        width, height = self.content_size
        if not height or self.styles.is_auto_width:
            return False
        return with_own_breaks(content).get_height(self.styles.get_rules(), width) == height
