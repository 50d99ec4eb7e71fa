"""An image in the terminal: by a graphics protocol where there is one, otherwise as half blocks, two pixels a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.cells import cell_len, set_cell_size
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

MAX_PIXELS = 1200
"""Of the longer side of an image by a graphics protocol: more is not visible and slows the terminal down."""
UPPER_HALF = "▀"
TEXT_HEIGHT = 0.7
"""Of a cell: the height of letters that are as large as those of the terminal."""
MIN_TEXT_SIZE = 10


class TerminalImage(Widget):
    """Shows an image, centred, or a message."""

    DEFAULT_CSS = """
    TerminalImage { width: 1fr; height: 1fr; align: center middle; }
    TerminalImage #graphics { width: auto; height: auto; }
    """

    class SizeChanged(Message):
        """An image may now have at most `max_width` x `max_height` pixels."""

        def __init__(self, max_width: int, max_height: int) -> None:
            super().__init__()
            self.max_width = max_width
            self.max_height = max_height

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[list[Segment]] = []
        self._width = 0
        self._message = ""

    @property
    def _graphics(self) -> Graphics | None:
        return getattr(self.app, "graphics", None)

    def compose(self) -> ComposeResult:
        """The widget of the graphics protocol, if there is one."""
        if (graphics := self._graphics) is not None:
            widget = graphics.widget(id="graphics")
            widget.display = False
            yield widget

    @property
    def max_image_size(self) -> tuple[int, int]:
        """Width and height in pixels that fit; (0, 0) before the first layout."""
        width, height = self.size
        if (graphics := self._graphics) is None or not self.size.area:
            return width, 2 * height
        pixels = width * graphics.cell_size[0], height * graphics.cell_size[1]
        scale = min(1.0, MAX_PIXELS / max(pixels))
        return round(pixels[0] * scale), round(pixels[1] * scale)

    @property
    def text_size(self) -> int | None:
        """Pixels of a legible text in an image of `max_image_size`; None: text is shown in cells, on top of half blocks."""
        if (graphics := self._graphics) is None or not self.size.area:
            return None
        scale = self.max_image_size[0] / (self.size.width * graphics.cell_size[0])
        return max(MIN_TEXT_SIZE, round(TEXT_HEIGHT * graphics.cell_size[1] * scale))

    def on_resize(self, _event: Resize) -> None:
        """Ask for an image that fits."""
        self.post_message(self.SizeChanged(*self.max_image_size))

    def show(self, thumbnail: Thumbnail) -> None:
        """Show an image, no larger than `max_image_size`."""
        self._message = ""
        if self._graphics is None:
            self._rows = _half_blocks(thumbnail)
            self._width = thumbnail.width
        else:
            from PIL import Image

            self._graphics_widget.image = Image.frombytes("RGB", (thumbnail.width, thumbnail.height), thumbnail.rgb)
            self._graphics_widget.display = True
        self.refresh()

    @property
    def _graphics_widget(self) -> AutoImage | SixelImage:
        return cast("AutoImage | SixelImage", self.query_one("#graphics"))

    def show_message(self, message: str) -> None:
        """Show text instead of an image."""
        self._rows, self._width, self._message = [], 0, message
        if self._graphics is not None:
            self._graphics_widget.display = False
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of cells."""
        width, height = self.size
        if self._message:
            lines = _wrap(self._message, width)
            text = lines[y] if y < len(lines) else ""
            return Strip([Segment(text, self.rich_style)]).adjust_cell_length(width, self.rich_style)
        row = y - max(0, (height - len(self._rows)) // 2)
        if not 0 <= row < len(self._rows):
            return Strip.blank(width, self.rich_style)
        left = max(0, (width - self._width) // 2)
        segments = [Segment(" " * left, self.rich_style), *self._rows[row]]
        return Strip(segments).adjust_cell_length(width, self.rich_style)


def _half_blocks(thumbnail: Thumbnail) -> list[list[Segment]]:
    """The rows of an image with the texts of its boxes; a text that would cover one of a more important box is left out."""
    rows = [_half_block_row(thumbnail, y) for y in range(0, thumbnail.height, 2)]
    taken = [[False] * thumbnail.width for _ in rows]
    for label in thumbnail.labels:
        text = set_cell_size(label.text, min(cell_len(label.text), thumbnail.width))
        width = cell_len(text)
        left = max(0, min(label.x, thumbnail.width - width))
        above = label.y // 2 - 1
        for y in (above, above + 1):
            if 0 <= y < len(rows) and not any(taken[y][left : left + width]):
                style = Style(color=Color.from_rgb(*label.text_colour), bgcolor=Color.from_rgb(*label.colour))
                # One segment for each cell: the text in the first, the others empty. Without a style, NO_COLOR would end the app.
                rows[y][left : left + width] = [Segment(text, style), *[Segment("", style)] * (width - 1)]
                taken[y][left : left + width] = [True] * width
                break
    return rows


def _half_block_row(thumbnail: Thumbnail, y: int) -> list[Segment]:
    """Pixel rows `y` and `y` + 1; below an odd last row the background shows."""
    segments = []
    for x in range(thumbnail.width):
        upper = _colour(thumbnail, x, y)
        lower = _colour(thumbnail, x, y + 1) if y + 1 < thumbnail.height else None
        segments.append(Segment(UPPER_HALF, Style(color=upper, bgcolor=lower)))
    return segments


def _colour(thumbnail: Thumbnail, x: int, y: int) -> Color:
    start = 3 * (y * thumbnail.width + x)
    return Color.from_rgb(*thumbnail.rgb[start : start + 3])


def _wrap(text: str, width: int) -> list[str]:
    from rich.cells import chop_cells

    return chop_cells(text, max(1, width))
