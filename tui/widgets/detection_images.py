"""Pictures with the boxes that trained weights drew, one at a time, and below each what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from engine.messages import BadInput, printable
from tui.text import _, translate
from tui.widgets.label import Label
from tui.widgets.terminal_image import TerminalImage
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.evaluation.predict import Prediction
    from engine.evaluation.thumbnail import Thumbnail

Looking = Callable[[int], "Prediction"]
"""What is found in picture number n. Called in a thread; may raise BadInput."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    look: Looking
    number: int
    width: int
    height: int


class DetectionImages(Vertical):
    """Shows the first picture of those it is given; `turn` goes on to others."""

    DEFAULT_CSS = """
    DetectionImages Label { height: auto; max-height: 4; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._look: Looking | None = None
        self._count = 0
        self._place = 0
        self._making = LatestQuery[_Wanted, "Thumbnail"](self, _made, self._show, self._refused)

    def compose(self) -> ComposeResult:
        """The picture, and what it holds."""
        yield TerminalImage()
        yield Label()

    def browse(self, count: int, look: Looking) -> None:
        """Show these pictures from now on."""
        self._look, self._count, self._place = look, count, 0
        self.ask()

    def turn(self, by: int) -> None:
        """Go to another picture; after the last comes the first."""
        if self._count:
            self._place = (self._place + by) % self._count
            self.ask()

    def say(self, sentence: str) -> None:
        """Words instead of pictures."""
        self._look, self._count = None, 0
        self._making.drop()
        self._put(sentence, "")

    def ask(self) -> None:
        """Make the picture anew, for the room that there is now."""
        width, height = self.query_one(TerminalImage).room
        if self._look is not None and self._count and width and height:
            self._making.ask(_Wanted(self._look, self._place, width, height))

    def on_terminal_image_room(self, event: TerminalImage.Room) -> None:
        """The window has another size, or the picture has just appeared."""
        event.stop()
        self.ask()

    def _show(self, picture: Thumbnail) -> None:
        self.query_one(TerminalImage).show(picture)
        self.query_one(Label).say(Content.assemble(*self._listed(picture)))

    def _refused(self, error: BadInput) -> None:
        self._put(translate(error.messages[0]), self._number())

    def _put(self, sentence: str, below: str) -> None:
        self.query_one(TerminalImage).say(sentence)
        self.query_one(Label).say(below)

    def _number(self) -> str:
        return f"{self._place + 1}/{self._count}"

    def _listed(self, picture: Thumbnail) -> Iterator[tuple[str, str] | str]:
        yield f"{self._number()}  {picture.name}   "
        for name, number, (red, green, blue) in picture.objects:
            yield "■", f"rgb({red},{green},{blue})"
            yield f" {printable(name)} x{number}   "
        if not picture.objects:
            yield _("nothing found")


def _made(wanted: _Wanted) -> Thumbnail:
    from engine.evaluation.thumbnail import thumbnail

    one = wanted.look(wanted.number)
    found = one.found
    return thumbnail(
        one.pixels, found.boxes, found.labels, one.classes, wanted.width, wanted.height, name=printable(one.path.name)
    )
