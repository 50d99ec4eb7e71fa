"""The data set: its path, what is in it, and its problems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import getters
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input
from textual.worker import get_current_worker

from engine.dataset.class_mapping import ClassNames, target_names
from engine.dataset.formats.sniff import LABEL_SUFFIXES, find_datasets
from engine.messages import BadInput, printable
from engine.plan import DEFAULT_SPLIT_SEED, DataSource, open_source
from engine.planning.request import DatasetReader
from tui.dialogs.class_names import ClassNamesChoice, ClassNamesDialog
from tui.dialogs.folder_picker import FolderPicker
from tui.screens.base import WizardScreen
from tui.text import N_, _, ngettext
from tui.text.datasets import FORMAT_NAMES
from tui.widgets.dataset_panel import DatasetPanel
from tui.widgets.label import Label
from tui.widgets.path_input import PathInput, PathRow
from tui.wizard.data_source import SAMPLE, count_drawn_images, data_source, sample_path
from tui.wizard.dataset_inspection import DatasetInspection, check_images, inspect_dataset
from tui.wizard.dataset_summary import completion_hint, path_help
from tui.wizard.path_completion import PathStatus, inspect_path
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from tui.workers.wizard_protocol import Wizard

OPEN_DELAY = 0.5
"""Seconds after the last key until a path that looks like a data set is opened."""


def holds_labels(path: Path) -> bool:
    """Whether the file may be a data set."""
    return path.suffix.lower() in LABEL_SUFFIXES


class DataScreen(WizardScreen):
    """A data set is opened as soon as its path is complete; its images are checked while the user looks at it."""

    screen_name: ClassVar[str] = "data"
    heading: ClassVar[str] = N_("Choose the training images")
    reason: ClassVar[str] = N_("Labelled images in any common format. Your files are not changed.")

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "use_sample", N_("sample set")),
        Binding("f3", "choose_folder", N_("choose folder")),
        Binding("f4", "change_image(-1)", show=False),
        Binding("f5", "change_image(1)", show=False),
        Binding("f6", "rename_classes", show=False),
        Binding("f7", "next_format", show=False),
        Binding("ctrl+r", "reload", show=False),
    ]

    DEFAULT_CSS = """
    DataScreen #path-status { height: 1; color: $text-muted; }
    DataScreen #path-status.-wrong { color: $error; }
    DataScreen.-wide #image { width: 1fr; }
    """

    _path_input = getters.query_one("#path", PathInput)
    _path_status = getters.query_one("#path-status", Label)
    _panel = getters.query_one(DatasetPanel)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._path_query = LatestQuery[str, PathStatus](
            self, lambda text: inspect_path(text, holds_labels), self._show_path_status, self._fail
        )
        self._inspection_query = LatestQuery[DataSource, DatasetInspection | None](
            self, self._inspect, self._show_inspection, self._fail
        )
        self._check_query = LatestQuery[DatasetInspection, DatasetInspection | None](
            self, self._check_images, self._show_findings, self._fail
        )
        self._class_names_query = LatestQuery[DataSource, ClassNames](
            self,
            lambda source: _read_class_names(source, wizard.datasets),
            self._show_class_names,
            self.show_bad_input,
        )
        self._suggested_path = SAMPLE
        self._source: DataSource | None = None
        """The data set that is open, or being opened."""
        self._inspection: DatasetInspection | None = None
        self._error: BadInput | None = None
        """Why `_source` cannot be opened."""
        self._read_progress: tuple[int, int] | None = None
        self._check_progress: tuple[int, int] | None = None
        self._open_timer: Timer | None = None
        self._path_is_wrong = False

    def compose_body(self) -> Iterator[Widget]:
        """The path and the data set."""
        yield PathRow(_("Folder"), PathInput(self.state.data or "", holds_labels, help_text=path_help(), id="path"))
        yield Label(id="path-status")
        yield DatasetPanel()

    def on_mount(self) -> None:
        """Open the data set that was entered before; otherwise suggest one."""
        datasets = find_datasets(self.wizard.workspace.absolute())
        self._suggested_path = next((str(path) for path in datasets), SAMPLE)
        self._path_input.placeholder = printable(Path(self._suggested_path).name)
        self._path_input.focus()
        self._path_input.cursor_position = len(self._path_input.value)
        source, inspection = self.state.source, self.wizard.inspection
        if source is None:
            self._update_hint()
        elif inspection is not None and inspection.source == source:
            self._source = source
            self._show_inspection(inspection)
        else:
            self._open(source)
        self.set_interval(0.2, self._show_progress)

    # The path

    def on_input_changed(self, event: Input.Changed) -> None:
        """Inspect the path at every key."""
        self.show_error("")
        if self._open_timer is not None:
            self._open_timer.stop()
        self._path_query.submit(event.value)
        if self._source is not None and self._typed_source() != self._source:
            self._close()
        self._update_hint()

    def _typed_source(self) -> DataSource | None:
        """The data set in the field, with the format and class names that were chosen for it before."""
        if not self._path_input.value.strip():
            return None
        typed, saved = data_source(self._path_input.value, self.wizard.workspace), self.state.source
        return saved if saved is not None and saved.path == typed.path else typed

    def _show_path_status(self, status: PathStatus) -> None:
        is_sample = status.text.strip() == SAMPLE
        self._path_is_wrong = bool(status.problem) and not is_sample
        self._path_status.set_class(self._path_is_wrong and self._source is None, "-wrong")
        if self._source is None:
            self._path_status.update("" if is_sample else status.problem or completion_hint(status))
        self._update_hint()
        if status.looks_like_dataset and self._typed_source() != self._source:
            self._open_timer = self.set_timer(OPEN_DELAY, self._open_typed_source)

    def _set_path(self, path: str) -> None:
        self._path_input.set_path(path)
        self._path_input.focus()
        self._open_typed_source()

    # The data set

    def _open_typed_source(self) -> None:
        source = self._typed_source()
        if source is not None and source != self._source:
            self._open(source)

    def _open(self, source: DataSource) -> None:
        self._close()
        self.show_error("")
        self._source = source
        if self.state.data is not None and source.path != self.state.data:
            self.state.settings.pop("anchors", None)  # they were fitted to the boxes of the previous data set
        self.state.data, self.state.format = source.path, source.format
        self.state.classes_file, self.state.mapping = source.classes_file, dict(source.mapping)
        self._panel.hide_formats()
        self._show_format(source)
        self._inspection_query.submit(source)
        self._update_hint()

    def _close(self) -> None:
        self._inspection_query.cancel()
        self._check_query.cancel()
        self._source = self._inspection = self._error = self._read_progress = self._check_progress = None
        self._panel.clear()

    def _inspect(self, source: DataSource) -> DatasetInspection | None:
        """In a thread; cancelled when another data set is opened."""

        def set_progress(done: int, total: int) -> None:
            self._read_progress = done, total

        worker = get_current_worker()
        return inspect_dataset(
            source,
            self.wizard.workspace,
            self.wizard.datasets,
            set_progress,
            lambda: worker.is_cancelled or self._source != source,
        )

    def _show_inspection(self, inspection: DatasetInspection | None) -> None:
        if inspection is None:
            return
        self._inspection = self.wizard.inspection = inspection
        self.show_error("")
        self._show_format(inspection.source)
        self._panel.show(inspection)
        if inspection.findings is None:
            self._check_query.submit(inspection)
        self._update_hint()

    def _fail(self, error: BadInput) -> None:
        self._error = error
        self.show_error("")
        self._panel.show_error(error)
        self._update_hint()

    def _show_format(self, source: DataSource) -> None:
        """Show below the path which format was chosen with F7, if any."""
        self._path_status.remove_class("-wrong")
        name = FORMAT_NAMES.get(source.format)
        self._path_status.update("" if name is None else _("Read as {format}. F7: next format.", format=_(name)))

    # The check of all images

    def _check_images(self, inspection: DatasetInspection) -> DatasetInspection | None:
        """In a thread; cancelled when another data set is opened."""

        def set_progress(done: int, total: int) -> None:
            self._check_progress = done, total

        worker = get_current_worker()
        return check_images(inspection, set_progress, lambda: worker.is_cancelled or self._source != inspection.source)

    def _show_findings(self, inspection: DatasetInspection | None) -> None:
        if inspection is None or inspection.source != self._source:
            return
        self._check_progress = None
        self._inspection = self.wizard.inspection = inspection
        self._panel.show_findings(inspection)

    def _show_progress(self) -> None:
        if (self._is_drawing_sample or self._read_progress is not None) and self._error is None:
            self._update_hint()
        if self._check_progress is not None and self._inspection is not None and self._inspection.findings is None:
            self._panel.show_progress(*self._check_progress)

    @property
    def _is_drawing_sample(self) -> bool:
        path = None if self._source is None else Path(self._source.path)
        return path is not None and path == sample_path(self.wizard.workspace) and not path.exists()

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
        start = Path(self._path_input.value).expanduser()
        self.app.push_screen(
            FolderPicker(start, holds_labels), lambda path: None if path is None else self._set_path(str(path))
        )

    def action_rename_classes(self) -> None:
        """Read the class names, then show the form."""
        if self._source is not None:
            self._class_names_query.submit(replace(self._source, classes_file=self._classes_file(self._source)))

    def _classes_file(self, source: DataSource) -> str | None:
        """The chosen classes file; else the one beside the labels whose names differ from theirs."""
        beside = None if self._inspection is None else self._inspection.classes_file
        return source.classes_file or (None if beside is None else str(beside))

    def _show_class_names(self, names: ClassNames) -> None:
        if self._source is not None:
            dialog = ClassNamesDialog(names, self._classes_file(self._source), self._source.mapping)
            self.app.push_screen(dialog, self._use_class_names)

    def _use_class_names(self, choice: ClassNamesChoice | None) -> None:
        if choice is not None and self._source is not None:
            self._open(replace(self._source, classes_file=choice.classes_file, mapping=dict(choice.mapping)))

    def action_next_format(self) -> None:
        """Read the data set in the next format; after the last one, detect the format again."""
        if self._source is not None:
            formats = ("auto", *FORMAT_NAMES)
            index = (formats.index(self._source.format) + 1) % len(formats)
            self._open(replace(self._source, format=formats[index]))

    def action_reload(self) -> None:
        """Read the data set again."""
        if (source := self._typed_source()) is not None:
            self.wizard.datasets.reload()
            self._open(source)

    def action_forward(self) -> None:
        """Open the data set in the field, or the suggested one; if it is open, show the next screen."""
        typed = self._typed_source()
        if typed is None:
            self._set_path(self._suggested_path)
        elif typed != self._source:
            self._open_typed_source()
        else:
            super().action_forward()

    def validation_error(self) -> str | None:
        """A data set must be open."""
        if self._inspection is not None:
            return None
        if self._error is not None:
            return _("This data set cannot be used; the reason is shown above.")
        return _("Still reading. Press Enter again when it is done.")

    def _update_hint(self) -> None:
        self.show_hint(self._hint())

    def _hint(self) -> str:
        if self._inspection is not None:
            count = sum(self._inspection.dataset.image_counts().values())
            return ngettext("Enter continues with {count} image.", "Enter continues with {count} images.", count)
        if self._error is not None:
            return ""
        if self._source is not None:
            if self._is_drawing_sample:
                return ngettext(
                    "Drawing the sample set: {count} image ...",
                    "Drawing the sample set: {count} images ...",
                    count_drawn_images(self.wizard.workspace),
                )
            if self._read_progress is None:
                return _("Reading {path} ...", path=self._source.path)
            done, total = self._read_progress
            if not total:
                return ngettext(
                    "Reading {path}: {count} file ...",
                    "Reading {path}: {count} files ...",
                    done,
                    path=self._source.path,
                )
            return _("Reading {path}: {done} of {total} ...", path=self._source.path, done=done, total=total)
        if self._typed_source() is not None:
            return "" if self._path_is_wrong else _("Enter reads this data set.")
        if self._suggested_path == SAMPLE:
            return _("Enter uses the sample set, drawn in seconds, to try everything out.")
        return _("Enter uses {path}, which looks like a data set.", path=Path(self._suggested_path).name)


def _read_class_names(source: DataSource, datasets: DatasetReader) -> ClassNames:
    classes_file = None if source.classes_file is None else Path(source.classes_file)
    if classes_file is not None and not classes_file.is_file():
        classes_file = None
    unmapped = DataSource(source.path, source.format)
    # The dataset that is kept for the other screens is not replaced by one with other class names.
    dataset = datasets.open(source, DEFAULT_SPLIT_SEED) if source == unmapped else open_source(unmapped)
    return ClassNames(dataset.box_counts(), target_names(classes_file))
