"""What a data set was found to have wrong or strange, each kind once, with what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from engine.dataset.index import Finding
from engine.messages import BadInput
from tui.text import N_, _, ngettext, translate
from tui.text.finding_advice import ADVICE
from tui.widgets.label import Label

MARKS = {"error": ("✖", "$error"), "warning": ("!", "$warning"), "info": ("·", "$foreground 60%")}


class FindingsPanel(VerticalScroll):
    """Scrolls; errors come first."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "screen.forward", N_("go on"))]

    DEFAULT_CSS = """
    FindingsPanel { height: auto; min-height: 3; max-height: 6; border-top: solid $primary-muted; border-title-color: $foreground; scrollbar-size-vertical: 1; }
    .-high FindingsPanel { max-height: 10; }
    FindingsPanel:focus { border-top: solid $primary; }
    FindingsPanel Label { height: auto; }
    """

    def compose(self) -> ComposeResult:
        """The text."""
        yield Label()

    def show(self, findings: Iterable[Finding]) -> None:
        """Show these findings."""
        kinds = _kinds(findings)
        if not kinds:
            self._say(Content(_("Nothing is wrong with it.")).stylize("$success"))
            return
        self._say(Content("\n").join(_paragraph(kind) for kind in kinds))

    def refuse(self, error: BadInput) -> None:
        """Show why the data set cannot be used, and the way out."""
        paragraphs = []
        for message in error.messages:
            advice = ADVICE.get(message.code)
            paragraphs.append(_said("error", translate(message), _(advice) if advice else ""))
        self._say(Content("\n").join(paragraphs))

    def clear(self) -> None:
        """Show nothing."""
        self._say(Content(""))

    def explain(self) -> str:
        """More about the findings."""
        return _(
            "What was found in labels and pictures. ✖ is left out of the training, ! should be looked at, · is good to know. "
            "Nothing in your files is changed. All of them, one by one: freezetui data check FOLDER"
        )

    def _say(self, text: Content) -> None:
        self.query_one(Label).say(text)
        self.scroll_home(animate=False)


def _kinds(findings: Iterable[Finding]) -> list[list[Finding]]:
    """The findings by kind, in the order of their severity."""
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        kinds.setdefault((finding.severity, finding.message.code), []).append(finding)
    order = list(MARKS)
    return sorted(kinds.values(), key=lambda kind: order.index(kind[0].severity))


def _paragraph(kind: list[Finding]) -> Content:
    first = kind[0]
    # Beyond some of a kind the doctor only counts the rest; see `engine.dataset.doctor`.
    last = kind[-1].message.values
    uncounted = int(str(last["count"])) - 1 if "code" in last and "count" in last else 0
    more = len(kind) - 1 + uncounted
    sentence = translate(first.message)
    if more:
        sentence += " " + ngettext("(and {count} more like it)", "(and {count} more like it)", more)
    advice = ADVICE.get(first.message.code)
    return _said(first.severity, sentence, _(advice) if advice else "")


def _said(severity: str, sentence: str, advice: str) -> Content:
    mark, colour = MARKS[severity]
    text = Content.assemble((mark + " ", colour), sentence)
    return text if not advice else Content.assemble(text, "\n  ", ("→ " + advice, "$foreground 60%"))
