"""What the network starts from: a whole network, a backbone, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, cast

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, OptionList

from engine.messages import BadInput
from engine.recipe import Recipe
from engine.weights.download.registry import KNOWN
from engine.workspace import weights_named
from tui.dialogs.confirm_scratch import ConfirmScratchDialog
from tui.dialogs.folder_picker import FolderPicker
from tui.screens.base import WizardScreen
from tui.text import N_, _
from tui.text.sizes import megabytes
from tui.widgets.label import Label
from tui.widgets.meter import Meter
from tui.widgets.path_input import PathInput, PathRow
from tui.widgets.radio_list import RadioList
from tui.widgets.weights_check_panel import WeightsCheckPanel
from tui.wizard.path_completion import TypedPath, inspect_path
from tui.wizard.state import Start
from tui.wizard.weights_catalog import (
    CheckRequest,
    WeightsOption,
    holds_weights,
    model_folder,
    official_file,
    weights_options,
)
from tui.wizard.weights_summary import NETWORKS, files_help, offered, start_help
from tui.wizard.weights_summary import STARTS as STARTS_SAID
from tui.workers.download import Download
from tui.workers.latest_query import LatestQuery

STARTS: tuple[Start, ...] = ("whole", "backbone", "scratch")


class WeightsScreen(WizardScreen):
    """What the network starts from: a whole network, a backbone, or nothing."""

    place: ClassVar[str] = "weights"
    heading: ClassVar[str] = N_("Where shall it start from?")
    reason: ClassVar[str] = N_("A network that has already seen many pictures needs few of yours.")

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "other_network", N_("other network")),
        Binding("f3", "browse", N_("choose file")),
    ]

    DEFAULT_CSS = """
    WeightsScreen #network { height: auto; }
    WeightsScreen #start { height: 6; }
    WeightsScreen #files { height: auto; max-height: 4; border-top: solid $primary-muted !important; border-title-color: $foreground; }
    WeightsScreen.-high #files { max-height: 9; }
    WeightsScreen #meter { display: none; }
    WeightsScreen.-fetching #meter { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._workspace = Path()
        self._looking = LatestQuery[str, tuple[WeightsOption, ...]](
            self, lambda network: weights_options(network, self._workspace), self._found, self.show_refusal
        )
        self._typing = LatestQuery[str, TypedPath](
            self, lambda text: inspect_path(text, holds_weights), self._typed_seen, self.show_refusal
        )
        self._fetching = Download(self, self._fetched)
        self._offers: tuple[WeightsOption, ...] = ()
        self._start: Start = "whole"
        self._nowhere = ""

    def compose_body(self) -> Iterator[Widget]:
        """The network, the three starts, and the files for the first of them."""
        yield Label(id="network")
        yield RadioList(explanation=start_help(), below=True, id="start")
        yield RadioList(explanation=files_help(), below=False, id="files")
        typed = self.state.model_path or ""
        if typed and (there := weights_named(typed, self.wizard.workspace)) is not None:
            typed = self.state.model_path = str(there)  # a preset may name a file in model_data/
        yield PathRow(
            _("Another file"), PathInput(typed, holds_weights, explanation=files_help(), id="file"), id="other"
        )
        yield Meter(_("fetching"), id="meter")
        yield WeightsCheckPanel(id="report")

    def on_mount(self) -> None:
        """Preselect what was chosen, else the whole network."""
        self._workspace = self.wizard.workspace
        self._start = self.state.start or "whole"
        self.query_one("#files").border_title = _("Start from")
        self.query_one("#report").border_title = _("What will be taken over")
        choices = self.query_one("#start", RadioList)
        choices.offer([(_(name), _(meaning)) for name, meaning in STARTS_SAID], STARTS.index(self._start))
        choices.focus()
        self._show_network()
        self.set_interval(0.1, self._show_progress)

    # The network

    @property
    def _network(self) -> str:
        """The network that is chosen, or the usual one."""
        named = self.state.settings.get("network")
        return named if named in NETWORKS else str(Recipe.model_fields["network"].default)

    def action_other_network(self) -> None:
        """YOLOv4 instead of YOLOv4-tiny, or back."""
        if self._fetching.file is not None:
            return
        other = next(name for name in NETWORKS if name != self._network)
        if other == Recipe.model_fields["network"].default:
            self.state.settings.pop("network", None)
        else:
            self.state.settings["network"] = other
        self._show_network()

    def _show_network(self) -> None:
        meaning = _(NETWORKS[self._network])
        self.query_one("#network", Label).say(
            _("Network  {network}: {meaning}", network=self._network, meaning=meaning)
        )
        self._offers = ()
        self._looking.ask(self._network)
        self._show_start()

    # What it starts from

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Moving in a list chooses."""
        event.stop()
        self.show_error("")
        cast("RadioList", event.option_list).mark()
        if event.option_list.id == "start":
            self._start = STARTS[event.option_index]
            if self._start != "scratch":  # that is entered only after it was asked for twice
                self.state.start = self._start
        elif event.option_index < len(self._offers):
            offer = self._offers[event.option_index]
            official = offer.kind == "official"
            self.state.model_path = None if official or offer.path is None else str(offer.path)
            with self.prevent(Input.Changed):
                self.query_one("#file", PathInput).value = ""
        self._show_start()

    def _found(self, found: tuple[WeightsOption, ...]) -> None:
        self._offers = found
        paths = [None if offer.kind == "official" else str(offer.path) for offer in found]
        listed = self.state.model_path in paths
        field = self.query_one("#file", PathInput)
        if listed:  # a file of the list needs not stand in the field as well
            with self.prevent(Input.Changed):
                field.value = ""
        chosen = paths.index(self.state.model_path) if listed else 0
        self.query_one("#files", RadioList).offer([offered(offer) for offer in found], chosen)
        if not listed:
            self._typing.ask(field.value)
        self._show_start()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Another file, typed."""
        self.show_error("")
        text = event.value.strip().strip("'\"")
        self.state.model_path = str(Path(text).expanduser().absolute()) if text else None
        self._typing.ask(event.value)
        self._show_start()

    def _typed_seen(self, typed: TypedPath) -> None:
        self._nowhere = "" if typed.there or not typed.text.strip() else typed.problem or _("Type on; Tab completes.")
        self._show_start()

    def action_browse(self) -> None:
        """Choose a file from a tree."""
        folder = model_folder(self._workspace)
        self.app.push_screen(FolderPicker(folder, holds_weights, folders=False), self._picked)

    def _picked(self, path: Path | None) -> None:
        if path is not None:
            field = self.query_one("#file", PathInput)
            field.value = str(path)
            field.cursor_position = len(field.value)
            field.focus()

    def _show_start(self) -> None:
        """Show what belongs to the choice, and have the file tried."""
        whole = self._start == "whole"
        self.query_one("#files").display = whole
        self.query_one("#other").display = whole
        self._show_report()
        self._suggest()

    @property
    def _file(self) -> Path | None:
        """The file that would be started from; None: none, or it is not here."""
        if self._start == "scratch":
            return None
        if self._start == "whole" and self.state.model_path is not None:
            return None if self._nowhere else Path(self.state.model_path)
        return next((offer.path for offer in self._offers if offer.kind == "official"), None)

    @property
    def _missing(self) -> bool:
        """Whether the official file is wanted and not here."""
        official = self._start == "backbone" or (self._start == "whole" and self.state.model_path is None)
        return official and bool(self._offers) and self._offers[0].path is None

    # What would be taken over

    def _show_report(self) -> None:
        path, panel = self._file, self.query_one("#report", WeightsCheckPanel)
        if path is None or not path.is_file():
            panel.say(self._instead_of_report())
            return
        part: Literal["whole", "backbone"] = "backbone" if self._start == "backbone" else "whole"
        panel.try_out(CheckRequest(path, self._network, part, self.state.source, self.wizard.opened))

    def on_weights_check_panel_refused(self, event: WeightsCheckPanel.Refused) -> None:
        """Nothing is suggested any more."""
        event.stop()
        self._suggest()

    @property
    def _refusal(self) -> BadInput | None:
        return self.query_one("#report", WeightsCheckPanel).refusal

    def _instead_of_report(self) -> str:
        if self._start == "scratch":
            return _("Nothing. Strongly advised against: random features detect badly; Enter asks twice.")
        if self._start == "whole" and self._nowhere:
            return self._nowhere
        if self._missing:
            return _("It is seen once the file is here.")
        return ""

    # Fetching

    def _show_progress(self) -> None:
        file = self._fetching.file
        self.set_class(file is not None, "-fetching")
        if file is not None:
            done, of = self._fetching.progress
            self.query_one("#meter", Meter).show(done / of if of else None, f"{megabytes(done)} / {megabytes(of)}")

    def _fetched(self, result: Path | BadInput | None) -> None:
        self._show_progress()
        if isinstance(result, BadInput):
            self._suggest()
            self.query_one("#report", WeightsCheckPanel).say_refusal(result)
            self.show_error(_("It could not be fetched; another file would do as well (F3)."))
            return
        if result is None:
            self._suggest()
            self.show_error(_("Stopped; what came is kept, and the next attempt goes on from there."))
            return
        self._go_on()

    def action_back(self) -> None:
        """Stop fetching; else go back."""
        if self._fetching.file is not None:
            self._fetching.stop()
        else:
            super().action_back()

    def on_unmount(self) -> None:
        """Nobody waits for the file any more."""
        self._fetching.stop()

    # Going on

    def _suggest(self) -> None:
        self.suggest(self._suggestion())

    def _suggestion(self) -> str:
        name = f"{self._network}.weights"
        if (fetched := self._fetching.file) is not None:
            return _("Fetching {name}. Esc stops it; what came is kept.", name=fetched.name)
        if self._start == "scratch":
            return _("Enter starts from nothing, after asking twice.")
        if self._refusal is not None or (self._start == "whole" and self._nowhere and self.state.model_path):
            return ""
        if self._missing:
            size = megabytes(KNOWN[name].bytes)
            return _("Enter fetches {name} ({size}) and goes on.", name=name, size=size)
        path = self._file
        if path is None:
            return _("Looking ...")
        if self._start == "backbone":
            return _("Enter starts from the backbone in {file}.", file=path.name)
        return _("Enter starts from the whole network in {file}.", file=path.name)

    def action_forward(self) -> None:
        """Take the choice: ask where it is from scratch, fetch what is not here, then go on."""
        self.show_error("")
        if self._fetching.file is not None:
            self.show_error(_("Still fetching; it goes on when the file is here."))
        elif self._start == "scratch" and self.state.start != "scratch":
            opened = self.wizard.opened
            known = opened is not None and opened.source == self.state.source
            pictures = len(opened.dataset.images) if opened is not None and known else None
            self.app.push_screen(ConfirmScratchDialog(pictures), self._asked)
        elif self._missing:
            self._fetching.begin(official_file(self._network), model_folder(self._workspace))
            self._show_progress()
            self._suggest()
        else:
            self._go_on()

    def _go_on(self) -> None:
        super().action_forward()

    def _asked(self, from_scratch: bool | None) -> None:
        if from_scratch:
            self.state.start = "scratch"
            self._go_on()
            return
        self.query_one("#start", RadioList).highlighted = STARTS.index("whole")

    def accept(self) -> None:
        """What is chosen."""
        self.state.start = self._start

    def validation_error(self) -> str | None:
        """A file that does not fit cannot be started from."""
        if self._start == "scratch":
            return None
        if self._refusal is not None:
            return _("With this file it cannot go on; the reason stands above.")
        if self._start == "whole" and self.state.model_path is not None:
            path = Path(self.state.model_path)
            if not path.is_file():
                return _("There is no file {path}.", path=self.state.model_path)
        elif not self._offers:
            return _("Still looking; it goes on when that is done.")
        return None
