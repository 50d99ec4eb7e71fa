"""Problems of a data set, each kind once, with advice."""

from __future__ import annotations

from collections.abc import Iterable
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
    .-high FindingsPanel { max-height: 10; }
    FindingsPanel:focus { border-top: solid $primary; }
    FindingsPanel Label { height: auto; }
    """

    _text = getters.query_one(Label)

    def compose(self) -> ComposeResult:
        """One text for all findings."""
        yield Label()

    def show(self, findings: Iterable[Finding]) -> None:
        """Show these findings."""
        groups = group_findings(findings)
        if not groups:
            self._show_text(Content(_("No problems found.")).stylize("$success"))
            return
        texts = (_finding_text(group.severity, finding_text(group), ADVICE.get(group.code, "")) for group in groups)
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
            "Problems in labels and images. ✖ is left out of the training, ! should be checked, · is for information. "
            "Your files are not changed. To list every problem: freezetui data check FOLDER"
        )

    def _show_text(self, text: Content) -> None:
        self._text.update(text)
        self.scroll_home(animate=False)


def _finding_text(severity: str, sentence: str, remedy: str) -> Content:
    mark, colour = MARKS[severity]
    text = Content.assemble((mark + " ", colour), sentence)
    return text if not remedy else Content.assemble(text, "\n  ", ("→ " + _(remedy), "$foreground 60%"))
