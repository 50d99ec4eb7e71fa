"""A data set: its numbers, its classes as bars, its images, and its findings."""

from __future__ import annotations

from textual import getters
from textual.app import ComposeResult
from textual.containers import Grid, Vertical

from engine.messages import BadInput
from tui.text import _
from tui.widgets.class_bars import Bar, ClassBars
from tui.widgets.findings import FindingsPanel
from tui.widgets.label import Label
from tui.widgets.labelled_images import LabelledImages
from tui.wizard.dataset_inspection import DatasetInspection
from tui.wizard.dataset_summary import class_name_conflicts, dataset_summary, formats_help, layouts_help


class DatasetPanel(Vertical):
    """The formats that are recognised, until a data set is opened; then that data set, or why it cannot be used."""

    DEFAULT_CSS = """
    DatasetPanel { height: 1fr; }
    DatasetPanel #formats { height: auto; color: $text-muted; padding-top: 1; }
    DatasetPanel #layouts { display: none; height: auto; color: $text-muted; padding-top: 1; }
    DatasetPanel #dataset { height: 1fr; layout: grid; grid-size: 2; grid-columns: 1fr 36; grid-rows: 1fr auto; }
    DatasetPanel #numbers { padding-right: 1; }
    DatasetPanel #numbers Label { height: auto; }
    DatasetPanel #classes { border-top: solid $primary-muted; border-title-color: $foreground; }
    DatasetPanel #image { width: 36; border: round $primary-muted; border-title-color: $foreground; border-subtitle-color: $foreground 60%; }
    DatasetPanel FindingsPanel { column-span: 2; }
    DatasetPanel.-not-open #numbers, DatasetPanel.-not-open #image { display: none; }
    DatasetPanel.-not-open #dataset { grid-size: 1; grid-columns: 1fr; grid-rows: 1fr; }
    DatasetPanel.-not-open FindingsPanel { column-span: 1; height: 1fr; max-height: 100%; border-top: none; color: $error; }
    DatasetPanel.-never-opened FindingsPanel { display: none; }
    """

    _formats = getters.query_one("#formats", Label)
    _layouts = getters.query_one("#layouts", Label)
    _summary = getters.query_one("#summary", Label)
    _class_bars = getters.query_one(ClassBars)
    _images = getters.query_one(LabelledImages)
    _findings = getters.query_one(FindingsPanel)

    def __init__(self) -> None:
        super().__init__(classes="-not-open -never-opened")

    def compose(self) -> ComposeResult:
        """The formats, the data set, the findings."""
        yield Label(formats_help(), id="formats")
        yield Label(layouts_help(), id="layouts")
        with Grid(id="dataset"):
            with Vertical(id="numbers"):
                yield Label(id="summary")
                class_bars = ClassBars(id="classes")
                class_bars.border_title = _("Boxes of each class") + "  F6"
                yield class_bars
            yield LabelledImages(id="image")
            yield FindingsPanel()

    def hide_formats(self) -> None:
        """Make room: a data set is being opened."""
        self.remove_class("-never-opened")
        self._formats.display = self._layouts.display = False

    def clear(self) -> None:
        """Hide the data set."""
        self._findings.clear()
        self.remove_class("-opened")
        self.add_class("-not-open")

    def show(self, inspection: DatasetInspection) -> None:
        """Show a data set."""
        self.hide_formats()
        self.remove_class("-not-open")
        self.add_class("-opened")
        counts = inspection.dataset.box_counts().items()
        bars = [Bar(name, count, colour) for (name, count), colour in zip(counts, inspection.colours, strict=True)]
        self._class_bars.show(bars)
        self._images.show_dataset(inspection.dataset)
        self.show_findings(inspection)

    def show_findings(self, inspection: DatasetInspection) -> None:
        """Show the findings of the labels, and of the images once they are checked."""
        self._summary.update(dataset_summary(inspection))
        self._findings.set_title(_("Findings"))
        findings = inspection.dataset.findings if inspection.findings is None else inspection.findings
        if inspection.findings is None and not findings:
            self._findings.clear()
        else:
            self._findings.show([*class_name_conflicts(inspection), *findings], inspection.dataset.root)

    def show_progress(self, done: int, total: int) -> None:
        """Show how many images are checked."""
        self._findings.set_title(_("Checking the images: {done} of {of}", done=done, of=total))

    def show_error(self, error: BadInput) -> None:
        """Show why the data set cannot be used."""
        self._findings.show_error(error)

    def scroll_findings(self, pages: int) -> None:
        """Scroll the findings by pages."""
        self._findings.scroll_pages(pages)

    def change_image(self, offset: int) -> None:
        """Show another image."""
        self._images.change_image(offset)
