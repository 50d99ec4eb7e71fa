"""Line breaks in text that mixes Chinese or Japanese with Latin words.

Textual breaks lines at spaces only, so the Chinese text that follows a Latin word and a space is moved to the next line as if it
were one long word, and half of the line stays empty. Here a line may break before and after each wide character, except before
closing punctuation and after opening punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from rich.cells import cell_len
from textual.content import Content
from textual.css.styles import RulesMap
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual

_WIDE = (
    r"\u2e80-\u33ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff60\uffe0-\uffe6\U00020000-\U0003fffd"
)
"""Chinese and Japanese characters and their punctuation. Korean separates words by spaces."""
_OPENING = r"(\[{（［｛《〈「『【〔“‘"
_CLOSING = r")\]},.;:!?%）］｝》〉」』】〕”’，。、；：！？％…"


class WideText(Visual):
    """Content with wide characters, broken by `break_offsets`."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._lines: tuple[int, Content] | None = None
        """The width and the result of the latest `at`."""

    def at(self, width: int) -> Content:
        """The content with a line break wherever a line of `width` cells ends."""
        if self._lines is None or self._lines[0] != width:
            lines = [part for line in self._content.split(allow_blank=True) for part in _broken(line, width)]
            self._lines = width, Content("\n").join(lines)
        return self._lines[1]

    def _visual(self, rules: RulesMap, width: int) -> Content:
        return self._content if rules.get("text_wrap") == "nowrap" else self.at(width)

    def render_strips(self, width: int, height: int | None, style: Style, options: RenderOptions) -> list[Strip]:
        """See `Visual`."""
        return self._visual(options.rules, width).render_strips(width, height, style, options)

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        """See `Visual`."""
        return self._content.get_optimal_width(rules, container_width)

    def get_minimal_width(self, rules: RulesMap) -> int:
        """See `Visual`."""
        return 2

    def get_height(self, rules: RulesMap, width: int) -> int:
        """See `Visual`."""
        return self._visual(rules, width).get_height(rules, width)


def has_wide_characters(text: str) -> bool:
    """Whether `text` may have characters between which a line may break."""
    return not text.isascii() and max(text) >= "\u2e80"


@cache
def _unit() -> re.Pattern[str]:
    """What stays together: a wide character or a word, with its punctuation and the spaces after it.

    Compiling it takes some milliseconds, which an English first screen does not need.
    """
    word = rf"(?:[^\s{_WIDE}{_OPENING}]|[{_OPENING}](?=[^\s{_WIDE}]))+"
    return re.compile(rf"[{_OPENING}]*(?:[{_WIDE}]|{word})[{_CLOSING}]*\s*|\s+|.")


def break_offsets(text: str, width: int) -> list[int]:
    """Where to break `text`, which is one line, so that each part is at most `width` cells wide without the spaces at its end."""
    offsets: list[int] = []
    used = 0
    for start, unit in _units(text, width):
        if used and used + cell_len(unit.rstrip()) > width:
            offsets.append(start)
            used = 0
        used += cell_len(unit)
    return offsets


def _units(text: str, width: int) -> Iterator[tuple[int, str]]:
    """Start and text of each unit; one that is wider than a line, such as a path, character by character."""
    for match in _unit().finditer(text):
        if cell_len(match[0].rstrip()) <= width:
            yield match.start(), match[0]
        else:
            yield from enumerate(match[0], match.start())


def _broken(line: Content, width: int) -> Iterator[Content]:
    *parts, last = line.divide(break_offsets(line.plain, width))
    yield from (part.rstrip() for part in parts)
    yield last
