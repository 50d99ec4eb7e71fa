"""The data set: where it is, how it is understood, what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from engine.dataset.class_names import ClassNames, class_names_of
from engine.dataset.formats.sniff import LABEL_SUFFIXES, datasets_near
from engine.messages import BadInput, printable
from engine.plan import DataSource
from tui.dialogs.class_names import ClassNamesDialog, NamesChosen
from tui.dialogs.folder_picker import FolderPicker
from tui.screens.base import WizardScreen
from tui.text import N_, _, ngettext
from tui.widgets.dataset_panel import DataSetPanel
from tui.widgets.label import Label
from tui.widgets.path_input import PathInput, PathRow
from tui.wizard.dataset_inspection import SAMPLE, DatasetInspection, check_data, open_data, pictures_drawn, source_at
from tui.wizard.dataset_summary import FORMATS, continuations, path_help
from tui.wizard.path_completion import TypedPath, inspect_path
from tui.workers.latest_query import LatestQuery

PAUSE = 0.5
"""Seconds without a key after which a path that looks like a data set is opened."""


def holds_labels(path: Path) -> bool:
    """Whether a file may be a data set."""
    return path.suffix.lower() in LABEL_SUFFIXES


class DataScreen(WizardScreen):
    """The data set: where it is, how it is understood, what is wrong with it."""

    place: ClassVar[str] = "data"
    heading: ClassVar[str] = N_("Which pictures shall it learn from?")
    reason: ClassVar[str] = N_("Labelled pictures in any usual format; nothing of yours is changed.")

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "sample", N_("sample set")),
        Binding("f3", "browse", N_("choose folder")),
        Binding("f4", "turn(-1)", show=False),
        Binding("f5", "turn(1)", show=False),
        Binding("f6", "names", show=False),
        Binding("f7", "format", show=False),
        Binding("ctrl+r", "again", show=False),
    ]

    DEFAULT_CSS = """
    DataScreen #said { height: 1; color: $text-muted; }
    DataScreen #said.-wrong { color: $error; }
    DataScreen.-wide #picture { width: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._typing = LatestQuery[str, TypedPath](
            self, lambda text: inspect_path(text, holds_labels), self._typed_seen, self._refuse
        )
        self._opening = LatestQuery[DataSource, DatasetInspection](
            self, lambda source: open_data(source, self._workspace), self._opened, self._refuse
        )
        self._checking = LatestQuery[DatasetInspection, DatasetInspection | None](
            self, self._check, self._checked, self._refuse
        )
        self._naming = LatestQuery[DataSource, ClassNames](self, _names_in, self._named, self.show_refusal)
        self._workspace = Path()
        self._suggested = SAMPLE
        self._wanted: DataSource | None = None
        self._look: DatasetInspection | None = None
        self._refusal: BadInput | None = None
        self._progress: tuple[int, int] | None = None
        self._pause: Timer | None = None
        self._leads_nowhere = False

    def compose_body(self) -> Iterator[Widget]:
        """The path; below it what is there, or what would be understood."""
        yield PathRow(_("Folder"), PathInput(self.state.data or "", holds_labels, explanation=path_help(), id="path"))
        yield Label(id="said")
        yield DataSetPanel(id="data-set")

    @property
    def _panel(self) -> DataSetPanel:
        return self.query_one(DataSetPanel)

    def on_mount(self) -> None:
        """Go on with what was entered; else suggest what lies here."""
        self._workspace = self.wizard.workspace
        self._suggested = next((str(path) for path in datasets_near(self._workspace.absolute())), SAMPLE)
        field = self.query_one("#path", PathInput)
        field.placeholder = printable(Path(self._suggested).name)
        field.focus()
        field.cursor_position = len(field.value)
        source = self.state.source
        if source is None:
            self._suggest()
        elif (known := self.wizard.opened) is not None and known.source == source:
            self._wanted = source
            self._opened(known)
        else:
            self._open(source)
        self.set_interval(0.2, self._show_progress)

    # What is typed

    def on_input_changed(self, event: Input.Changed) -> None:
        """Follow what is typed, key by key."""
        self.show_error("")
        if self._pause is not None:
            self._pause.stop()
        self._typing.ask(event.value)
        if self._wanted is not None and self._meant() != self._wanted:
            self._forget()
        self._suggest()

    def _meant(self) -> DataSource | None:
        """What stands in the field; the classes that were chosen for this path belong to it."""
        text = self.query_one("#path", PathInput).value
        if not text.strip():
            return None
        source = source_at(text, self._workspace)
        known = self.state.source
        return known if known is not None and known.path == source.path else source

    def _typed_seen(self, typed: TypedPath) -> None:
        said = self.query_one("#said", Label)
        is_sample = typed.text.strip() == SAMPLE
        self._leads_nowhere = bool(typed.problem) and not is_sample
        said.set_class(self._leads_nowhere and self._wanted is None, "-wrong")
        if self._wanted is None:
            said.say("" if is_sample else typed.problem or continuations(typed))
        self._suggest()
        if typed.promising and self._meant() != self._wanted:
            self._pause = self.set_timer(PAUSE, self._open_typed)

    def _open_typed(self) -> None:
        source = self._meant()
        if source is not None and source != self._wanted:
            self._open(source)

    # What is there

    def _open(self, source: DataSource) -> None:
        self._forget()
        self._wanted = source
        self.state.data, self.state.format = source.path, source.format
        self.state.classes_file, self.state.mapping = source.classes_file, dict(source.mapping)
        self._panel.wait()
        self._say_format(source)
        self._opening.ask(source)
        self._suggest()

    def _forget(self) -> None:
        """Show nothing of a data set that is no longer meant."""
        self._opening.drop()
        self._checking.drop()
        self._wanted = self._look = self._refusal = self._progress = None
        self._panel.forget()

    def _opened(self, look: DatasetInspection) -> None:
        self._look = self.wizard.opened = look
        self._say_format(look.source)
        self._panel.show(look)
        if look.findings is None:
            self._checking.ask(look)
        self._suggest()

    def _refuse(self, error: BadInput) -> None:
        self._refusal = error
        self._panel.refuse(error)
        self._suggest()

    # What is wrong with it

    def _check(self, look: DatasetInspection) -> DatasetInspection | None:
        """In a thread; given up as soon as another data set is meant."""

        def heard(done: int, of: int) -> None:
            self._progress = done, of

        return check_data(look, heard, lambda: self._wanted == look.source)

    def _checked(self, look: DatasetInspection | None) -> None:
        if look is None or look.source != self._wanted:
            return
        self._progress = None
        self._look = self.wizard.opened = look
        self._panel.show_findings(look)

    @property
    def _drawing(self) -> bool:
        """Whether what is waited for is the sample set."""
        wanted = self._wanted
        return wanted == source_at(SAMPLE, self._workspace) and wanted is not None and not Path(wanted.path).exists()

    def _show_progress(self) -> None:
        if self._drawing and self._refusal is None:
            self._suggest()
        if self._progress is not None and self._look is not None and self._look.findings is None:
            self._panel.show_progress(*self._progress)

    def action_turn(self, by: int) -> None:
        """Another picture."""
        self._panel.turn(by)

    # Other ways to a data set, and its names

    def action_sample(self) -> None:
        """Take the drawn sample set; it is drawn where it is not there yet."""
        self._put(SAMPLE)

    def action_browse(self) -> None:
        """Choose from a tree."""
        start = Path(self.query_one("#path", PathInput).value).expanduser()
        self.app.push_screen(FolderPicker(start, holds_labels), self._picked)

    def _picked(self, path: Path | None) -> None:
        if path is not None:
            self._put(str(path))

    def _put(self, text: str) -> None:
        field = self.query_one("#path", PathInput)
        field.value = text
        field.cursor_position = len(text)
        field.focus()
        self._open_typed()

    def action_names(self) -> None:
        """Give the classes other names."""
        if self._wanted is None:
            return
        beside = None if self._look is None else self._look.classes_file
        chosen = self._wanted.classes_file or (None if beside is None else str(beside))
        self._naming.ask(replace(self._wanted, classes_file=chosen))

    def _named(self, names: ClassNames) -> None:
        source = self._wanted
        if source is not None:
            beside = None if self._look is None else self._look.classes_file
            chosen = source.classes_file or (None if beside is None else str(beside))
            self.app.push_screen(ClassNamesDialog(names, chosen, source.mapping), self._renamed)

    def _renamed(self, chosen: NamesChosen | None) -> None:
        if chosen is not None and self._wanted is not None:
            self._open(replace(self._wanted, classes_file=chosen.classes_file, mapping=dict(chosen.mapping)))

    def action_format(self) -> None:
        """Read it as another format; after the last one, by itself again."""
        if self._wanted is not None:
            words = ("auto", *FORMATS)
            following = words[(words.index(self._wanted.format) + 1) % len(words)]
            self._open(replace(self._wanted, format=following))

    def _say_format(self, source: DataSource) -> None:
        """Say beside the field where a format was asked for."""
        said = self.query_one("#said", Label)
        said.remove_class("-wrong")
        named = FORMATS.get(source.format)
        said.say("" if named is None else _("Read as {format}; F7 reads it as another format.", format=_(named)))

    def action_again(self) -> None:
        """Look at the same data set anew."""
        if (source := self._meant()) is not None:
            self._open(source)

    # Going on

    def _suggest(self) -> None:
        self.suggest(self._suggestion())

    def _suggestion(self) -> str:
        if self._look is not None:
            count = sum(self._look.dataset.image_counts().values())
            return ngettext(
                "Enter goes on with this {count} picture.", "Enter goes on with these {count} pictures.", count
            )
        if self._refusal is not None:
            return ""
        if self._wanted is not None:
            if self._drawing:
                drawn = pictures_drawn(Path(self._wanted.path))
                return ngettext(
                    "Drawing the sample set: {count} picture ...", "Drawing the sample set: {count} pictures ...", drawn
                )
            return _("Looking at {path} ...", path=self._wanted.path)
        if self._meant() is not None:
            return "" if self._leads_nowhere else _("Enter looks at it.")
        if self._suggested == SAMPLE:
            return _("Enter takes the sample set, drawn in seconds, to try everything out.")
        return _("Enter takes {path}, which looks like a data set.", path=Path(self._suggested).name)

    def action_forward(self) -> None:
        """Take what is in the field, or suggested; once that has been looked at, go on."""
        if self._meant() is None:
            self._put(self._suggested)
        elif self._meant() != self._wanted:
            self._open_typed()
        else:
            super().action_forward()

    def validation_error(self) -> str | None:
        """Nothing to go on with as long as no data set is open."""
        if self._look is not None:
            return None
        if self._refusal is not None:
            return _("With this data set it cannot go on; the reason stands above.")
        return _("Still looking; it goes on when that is done.")


def _names_in(source: DataSource) -> ClassNames:
    classes_file = None if source.classes_file is None else Path(source.classes_file)
    if classes_file is not None and not classes_file.is_file():
        classes_file = None
    return class_names_of(Path(source.path), source.format, classes_file)
