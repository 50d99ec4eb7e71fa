"""Text in figures: in the user's language where a font has its letters, class names in fonts that have theirs, and no name read as a formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.text import Text

from engine.evaluation.fonts import font_for
from engine.messages import Message, printable

_DEFAULT_FAMILY = "DejaVu Sans"
_MAX_LENGTH = 24
_SIZE = 12


Translate = Callable[[Message], str]


class FigureTexts:
    """Titles and names of axes in the user's language; in English where no font of this system has its letters."""

    def __init__(self, translate: Translate = str) -> None:
        """`translate` gives the text of a message in the user's language."""
        self._translate = translate
        self.lacks_font = False
        """Whether a text was given in English for that reason."""

    def __call__(self, template: str, **values: object) -> str:
        """The text of `template`, marked with `gettext_noop`, filled with `values`."""
        message = Message("figure", template, values)
        text = self._translate(message)
        if font_for(text, _SIZE) is not None:
            return text
        self.lacks_font = True
        return str(message)


def figure_names(classes: Sequence[str]) -> list[str]:
    """The names as they are drawn: shortened, and the number of a class where no font has all its letters."""
    names = [printable(name) for name in classes]
    return [
        _shortened(name) if name.strip() and font_for(name, _SIZE) else str(number) for number, name in enumerate(names)
    ]


def use_name_fonts(texts: Sequence[Text]) -> None:
    """Draw texts, which have names from `figure_names` in them, as they are."""
    for text in texts:
        font = font_for(text.get_text(), _SIZE)
        family = [_DEFAULT_FAMILY] if font is None else [_family(str(font.path)), _DEFAULT_FAMILY]
        text.set_fontproperties(FontProperties(family=family, size=text.get_fontsize()))
        text.set_parse_math(False)


@cache
def _family(path: str) -> str:
    """The family name of a font file, under which matplotlib finds it from now on."""
    name = FontProperties(fname=path).get_name()
    if not any(Path(font.fname) == Path(path) for font in fontManager.ttflist):
        fontManager.addfont(path)
    return name


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_LENGTH else name[: _MAX_LENGTH - 1] + "…"
