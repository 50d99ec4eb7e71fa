"""What the training starts from: a whole network, a backbone, or random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import getters
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, OptionList

from engine.messages import BadInput
from engine.network.registry import NETWORKS
from engine.recipe import Recipe
from engine.weights.download.registry import official_file
from tui.dialogs.confirm_scratch import ConfirmScratchDialog
from tui.dialogs.folder_picker import FolderPicker
from tui.screens.base import WizardScreen
from tui.text import N_, _
from tui.text.sizes import format_size
from tui.widgets.download_bar import DownloadBar
from tui.widgets.label import Label
from tui.widgets.path_input import PathInput, PathRow
from tui.widgets.radio_list import RadioList
from tui.widgets.weights_check_panel import WeightsCheckPanel
from tui.wizard.path_completion import PathStatus
from tui.wizard.state import Start
from tui.wizard.weights_catalog import (
    CheckRequest,
    WeightsOption,
    holds_weights,
    inspect_weights_path,
    model_folder,
    named_file,
    weights_options,
)
from tui.wizard.weights_summary import START_TEXTS, describe_networks, describe_option, files_help, start_help
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from tui.workers.wizard_protocol import Wizard

STARTS: tuple[Start, ...] = ("whole", "backbone", "scratch")


class WeightsScreen(WizardScreen):
    """The chosen file is checked at once; the official file is downloaded when it is needed."""

    screen_name: ClassVar[str] = "weights"
    heading: ClassVar[str] = N_("Choose the starting weights")
    reason: ClassVar[str] = N_("A pretrained network needs far fewer images of yours.")

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "next_network", N_("other network")),
        Binding("f3", "choose_file", N_("choose file")),
    ]

    DEFAULT_CSS = """
    WeightsScreen #network { height: auto; }
    WeightsScreen #start { height: 6; }
    WeightsScreen #files { height: auto; max-height: 4; border-top: solid $primary-muted !important; border-title-color: $foreground; }
    WeightsScreen #about { display: none; height: auto; color: $text-muted; border-top: solid $primary-muted; border-title-color: $foreground; }
    WeightsScreen.-high #files { max-height: 9; }
    WeightsScreen.-high #about { display: block; }
    """

    _network_label = getters.query_one("#network", Label)
    _start_list = getters.query_one("#start", RadioList)
    _file_list = getters.query_one("#files", RadioList)
    _file_row = getters.query_one("#file-row", PathRow)
    _file_input = getters.query_one("#file", PathInput)
    _download = getters.query_one(DownloadBar)
    _report = getters.query_one("#report", WeightsCheckPanel)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._options_query = LatestQuery[str, tuple[WeightsOption, ...]](
            self, lambda network: weights_options(network, wizard.workspace), self._show_options, self.show_bad_input
        )
        self._path_query = LatestQuery[str, PathStatus](
            self, lambda text: inspect_weights_path(text, wizard.workspace), self._show_path_status, self.show_bad_input
        )
        self._options: tuple[WeightsOption, ...] = ()
        self._start: Start = "whole"
        self._path_problem = ""
        """What is wrong with the path in the field."""

    def compose_body(self) -> Iterator[Widget]:
        """The network, the three starts, and the files for the first start."""
        yield Label(id="network")
        yield RadioList(help_text=start_help(), meaning_below=True, id="start")
        yield RadioList(help_text=files_help(), meaning_below=False, id="files")
        path = self.state.model_path or ""
        if (file := named_file(path, self.wizard.workspace)) is not None:
            path = self.state.model_path = str(file)  # a preset may name a file in model_data/
        file_input = PathInput(path, holds_weights, help_text=files_help(), id="file")
        yield PathRow(_("Another file"), file_input, id="file-row")
        yield DownloadBar()
        yield WeightsCheckPanel(self.wizard.datasets, id="report")
        yield Label(start_help(), id="about")

    def on_mount(self) -> None:
        """Select what was chosen before; otherwise the whole network."""
        self._start = self.state.start or "whole"
        self._file_list.border_title = _("Start from")
        self._report.border_title = _("Weights that will be loaded")
        self.query_one("#about", Label).border_title = _("The three starts")
        self._start_list.show([(_(name), _(meaning)) for name, meaning in START_TEXTS], STARTS.index(self._start))
        self._start_list.focus()
        self._show_network()

    # The network

    @property
    def _network(self) -> str:
        name = self.state.settings.get("network")
        return name if name in NETWORKS else str(Recipe.model_fields["network"].default)

    def action_next_network(self) -> None:
        """Choose the next network of the table."""
        if self._download.file is not None:
            return
        names = list(NETWORKS)
        name = names[(names.index(self._network) + 1) % len(names)]
        self.state.settings.pop("anchors", None)  # another network takes another number of them
        if name == Recipe.model_fields["network"].default:
            self.state.settings.pop("network", None)
        else:
            self.state.settings["network"] = name
        self._show_network()

    def _show_network(self) -> None:
        self._network_label.update(describe_networks(self._network))
        self._options = ()
        self._options_query.submit(self._network)
        self._show_start()

    # The file

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Choose what is highlighted."""
        event.stop()
        self.show_error("")
        if event.option_list is self._start_list:
            self._start_list.select_highlighted()
            self._start = STARTS[event.option_index]
            if self._start != "scratch":  # "scratch" is stored only after it was confirmed
                self.state.start = self._start
        else:
            self._file_list.select_highlighted()
            if event.option_index < len(self._options):
                option = self._options[event.option_index]
                is_official = option.kind == "official"
                self.state.model_path = None if is_official or option.path is None else str(option.path)
                with self.prevent(Input.Changed):
                    self._file_input.value = ""
        self._show_start()

    def _show_options(self, options: tuple[WeightsOption, ...]) -> None:
        self._options = options
        self._show_file_mark()
        if self._marked_option is not None:
            with self.prevent(Input.Changed):
                self._file_input.value = ""
        else:
            self._path_query.submit(self._file_input.value)
        self._show_start()

    @property
    def _marked_option(self) -> int | None:
        """The index of the listed file that is chosen; None: another file is."""
        paths = [None if option.kind == "official" else str(option.path) for option in self._options]
        return paths.index(self.state.model_path) if self.state.model_path in paths else None

    def _show_file_mark(self) -> None:
        """Mark the chosen file in the list; a file that is only in the field below it is not there."""
        self._file_list.show([describe_option(option) for option in self._options], self._marked_option)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Inspect the path at every key."""
        self.show_error("")
        path = named_file(event.value, self.wizard.workspace)
        self.state.model_path = None if path is None else str(path)
        self._path_query.submit(event.value)
        self._show_file_mark()
        self._show_start()

    def _show_path_status(self, status: PathStatus) -> None:
        is_incomplete = bool(status.text.strip()) and not status.exists
        self._path_problem = (status.problem or _("The path is incomplete; Tab completes it.")) if is_incomplete else ""
        self._show_start()

    def action_choose_file(self) -> None:
        """Choose a file from a tree."""
        folder = model_folder(self.wizard.workspace)
        self.app.push_screen(FolderPicker(folder, holds_weights, folders=False), self._use_file)

    def _use_file(self, path: Path | None) -> None:
        if path is not None:
            self._file_input.set_path(str(path))
            self._file_input.focus()

    def _show_start(self) -> None:
        """Show the widgets for the chosen start, and check the file."""
        self._file_list.display = self._file_row.display = self._start == "whole"
        path = self._file
        if path is None or not path.is_file():
            self._report.show_message(self._no_report_message())
        else:
            part: Literal["whole", "backbone"] = "backbone" if self._start == "backbone" else "whole"
            source, workspace = self.state.source, self.wizard.workspace
            self._report.check(CheckRequest(path, self._network, part, source, workspace))
        self._update_hint()

    @property
    def _official_option(self) -> WeightsOption | None:
        return next((option for option in self._options if option.kind == "official"), None)

    @property
    def _file(self) -> Path | None:
        """The file to start from; None: none, or it is not downloaded yet."""
        if self._start == "scratch":
            return None
        if self._start == "whole" and self.state.model_path is not None:
            return None if self._path_problem else Path(self.state.model_path)
        return None if self._official_option is None else self._official_option.path

    @property
    def _uses_official_file(self) -> bool:
        return self._start == "backbone" or (self._start == "whole" and self.state.model_path is None)

    @property
    def _must_download(self) -> bool:
        option = self._official_option
        return self._uses_official_file and option is not None and option.path is None

    @property
    def _lacks_official_file(self) -> bool:
        """Whether the official file is chosen, but the network has none."""
        return self._uses_official_file and official_file(self._network) is None

    def on_weights_check_panel_failed(self, event: WeightsCheckPanel.Failed) -> None:
        """Remove the hint: Enter cannot use this file."""
        event.stop()
        self._update_hint()

    def _no_report_message(self) -> str:
        if self._start == "scratch":
            return _("None. Not advised: without pretrained weights the network detects badly. Enter asks twice.")
        if self._start == "whole" and self._path_problem:
            return self._path_problem
        if self._must_download:
            return _("The file is checked after the download.")
        return ""

    # Download

    def on_download_bar_finished(self, event: DownloadBar.Finished) -> None:
        """Show the next screen, or why there is no file."""
        event.stop()
        result = event.result
        if isinstance(result, BadInput):
            self._update_hint()
            self._report.show_error(result)
            self.show_error(_("The download failed. You can choose another file instead (F3)."))
        elif result is None:
            self._update_hint()
            self.show_error(_("The download was stopped. The next one continues where it stopped."))
        else:
            self._show_next_screen()

    # Keys

    def action_back(self) -> None:
        """Stop the download if there is one; otherwise show the previous screen."""
        if self._download.file is not None:
            self._download.stop()
        else:
            super().action_back()

    def action_forward(self) -> None:
        """Confirm a start from scratch, download the official file if needed, then show the next screen."""
        self.show_error("")
        if self._download.file is not None:
            self.show_error(_("Still downloading. The next screen appears when the download is complete."))
        elif self._start == "scratch" and self.state.start != "scratch":
            inspection = self.wizard.inspection
            is_current = inspection is not None and inspection.source == self.state.source
            image_count = len(inspection.dataset.images) if inspection is not None and is_current else None
            self.app.push_screen(ConfirmScratchDialog(image_count), self._confirm_scratch)
        elif self._must_download and (official := official_file(self._network)) is not None:
            self._download.start(official, model_folder(self.wizard.workspace))
            self._update_hint()
        else:
            self._show_next_screen()

    def _show_next_screen(self) -> None:
        super().action_forward()

    def _confirm_scratch(self, confirmed: bool | None) -> None:
        if confirmed:
            self.state.start = "scratch"
            self._show_next_screen()
        else:
            self._start_list.highlighted = STARTS.index("whole")

    def accept(self) -> None:
        """Store the chosen start."""
        self.state.start = self._start

    def help_text(self) -> str:
        """The three starts, and the keys of the screen."""
        return start_help()

    def validation_error(self) -> str | None:
        """The file must exist and match the network."""
        if self._start == "scratch":
            return None
        if self._report.error is not None:
            return _("This file cannot be used; the reason is shown above.")
        if self._start == "whole" and self.state.model_path is not None:
            if not Path(self.state.model_path).is_file():
                return _("There is no file {path}.", path=self.state.model_path)
        elif self._lacks_official_file:
            return _("There are no official weights of {network}: choose a file (F3).", network=self._network)
        elif not self._options:
            return _("Still reading. Press Enter again when it is done.")
        return None

    def _update_hint(self) -> None:
        self.show_hint(self._hint())

    def _hint(self) -> str:
        if downloading := self._download.hint():
            return downloading
        if self._start == "scratch":
            return _("Enter starts from scratch, after asking twice.")
        has_wrong_path = self._start == "whole" and self._path_problem and self.state.model_path
        if self._report.error is not None or has_wrong_path or self._lacks_official_file:
            return ""
        if self._must_download and (official := official_file(self._network)) is not None:
            size = format_size(official.bytes)
            return _("Enter downloads {name} ({size}) and continues.", name=official.name, size=size)
        if self._file is None:
            return _("Reading ...")
        if self._start == "backbone":
            return _("Enter starts from the backbone in {file}.", file=self._file.name)
        return _("Enter starts from the whole network in {file}.", file=self._file.name)
