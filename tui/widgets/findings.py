"""Problems of a data set, each kind once, with advice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from engine.dataset.finding_groups import group_findings
from engine.dataset.index import Finding
from engine.messages import BadInput
from tui.text import N_, _, translate
from tui.text.datasets import finding_text
from tui.text.finding_advice import ADVICE
from tui.widgets.label import Label

MARKS = {"error": ("✖", "$error"), "warning": ("!", "$warning"), "info": ("·", "$foreground 60%")}


class FindingsPanel(VerticalScroll):
    """Scrolls; errors come first."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "screen.forward", N_("next"))]

    DEFAULT_CSS = """
    FindingsPanel { height: auto; min-height: 3; max-height: 6; border-top: solid $primary-muted; border-title-color: $foreground; scrollbar-size-vertical: 1; }
    FindingsPanel:focus { border-top: solid $primary; }
    FindingsPanel Label { height: auto; }
    """

    _text = getters.query_one(Label)

    def compose(self) -> ComposeResult:
        """One text for all findings."""
        yield Label()

    def __init__(self) -> None:
        super().__init__()
        self._title = ""

    def set_title(self, title: str) -> None:
        """Show a title, and how to scroll where that is needed."""
        self._title = title
        self._show_title()

    def on_resize(self) -> None:
        """Say how to scroll if the text no longer fits."""
        self.call_after_refresh(self._show_title)

    def scroll_pages(self, pages: int) -> None:
        """Scroll down by a number of pages, up if it is negative."""
        self.scroll_relative(y=pages * max(1, self.size.height - 1), animate=False)

    def show(self, findings: Iterable[Finding], root: Path) -> None:
        """Show these findings about the data set at `root`."""
        groups = group_findings(findings)
        if not groups:
            self._show_text(Content(_("No problems found.")).stylize("$success"))
            return
        texts = (
            _finding_text(group.severity, finding_text(group, root), ADVICE.get(group.code, "")) for group in groups
        )
        self._show_text(Content("\n").join(texts))

    def show_error(self, error: BadInput) -> None:
        """Show why the data set cannot be used, and what to do."""
        lines = [_finding_text("error", translate(message), ADVICE.get(message.code, "")) for message in error.messages]
        self._show_text(Content("\n").join(lines))

    def clear(self) -> None:
        """Show nothing."""
        self._show_text(Content(""))

    def help_text(self) -> str:
        """Text for F1."""
        return _(
            "Problems in labels and images, each kind once. ✖ is left out of the training, ! should be checked, · is for information. Paths "
            "are relative to the folder of the data set. PgUp and PgDn scroll. Your files are not changed."
        )

    def _show_text(self, text: Content) -> None:
        self._text.update(text)
        self.scroll_home(animate=False)
        self.call_after_refresh(self._show_title)

    def _show_title(self) -> None:
        self.border_title = f"{self._title} · {_('PgUp PgDn scroll')}" if self.max_scroll_y else self._title


def _finding_text(severity: str, sentence: str, remedy: str) -> Content:
    mark, colour = MARKS[severity]
    text = Content.assemble((mark + " ", colour), sentence)
    return text if not remedy else Content.assemble(text, "\n  ", ("→ " + _(remedy), "$foreground 60%"))
