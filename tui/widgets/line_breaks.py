"""Text of widgets that mixes Chinese or Japanese with Latin words, with the line breaks of `tui.text.line_breaks`."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content
from textual.css.styles import RulesMap
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual

from tui.text.line_breaks import NO_BREAK_SPACE, break_offsets, has_own_breaks


def with_own_breaks(visual: Visual) -> Visual:
    """`visual`, which breaks its lines as `tui.text.line_breaks` does where its text needs that."""
    return WideText(visual) if isinstance(visual, Content) and has_own_breaks(visual.plain) else visual


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


def _broken(line: Content, width: int) -> Iterator[Content]:
    *parts, last = line.divide(break_offsets(line.plain, width))
    yield from (_with_plain_spaces(part.rstrip()) for part in parts)
    yield _with_plain_spaces(last)


def _with_plain_spaces(line: Content) -> Content:
    """`line` with spaces that may be copied: a no-break space has done its work."""
    return Content(line.plain.replace(NO_BREAK_SPACE, " "), list(line.spans)) if NO_BREAK_SPACE in line.plain else line
