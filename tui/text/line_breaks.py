"""Line breaks in text that mixes Chinese or Japanese with Latin words.

Textual and rich break lines at spaces only, so the Chinese text that follows a Latin word and a space is moved to the next line as
if it were one long word, and half of the line stays empty. Here a line may break before and after each wide character, except
before closing punctuation and after opening punctuation. Neither breaks a line at a no-break space, at which both would.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from rich.cells import cell_len

_WIDE = (
    r"\u2e80-\u33ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff60\uffe0-\uffe6\U00020000-\U0003fffd"
)
"""Chinese and Japanese characters and their punctuation. Korean separates words by spaces."""
NO_BREAK_SPACE = "\u00a0"
_SPACE = rf"[^\S{NO_BREAK_SPACE}]"
_OPENING = r"(\[{（［｛《〈「『【〔“‘"
_CLOSING = r")\]},;:!?%）］｝》〉」』】〕”’，。、；：！？％…"


def has_own_breaks(text: str) -> bool:
    """Whether lines of `text` may break elsewhere than at spaces, or must not break at one of them."""
    return not text.isascii() and (max(text) >= "\u2e80" or NO_BREAK_SPACE in text)


@cache
def _unit() -> re.Pattern[str]:
    """What stays together: a wide character or a word, with its punctuation and the spaces after it; more of them after a no-break space.

    Compiling it takes some milliseconds, which an English first screen does not need.
    """
    word = rf"(?:[^\s{_WIDE}{_OPENING}]|[{_OPENING}](?=[^\s{_WIDE}]))+"
    closing = rf"(?:[{_CLOSING}]|\.(?!\w))*"  # the dot of .csv belongs to what follows
    one = rf"[{_OPENING}]*(?:[{_WIDE}]|{word}){closing}"
    return re.compile(rf"{one}(?:{NO_BREAK_SPACE}+{one})*{_SPACE}*|{_SPACE}+|.", re.DOTALL)


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


def unbroken_parts(text: str) -> str:
    """`text`, whose parts are separated by " · ", with line breaks only between them."""
    return " · ".join(part.replace(" ", NO_BREAK_SPACE) for part in text.split(" · "))


def break_lines(text: str, width: int) -> str:
    """`text` with a line break wherever a line of `width` cells ends, if its lines need breaks of their own."""
    if not has_own_breaks(text):
        return text
    lines = []
    for line in text.split("\n"):
        offsets = break_offsets(line, width)
        parts = (line[start:end] for start, end in zip([0, *offsets], [*offsets, len(line)], strict=True))
        lines += [part.rstrip() for part in parts]
    return "\n".join(lines)


def indent_breaks(text: str, width: int, indent: int) -> str:
    """`text` with a line break wherever a line of `width` cells ends; what continues a line is indented as its text is.

    Args:
        text: lines whose first `indent` cells, a time or spaces, stand before their text.
        width: cells of a line.
        indent: cells before the text.
    """
    lines = []
    for line in text.split("\n"):
        rest = line[indent:]
        offsets = break_offsets(rest, max(1, width - indent))
        parts = [rest[start:end].rstrip() for start, end in zip([0, *offsets], [*offsets, len(rest)], strict=True)]
        lines += [f"{line[:indent] if number == 0 else ' ' * indent}{part}" for number, part in enumerate(parts)]
    return "\n".join(lines)


def _units(text: str, width: int) -> Iterator[tuple[int, str]]:
    """Start and text of each unit; one that is wider than a line, such as a path, character by character."""
    for match in _unit().finditer(text):
        if cell_len(match[0].rstrip()) <= width:
            yield match.start(), match[0]
        else:
            yield from enumerate(match[0], match.start())


@contextmanager
def wide_breaks_in_rich() -> Iterator[None]:
    """While it lasts, rich breaks lines like this too. Rich has no setting for it."""
    import rich.text

    names = vars(rich.text)
    narrow_breaks = names["divide_line"]

    def divide_line(text: str, width: int, fold: bool = True) -> list[int]:
        offsets: list[int] = narrow_breaks(text, width, fold)
        return break_offsets(text, width) if has_own_breaks(text) else offsets

    names["divide_line"] = divide_line
    try:
        yield
    finally:
        names["divide_line"] = narrow_breaks
