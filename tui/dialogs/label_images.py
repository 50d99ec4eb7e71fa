"""Labels for new images with the weights of a run: proposals, the images to label next, and a training on the enlarged data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from engine.messages import BadInput, printable
from tui.dialogs.base import Dialog
from tui.dialogs.folder_picker import FolderPicker
from tui.text import N_, _, translate
from tui.widgets.key_footer import KeyFooter
from tui.widgets.label import Label
from tui.widgets.meter import Meter
from tui.widgets.path_input import PathInput, PathRow
from tui.widgets.table import Table
from tui.wizard.labelling import (
    FORMATS,
    LABEL_NEXT,
    FolderContent,
    LabelFormat,
    LabelRequest,
    PickedImages,
    Proposals,
    enlarge_dataset,
    pick_images,
    propose_labels,
    read_folder,
)
from tui.wizard.labelling_text import (
    describe_content,
    describe_format,
    describe_picked,
    describe_problems,
    describe_proposals,
    describe_thresholds,
)
from tui.workers.labelling import Labelling

if TYPE_CHECKING:
    from engine.evaluation.labelling.enlarged_dataset import EnlargedDataset
    from tui.wizard.stored_run import StoredRun
    from tui.workers.wizard_protocol import Wizard


class LabelImagesDialog(Dialog["EnlargedDataset | None"]):
    """Returns the enlarged data set that is to be trained on; None if the dialog was closed."""

    help_sentence: ClassVar[str] = N_(
        "The best weights of the run label images for you. F5 writes a label file for each image that has none; existing files are never "
        "changed, and the new ones are marked as proposed: check them in a label tool. F6 lists the images that the network is least sure of: "
        "labels for these help most. F8 adds the labelled images of the folder to the training images of this run, and opens "
        "the wizard on them with these weights; the validation images stay the same, so that scores can be compared. F2 changes the format of "
        "the label files, where the folder has no labels yet. F4 changes from which confidence a box is proposed: with that of each class, classes "
        "that the network is less sure of are proposed too."
    )

    DEFAULT_CSS = """
    LabelImagesDialog { align: center middle; }
    LabelImagesDialog > Vertical { width: 96%; height: 94%; border: round $primary; padding: 0 1; background: $surface; }
    LabelImagesDialog Label { height: auto; }
    LabelImagesDialog .setting { color: $text-muted; }
    LabelImagesDialog #status { margin-top: 1; }
    LabelImagesDialog #problem { color: $error; }
    LabelImagesDialog Meter { height: 1; margin-top: 1; display: none; }
    LabelImagesDialog Table { height: 1fr; margin-top: 1; background: $surface; display: none; }
    LabelImagesDialog #space { height: 1fr; }
    LabelImagesDialog.-listed Table { display: block; }
    LabelImagesDialog.-listed #space { display: none; }
    LabelImagesDialog.-working Meter { display: block; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5", "propose", N_("propose labels")),
        Binding("f6", "pick", N_("what to label next")),
        Binding("f8", "enlarge", N_("train on all")),
        Binding("f2", "next_format", N_("format")),
        Binding("f3", "choose_folder", N_("folder")),
        Binding("f4", "next_thresholds", N_("threshold")),
        Binding("escape", "stop_or_close", N_("close")),
    ]

    _path_input = getters.query_one(PathInput)
    _format_label = getters.query_one("#format", Label)
    _threshold_label = getters.query_one("#thresholds", Label)
    _status = getters.query_one("#status", Label)
    _problem = getters.query_one("#problem", Label)
    _meter = getters.query_one(Meter)
    _table = getters.query_one(Table)

    def __init__(
        self, wizard: Wizard, run: StoredRun, threshold: float | None, class_thresholds: Mapping[str, float]
    ) -> None:
        """For the best weights of `run`.

        Args:
            wizard: has the workspace.
            run: the run.
            threshold: the confidence of the weights' best F1; None: it is not measured yet.
            class_thresholds: that of each class.
        """
        super().__init__()
        self._run = run
        self._threshold = threshold
        self._class_thresholds = class_thresholds
        self._uses_class_thresholds = bool(class_thresholds)
        self._format: LabelFormat = "voc"
        self._content: FolderContent | None = None
        """Of the folder that was read last."""
        self._reading = Labelling[FolderContent](self, read_folder, self._show_content, self._show_error)
        self._proposing = Labelling[Proposals](self, propose_labels, self._show_proposals, self._show_error)
        self._picking = Labelling[PickedImages](self, pick_images, self._show_picked, self._show_error)
        self._enlarging = Labelling["EnlargedDataset"](
            self,
            lambda request, progress: enlarge_dataset(request, wizard.workspace, wizard.datasets, progress),
            self._show_enlarged,
            self._show_error,
        )

    def compose(self) -> ComposeResult:
        """The folder, the settings, what is known and done, and the keys."""
        with Vertical() as box:
            box.border_title = Content(_("Label new images with {run}", run=self._run.summary.name))
            path_input = PathInput(
                "",
                lambda path: False,
                help_text=_(self.help_sentence),
                placeholder=_("a folder of images"),
                id="folder",
            )
            yield PathRow(_("Folder"), path_input)
            yield Label(id="format", classes="setting")
            yield Label(id="thresholds", classes="setting")
            yield Label(id="status")
            yield Meter("", alarm_above=1.0)
            yield Label(id="problem")
            yield Table()
            yield Vertical(id="space")
            yield KeyFooter(show_command_palette=False)

    def on_mount(self) -> None:
        """Focus the field."""
        self._table.add_columns(_("doubt"), _("boxes"), _("image"))
        self._table.can_focus = False
        self._path_input.focus()
        self._status.update(_("Choose a folder with images that have no labels yet, and press Enter."))
        self._show_settings()
        self.set_interval(0.2, self._show_progress)

    def on_unmount(self) -> None:
        """Stop what is being done."""
        for work in self._all_work:
            work.stop()

    # What is done

    @property
    def _all_work(self) -> tuple[Labelling[Any], ...]:
        return self._reading, self._proposing, self._picking, self._enlarging

    @property
    def _is_working(self) -> bool:
        return any(work.is_working for work in self._all_work)

    @property
    def _thresholds(self) -> Mapping[str, float]:
        """Of single classes; empty: one for all."""
        return self._class_thresholds if self._uses_class_thresholds else {}

    def _request(self, folder: Path) -> LabelRequest:
        return LabelRequest(self._run, folder, self._format, self._threshold, self._thresholds)

    def _begin(self, status: str) -> None:
        self.remove_class("-listed")
        self._table.can_focus = False
        self._problem.update("")
        self._status.update(status)
        self.refresh_bindings()

    def _show_progress(self) -> None:
        work = next((work for work in self._all_work if work.is_working), None)
        self.set_class(work is not None, "-working")
        if work is not None:
            done, total = work.progress
            self._meter.show(done / total if total else None, f"{done} / {total}" if total else str(done or ""))

    def _end(self, *lines: str) -> None:
        self._show_progress()
        self._status.update("\n".join(filter(None, lines)))
        self.refresh_bindings()

    def _show_error(self, error: BadInput) -> None:
        self._end()
        self._problem.update("\n".join(map(translate, error.messages)))

    # The folder

    def on_input_changed(self, event: Input.Changed) -> None:
        """Forget the folder that was read."""
        event.stop()
        if self._content is not None:
            self._content = None
            self._reading.stop()
            self._begin(_("Press Enter to read this folder."))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Read the folder."""
        event.stop()
        self.action_read()

    def action_read(self) -> None:
        """Count the images in the folder."""
        text = self._path_input.value.strip().strip("'\"")
        if text and not self._is_working:
            self._begin(_("Reading ..."))
            self._reading.start(self._request(Path(text).expanduser()))

    def _show_content(self, content: FolderContent | None) -> None:
        if content is None:
            self._end(_("Stopped."))
            return
        self._content = content
        if content.own_format is not None:
            self._format = next((known for known in FORMATS if known == content.own_format), self._format)
        self._show_settings()
        self._end(*describe_content(content))

    # Settings

    def _show_settings(self) -> None:
        is_fixed = self._content is not None and self._content.own_format is not None
        self._format_label.update(describe_format(self._format, is_fixed=is_fixed))
        self._threshold_label.update(describe_thresholds(self._threshold, self._thresholds))

    def action_next_format(self) -> None:
        """Write the other format."""
        if not self._is_working:
            self._format = FORMATS[(FORMATS.index(self._format) + 1) % len(FORMATS)]
            self._show_settings()
            if self._content is not None:
                self.action_read()

    def action_next_thresholds(self) -> None:
        """Use the thresholds of single classes, or that of all."""
        if not self._is_working:
            self._uses_class_thresholds = not self._uses_class_thresholds
            self._show_settings()

    def action_choose_folder(self) -> None:
        """Choose a folder from a tree."""
        start = Path(self._path_input.value or self._run.data).expanduser()
        self.app.push_screen(FolderPicker(start, lambda path: False), self._use_folder)

    def _use_folder(self, path: Path | None) -> None:
        if path is not None:
            self._path_input.set_path(str(path))
            self.action_read()

    # Proposals

    def action_propose(self) -> None:
        """Write label files."""
        if self._content is not None:
            self._begin(_("Labelling. Esc stops; what is written stays."))
            self._proposing.start(self._request(self._content.folder))

    def _show_proposals(self, done: Proposals | None) -> None:
        if done is None:
            self._end(_("Stopped."))
            return
        self._end(*describe_proposals(done))
        self._problem.update("\n".join(describe_problems(done)))

    # What to label next

    def action_pick(self) -> None:
        """List the images of which the network is least sure."""
        if self._content is not None:
            self._begin(_("Looking at the images. Esc stops."))
            self._picking.start(self._request(self._content.folder))

    def _show_picked(self, picked: PickedImages | None) -> None:
        if picked is None:
            self._end(_("Stopped."))
            return
        self._end(*describe_picked(picked, self._run.folder / LABEL_NEXT))
        if not picked.images:
            return
        folder = self._content.folder if self._content is not None else Path()
        self._table.fill(
            (f"{image.doubt:.2f}", str(image.boxes), printable(_below(image.path, folder))) for image in picked.images
        )
        self.add_class("-listed")
        self._table.can_focus = True
        self._table.focus()

    # The enlarged data set

    def action_enlarge(self) -> None:
        """Write the enlarged data set, and train on it."""
        if self._content is not None:
            self._begin(_("Reading the images of the run and of the folder. Esc stops."))
            self._enlarging.start(self._request(self._content.folder))

    def _show_enlarged(self, enlarged: EnlargedDataset | None) -> None:
        if enlarged is None:
            self._end(_("Stopped."))
        else:
            self.dismiss(enlarged)

    # Keys

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The keys in the user's language."""
        return {
            key: active._replace(
                binding=replace(
                    active.binding,
                    description=_(self._description(active.binding)),
                    show=active.binding.show and not (active.binding.action == "submit" and self._is_working),
                )
            )
            for key, active in super().active_bindings.items()
        }

    def _description(self, binding: Binding) -> str:
        if binding.action == "submit":
            return N_("read")
        return N_("stop") if binding.action == "stop_or_close" and self._is_working else binding.description

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only keys that do something are shown."""
        content = self._content
        match action:
            case "propose":
                return content is not None and content.unlabelled > 0 and not self._is_working
            case "pick" | "enlarge":
                return content is not None and not self._is_working
            case "next_format":
                return not self._is_working and (content is None or content.own_format is None)
            case "next_thresholds":
                return not self._is_working and bool(self._class_thresholds)
            case "choose_folder":
                return not self._is_working
        return super().check_action(action, parameters)

    def action_stop_or_close(self) -> None:
        """Stop what is being done; otherwise close the dialog."""
        if self._is_working:
            for work in self._all_work:
                work.stop()
        else:
            self.dismiss(None)


def _below(path: Path, folder: Path) -> str:
    """A path as seen from a folder."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
