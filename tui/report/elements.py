"""HTML and SVG elements. Text and values are escaped when they are written, so that no class name or note becomes markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, tostring

from engine.messages import printable

Content = Element | str


def element(tag: str, *content: Content, **attributes: str | float) -> Element:
    """An element with its content, text and elements in their order.

    Args:
        tag: its name.
        content: control characters in text are replaced.
        attributes: `class_` is `class`, `stroke_width` is `stroke-width`; numbers are rounded to two decimals.
    """
    made = Element(tag, {_attribute_name(name): _attribute_text(value) for name, value in attributes.items()})
    for part in content:
        if isinstance(part, Element):
            made.append(part)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + printable(part)
        else:
            made.text = (made.text or "") + printable(part)
    return made


def table(header: Sequence[Content], rows: Iterable[Sequence[Content]], class_: str = "") -> Element:
    """A table; its header is repeated on every printed page."""
    return element(
        "table",
        element("thead", element("tr", *(element("th", cell, scope="col") for cell in header))),
        element("tbody", *(element("tr", *(element("td", cell) for cell in row)) for row in rows)),
        class_=class_,
    )


def pairs_table(rows: Iterable[tuple[str, Content]]) -> Element:
    """A table of names and values."""
    body = (element("tr", element("th", name, scope="row"), element("td", value)) for name, value in rows)
    return element("table", element("tbody", *body), class_="pairs")


def command_block(line: str) -> Element:
    """A command to be copied."""
    return element("pre", element("code", line))


def lines_of(text: str) -> Element:
    """A text of several lines."""
    first, *others = text.split("\n")
    return element("span", first, *(part for line in others for part in (element("br"), line)))


def document(head: Element, body: Element, language: str) -> str:
    """The text of the page."""
    return "<!DOCTYPE html>\n" + tostring(element("html", head, body, lang=language), encoding="unicode", method="html")


def _attribute_name(name: str) -> str:
    return name.removesuffix("_").replace("_", "-")


def _attribute_text(value: str | float) -> str:
    return printable(value) if isinstance(value, str) else f"{round(value, 2):g}"
