"""The texts of a screen that are not translated, found with the pseudo language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets._footer import FooterKey, KeyGroup

from tests.untranslated_words import outside_brackets, untranslated_words

_CUT_OFF = re.compile("⟦[^⟧]*$|^[^⟦]*⟧", re.DOTALL)


def untranslated(screen: Screen[object], *, data: tuple[str | Path, ...] = ()) -> dict[str, str]:
    """Words outside brackets, each with the widget that shows it. `data`: texts of the user that may be shown."""
    found: dict[str, str] = {}
    for widget in screen.walk_children(Widget):
        for text in _texts(widget):
            for known in map(str, data):
                text = text.replace(known, "")
            for word in untranslated_words(_CUT_OFF.sub(" ", outside_brackets(text))):
                found[word] = repr(widget)
    return found


def _texts(widget: Widget) -> Iterator[str]:
    for name in ("border_title", "border_subtitle", "tooltip", "placeholder"):
        if isinstance(text := getattr(widget, name, None), str | Content | Text):
            yield _plain(text)
    if isinstance(widget, FooterKey):
        yield widget.description
    elif not isinstance(widget, KeyGroup) and not list(widget.children):
        by_lines = type(widget).render_line is not Widget.render_line  # images, tables, lists, inputs
        drawn = None if by_lines else widget.render()
        if isinstance(drawn, str | Content | Text):
            yield _plain(drawn)
        else:
            yield from ("".join(segment.text for segment in widget.render_line(y)) for y in range(widget.size.height))


def _plain(text: str | Content | Text) -> str:
    return text if isinstance(text, str) else text.plain
