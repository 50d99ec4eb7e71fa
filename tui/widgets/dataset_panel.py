"""A data set as it was understood: its numbers, its classes as bars, its pictures, and what is wrong with it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from engine.messages import BadInput
from tui.text import _
from tui.widgets.class_bars import Bar, ClassBars
from tui.widgets.findings import FindingsPanel
from tui.widgets.label import Label
from tui.widgets.labelled_images import LabelledImages
from tui.wizard.dataset_inspection import DatasetInspection
from tui.wizard.dataset_summary import disagreement, summary, understood


class DataSetPanel(Vertical):
    """Says what would be understood as long as no data set is meant; then shows that one, or why it cannot be used."""

    DEFAULT_CSS = """
    DataSetPanel { height: 1fr; }
    DataSetPanel #intro { height: auto; color: $text-muted; padding-top: 1; }
    DataSetPanel #looked { height: 1fr; }
    DataSetPanel #about { width: 1fr; padding-right: 1; }
    DataSetPanel #about Label { height: auto; }
    DataSetPanel #classes { border-top: solid $primary-muted; border-title-color: $foreground; }
    DataSetPanel #picture { width: 36; border: round $primary-muted; border-title-color: $foreground; border-subtitle-color: $foreground 60%; }
    DataSetPanel.-unknown #looked { display: none; }
    DataSetPanel.-unknown FindingsPanel { height: 1fr; max-height: 100%; border-top: none; color: $error; }
    DataSetPanel.-untouched FindingsPanel { display: none; }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="-unknown -untouched")

    def compose(self) -> ComposeResult:
        """What would be understood, what was looked at, and the findings."""
        yield Label(understood(), id="intro")
        with Horizontal(id="looked"):
            with Vertical(id="about"):
                yield Label(id="summary")
                bars = ClassBars(id="classes")
                bars.border_title = _("Boxes of each class") + "  F6"
                yield bars
            yield LabelledImages(id="picture")
        yield FindingsPanel(id="findings")

    def wait(self) -> None:
        """A data set is being opened."""
        self.remove_class("-untouched")
        self.query_one("#intro").display = False

    def forget(self) -> None:
        """Show nothing of a data set that is no longer meant."""
        self.query_one(FindingsPanel).clear()
        self.add_class("-unknown")

    def show(self, look: DatasetInspection) -> None:
        """Show a data set that was opened."""
        self.wait()
        self.remove_class("-unknown")
        self.query_one("#summary", Label).say(summary(look))
        counts = look.dataset.box_counts().items()
        bars = [Bar(name, count, colour) for (name, count), colour in zip(counts, look.colours, strict=True)]
        self.query_one(ClassBars).show(bars)
        self.query_one(LabelledImages).browse(look.dataset)
        self.show_findings(look)

    def show_findings(self, look: DatasetInspection) -> None:
        """Show what is wrong with it, as far as it has been checked."""
        panel = self.query_one(FindingsPanel)
        panel.border_title = _("Findings")
        found = look.dataset.findings if look.findings is None else look.findings
        if look.findings is None and not found:
            panel.clear()
        else:
            panel.show([*disagreement(look), *found])

    def show_progress(self, done: int, of: int) -> None:
        """Say how many pictures have been checked."""
        self.query_one(FindingsPanel).border_title = _("Checking the pictures: {done} of {of}", done=done, of=of)

    def refuse(self, error: BadInput) -> None:
        """Show why it cannot be used."""
        self.query_one(FindingsPanel).refuse(error)

    def turn(self, by: int) -> None:
        """Another picture."""
        self.query_one(LabelledImages).turn(by)
