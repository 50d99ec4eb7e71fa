"""A small picture out of half blocks: two pixels in each cell, one above the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.events import Resize
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from engine.evaluation.thumbnail import Thumbnail

UPPER = "▀"


class Picture(Widget):
    """Shows a picture in its middle, or a sentence where there is none."""

    DEFAULT_CSS = """
    Picture { width: 1fr; height: 1fr; }
    """

    class Room(Message):
        """There is another amount of room now: `width` x `height` pixels."""

        def __init__(self, width: int, height: int) -> None:
            super().__init__()
            self.width = width
            self.height = height

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[list[Segment]] = []
        self._width = 0
        self._sentence = ""

    @property
    def room(self) -> tuple[int, int]:
        """Width and height of the largest picture that can be shown, in pixels."""
        return self.size.width, 2 * self.size.height

    def on_resize(self, event: Resize) -> None:
        """Ask for a picture that fits."""
        self.post_message(self.Room(event.size.width, 2 * event.size.height))

    def show(self, picture: Thumbnail) -> None:
        """Show `picture` from now on."""
        self._rows = [_row(picture, y) for y in range(0, picture.height, 2)]
        self._width = picture.width
        self._sentence = ""
        self.refresh()

    def say(self, sentence: str) -> None:
        """Show words instead of a picture."""
        self._rows, self._width, self._sentence = [], 0, sentence
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of cells."""
        width, height = self.size
        if self._sentence:
            lines = _wrapped(self._sentence, width)
            text = lines[y] if y < len(lines) else ""
            return Strip([Segment(text, self.rich_style)]).adjust_cell_length(width, self.rich_style)
        place = y - max(0, (height - len(self._rows)) // 2)
        if not 0 <= place < len(self._rows):
            return Strip.blank(width, self.rich_style)
        left = max(0, (width - self._width) // 2)
        row = [Segment(" " * left, self.rich_style), *self._rows[place]]
        return Strip(row).adjust_cell_length(width, self.rich_style)


def _row(picture: Thumbnail, y: int) -> list[Segment]:
    """Rows `y` and `y` + 1 of the picture; below an odd last row there is nothing."""
    segments = []
    for x in range(picture.width):
        upper = _colour(picture, x, y)
        lower = _colour(picture, x, y + 1) if y + 1 < picture.height else None
        segments.append(Segment(UPPER, Style(color=upper, bgcolor=lower)))
    return segments


def _colour(picture: Thumbnail, x: int, y: int) -> Color:
    at = 3 * (y * picture.width + x)
    return Color.from_rgb(*picture.rgb[at : at + 3])


def _wrapped(sentence: str, width: int) -> list[str]:
    from rich.cells import chop_cells

    return chop_cells(sentence, max(1, width))
