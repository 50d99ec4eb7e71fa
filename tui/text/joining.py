"""Parts of a text put together as the user's language does it: Chinese has no space after its full-width marks."""

from __future__ import annotations

from typing import Final

from tui.text.translate import _

_FULL_WIDTH_MARKS: Final = "。！？；：，、）”"


def join_sentences(*sentences: str | None) -> str:
    """The sentences that are not empty, one after the other."""
    text = ""
    for sentence in filter(None, sentences):
        space = "" if not text or text.endswith(tuple(_FULL_WIDTH_MARKS)) else " "
        text = f"{text}{space}{sentence}"
    return text


def join_parts(*parts: str | None) -> str:
    """The parts that are not empty, with commas between them."""
    text = ""
    for part in filter(None, parts):
        text = _("{first}, {second}", first=text, second=part) if text else part
    return text


def named(name: str, text: str) -> str:
    """A text after the name of what it is about, with a colon between them."""
    return _("{name}: {text}", name=name, text=text)


def with_detail(text: str, detail: str) -> str:
    """A text with a detail in parentheses."""
    return _("{text}  ({detail})", text=text, detail=detail)
