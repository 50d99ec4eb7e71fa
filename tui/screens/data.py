"""The data set: its path, what is in it, and its problems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import getters
from textual.binding import Binding, BindingType
from textual.widget import Widget

from engine.messages import BadInput
from engine.plan import DataSource
from engine.recipe import MIN_BATCH_SIZE
from tui.dialogs.class_renaming import ClassRenaming
from tui.dialogs.folder_picker import FolderPicker
from tui.dialogs.format_choice import AUTO, FormatDialog
from tui.screens.base import WizardScreen
from tui.text import N_, _
from tui.text.datasets import FORMAT_NAMES
from tui.widgets.dataset_panel import DatasetPanel
from tui.widgets.dataset_path import DatasetPath, holds_labels
from tui.wizard.data_hints import continue_hint, path_help, reading_hint, suggestion_hint
from tui.wizard.data_source import SAMPLE, data_source, sample_path
from tui.wizard.dataset_inspection import DatasetInspection
from tui.workers.dataset_opening import DatasetOpening

if TYPE_CHECKING:
    from tui.workers.wizard_protocol import Wizard


class DataScreen(WizardScreen):
    """A data set is opened as soon as its path is complete; its images are checked while the user looks at it."""

    screen_name: ClassVar[str] = "data"
    heading: ClassVar[str] = N_("Choose the training images")
    reason: ClassVar[str] = N_("Labelled images in any common format. Your files are not changed.")

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "use_sample", N_("sample")),
        Binding("f3", "choose_folder", N_("folder")),
        Binding("f4", "change_image(-1)", show=False),
        Binding("f5", "change_image(1)", show=False),
        Binding("f6", "rename_classes", N_("classes")),
        Binding("f7", "choose_format", N_("format")),
        Binding("pageup", "scroll_findings(-1)", show=False),
        Binding("pagedown", "scroll_findings(1)", show=False),
        Binding("ctrl+r", "reload", show=False),
    ]

    DEFAULT_CSS = """
    DataScreen.-high FindingsPanel { max-height: 12; }
    DataScreen.-wide #dataset { grid-columns: 1fr 1fr; }
    DataScreen.-wide #image { width: 1fr; }
    DataScreen.-wide.-high #layouts { display: block; }
    DataScreen.-wide.-high DatasetPanel.-opened #dataset { grid-rows: auto 1fr; }
    DataScreen.-wide.-high #numbers { height: auto; }
    DataScreen.-wide.-high #classes { height: auto; max-height: 14; }
    DataScreen.-wide.-high #image { row-span: 2; }
    DataScreen.-wide.-high .-opened FindingsPanel { column-span: 1; height: 1fr; max-height: 100%; margin-right: 1; }
    """

    _path = getters.query_one(DatasetPath)
    _panel = getters.query_one(DatasetPanel)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._opening = DatasetOpening(
            self,
            wizard.workspace,
            wizard.datasets,
            on_opened=self._show_inspection,
            on_checked=self._show_findings,
            on_error=self._show_failure,
        )
        self._class_renaming = ClassRenaming(
            self, wizard.datasets, self._open, self.show_bad_input, is_wanted=lambda: self.is_in_front
        )

    def compose_body(self) -> Iterator[Widget]:
        """The path and the data set."""
        yield DatasetPath(self.state.data or "", self.wizard.workspace)
        yield DatasetPanel()

    def on_mount(self) -> None:
        """Open the data set that was entered before."""
        source, inspection = self.state.source, self.wizard.inspection
        if source is None:
            self._update_hint()
        elif inspection is not None and inspection.source == source:
            self._opening.show(inspection)
        else:
            self._open(source)
        self.set_interval(0.2, self._show_progress)

    # The path

    def on_dataset_path_changed(self, event: DatasetPath.Changed) -> None:
        """Close the data set if the path is another one now."""
        event.stop()
        self.show_error("")
        if self._opening.source is not None and self._typed_source() != self._opening.source:
            self._close()
        self._update_hint()

    def on_dataset_path_inspected(self, event: DatasetPath.Inspected) -> None:
        """Say what Enter does."""
        event.stop()
        self._update_hint()

    def on_dataset_path_recognised(self, event: DatasetPath.Recognised) -> None:
        """Open the data set without Enter."""
        event.stop()
        self._open_typed_source()

    def on_dataset_path_failed(self, event: DatasetPath.Failed) -> None:
        """Show why the path cannot be inspected."""
        event.stop()
        self._show_failure(event.error)

    def _typed_source(self) -> DataSource | None:
        """The data set in the field, with the format and class names that were chosen for it before."""
        if not self._path.value.strip():
            return None
        typed, saved = data_source(self._path.value, self.wizard.workspace), self.state.source
        return saved if saved is not None and saved.path == typed.path else typed

    def _set_path(self, path: str) -> None:
        self._path.set_path(path)
        self._open_typed_source()

    # The data set

    def _open_typed_source(self) -> None:
        source = self._typed_source()
        if source is not None and source != self._opening.source:
            self._open(source)

    def _open(self, source: DataSource) -> None:
        self._close()
        self.show_error("")
        if self.state.data is not None and source.path != self.state.data:
            self.state.leave_data()
        self.state.data, self.state.format = source.path, source.format
        self.state.classes_file, self.state.mapping = source.classes_file, dict(source.mapping)
        self._panel.hide_formats()
        self._show_format(source)
        self._opening.open(source)
        self._update_hint()
        self.refresh_bindings()

    def _close(self) -> None:
        self._opening.close()
        self._path.set_open(False)
        self._panel.clear()
        self.refresh_bindings()

    def _show_inspection(self, inspection: DatasetInspection) -> None:
        self.wizard.inspection = inspection
        self.state.train_images = len(inspection.dataset.splits["train"])
        self.show_error("")
        self._show_format(inspection.source)
        self._panel.show(inspection)
        self._update_hint()
        self.refresh_bindings()

    def _show_findings(self, inspection: DatasetInspection) -> None:
        self.wizard.inspection = inspection
        self._panel.show_findings(inspection)
        self._update_hint()

    def _show_failure(self, error: BadInput) -> None:
        self.show_error("")
        self._panel.show_error(error)
        self._update_hint()
        self.refresh_bindings()

    def _show_format(self, source: DataSource) -> None:
        """Show below the path which format was chosen with F7, if any."""
        name = FORMAT_NAMES.get(source.format)
        text = _("Read as {format}, chosen with F7. F7 also goes back to the recognised format.", format=_(name or ""))
        self._path.set_open(True, "" if name is None else text)

    def _show_progress(self) -> None:
        opening = self._opening
        if opening.is_reading:
            self._update_hint()
        elif (
            opening.check_progress is not None
            and opening.inspection is not None
            and opening.inspection.findings is None
        ):
            self._panel.show_progress(*opening.check_progress)

    # Keys

    def action_change_image(self, offset: int) -> None:
        """Show another image."""
        self._panel.change_image(offset)

    def action_use_sample(self) -> None:
        """Open the sample set, with nothing chosen for it before; it is drawn first if it does not exist."""
        self.state.format, self.state.classes_file, self.state.mapping = "auto", None, {}
        self._set_path(SAMPLE)

    def action_choose_folder(self) -> None:
        """Choose a folder or a file from a tree."""
        typed = self._path.value
        start = sample_path(self.wizard.workspace) if typed == SAMPLE else Path(typed).expanduser()
        self.app.push_screen(
            FolderPicker(start, holds_labels), lambda path: None if path is None else self._set_path(str(path))
        )

    def action_rename_classes(self) -> None:
        """Show the form for class names; where the user chose no classes file, with the one beside the labels."""
        if (source := self._opening.source) is not None:
            inspection = self._opening.inspection
            self._class_renaming.start(source, None if inspection is None else inspection.classes_file)

    def action_choose_format(self) -> None:
        """Choose the format in which the data set is read, or that it is recognised."""
        source, inspection = self._opening.source, self._opening.inspection
        if source is not None:
            is_recognised = inspection is not None and source.format == AUTO
            recognised = inspection.dataset.format if inspection is not None and is_recognised else None
            self.app.push_screen(FormatDialog(source.format, recognised), self._use_format)

    def _use_format(self, format: str | None) -> None:
        source = self._opening.source
        if format is not None and source is not None and format != source.format:
            self._open(replace(source, format=format))

    def action_scroll_findings(self, pages: int) -> None:
        """Scroll the findings, whatever has the focus."""
        self._panel.scroll_findings(pages)

    def action_reload(self) -> None:
        """Read the data set again."""
        if (source := self._typed_source()) is not None:
            self.wizard.datasets.reload()
            self._open(source)

    def action_forward(self) -> None:
        """Open the data set in the field, or the suggested one; if it is open, show the next screen."""
        typed = self._typed_source()
        if typed is None:
            self._set_path(self._path.suggested)
        elif typed != self._opening.source:
            self._open_typed_source()
        else:
            super().action_forward()

    def action_back(self) -> None:
        """Stop reading if labels are being read; otherwise show the previous screen."""
        if self._opening.is_reading:
            self._close()
            self._path.set_open(False, _("The reading was stopped."))
            self._path.leave_closed()
            self._update_hint()
        else:
            super().action_back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show the keys for class names and formats only where there is a data set."""
        if action in ("rename_classes", "choose_format") and self._opening.source is None:
            return False
        return super().check_action(action, parameters)

    def help_text(self) -> str:
        """The keys of the screen."""
        return path_help()

    def validation_error(self) -> str | None:
        """A data set must be open, and enough of its training images readable."""
        inspection = self._opening.inspection
        if self._opening.error is not None:
            return _("This data set cannot be used; the reason is shown above.")
        if inspection is None:
            return _("Still reading. Press Enter again when it is done.")
        if inspection.readable is not None and inspection.readable["train"] < MIN_BATCH_SIZE:
            return _("This data set cannot be used: too few of its training images can be read.")
        return None

    def _update_hint(self) -> None:
        self.show_hint(self._hint())

    def _hint(self) -> str:
        opening = self._opening
        if opening.inspection is not None:
            return continue_hint(opening.inspection)
        if opening.error is not None:
            return ""
        if opening.source is not None:
            return reading_hint(Path(opening.source.path), opening.read_progress, self.wizard.workspace)
        if self._typed_source() is not None:
            return "" if self._path.is_wrong else _("Enter reads this data set.")
        return suggestion_hint(self._path.suggested)
