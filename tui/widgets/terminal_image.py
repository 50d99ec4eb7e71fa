"""A picture: a real one where the terminal can show it, else out of half blocks, two pixels in each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.events import Resize
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from textual_image.widget import AutoImage, SixelImage

    from engine.evaluation.thumbnail import Thumbnail
    from tui.terminal.graphics import Graphics

MOST_PIXELS = 1200
"""Of a real picture's side: more is not seen, and must pass through the terminal's pipe."""
UPPER = "▀"


class TerminalImage(Widget):
    """Shows a picture in its middle, or a sentence where there is none."""

    DEFAULT_CSS = """
    TerminalImage { width: 1fr; height: 1fr; align: center middle; }
    TerminalImage #real { width: auto; height: auto; }
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
    def _graphics(self) -> Graphics | None:
        return getattr(self.app, "graphics", None)

    def compose(self) -> ComposeResult:
        """The real picture, where there can be one."""
        if (graphics := self._graphics) is not None:
            real = graphics.widget(id="real")
            real.display = False
            yield real

    @property
    def room(self) -> tuple[int, int]:
        """Width and height of the largest picture that can be shown, in pixels."""
        width, height = self.size
        if (graphics := self._graphics) is None or not self.size.area:
            return width, 2 * height
        pixels = width * graphics.cell[0], height * graphics.cell[1]
        scale = min(1.0, MOST_PIXELS / max(pixels))
        return round(pixels[0] * scale), round(pixels[1] * scale)

    def on_resize(self, _event: Resize) -> None:
        """Ask for a picture that fits."""
        self.post_message(self.Room(*self.room))

    def show(self, picture: Thumbnail) -> None:
        """Show `picture` from now on."""
        self._sentence = ""
        if self._graphics is None:
            self._rows = [_row(picture, y) for y in range(0, picture.height, 2)]
            self._width = picture.width
        else:
            from PIL import Image

            self._real.image = Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)
            self._real.display = True
        self.refresh()

    @property
    def _real(self) -> AutoImage | SixelImage:
        return cast("AutoImage | SixelImage", self.query_one("#real"))

    def say(self, sentence: str) -> None:
        """Show words instead of a picture."""
        self._rows, self._width, self._sentence = [], 0, sentence
        if self._graphics is not None:
            self._real.display = False
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
