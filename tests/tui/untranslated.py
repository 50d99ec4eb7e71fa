"""What a screen says that no catalogue knows: with the pseudo language every sentence of ours stands in ⟦brackets⟧."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets._footer import FooterKey, KeyGroup

from engine.network.yolov4 import NETWORKS
from engine.recipe import COCO, Recipe
from engine.recipe.presets import list_presets
from engine.weights.download.registry import KNOWN

UNITS = {"GiB", "MiB", "GB", "MB", "ms", "cuda"}
CHOICES = re.findall(r'"const": "([^"]+)"|"enum": \[([^]]*)\]', json.dumps(Recipe.model_json_schema()))
NAMES = {
    *("torch", "mAP", "mAP50", "TB", "English", "sample", COCO),
    *NETWORKS,
    *Recipe.model_fields,
    *(preset.name for preset in list_presets()),
    *KNOWN,
    *(f"F{number}" for number in range(1, 13)),
    *re.findall(r"[\w-]+", " ".join(" ".join(found) for found in CHOICES)),
}
"""Words that are the same in every language."""

_IN_BRACKETS = re.compile("⟦[^⟦⟧]*⟧")
_CUT_OFF = re.compile("⟦[^⟧]*$|^[^⟦]*⟧", re.DOTALL)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]")


def untranslated(screen: Screen[object], *, data: tuple[str | Path, ...] = ()) -> dict[str, str]:
    """Words outside brackets, each with the widget that says it. `data`: texts of the user's that may be shown."""
    found: dict[str, str] = {}
    for widget in screen.walk_children(Widget):
        for text in _texts(widget):
            for known in map(str, data):
                text = text.replace(known, "")
            while (less := _IN_BRACKETS.sub(" ", text)) != text:
                text = less
            text = _CUT_OFF.sub(" ", text)
            for word in _WORD.findall(text):
                if word not in UNITS | NAMES:
                    found[word] = repr(widget)
    return found


def _texts(widget: Widget) -> Iterator[str]:
    for name in ("border_title", "border_subtitle", "tooltip", "placeholder"):
        if isinstance(text := getattr(widget, name, None), str | Content | Text):
            yield _plain(text)
    if isinstance(widget, FooterKey):
        yield widget.description
    elif not isinstance(widget, KeyGroup) and not list(widget.children):
        by_lines = type(widget).render_line is not Widget.render_line  # pictures, tables, lists, inputs
        drawn = None if by_lines else widget.render()
        if isinstance(drawn, str | Content | Text):
            yield _plain(drawn)
        else:
            yield from ("".join(segment.text for segment in widget.render_line(y)) for y in range(widget.size.height))


def _plain(text: str | Content | Text) -> str:
    return text if isinstance(text, str) else text.plain
