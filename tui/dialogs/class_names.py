"""A small form: which class names of the labels are which names of a classes file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.suggester import SuggestFromList
from textual.widgets import Input

from engine.dataset.class_names import ClassNames, wanted_names
from engine.messages import BadInput, printable
from tui.dialogs.base import Dialog
from tui.text import _, translate
from tui.widgets.label import Label
from tui.widgets.path_input import PathInput


@dataclass(frozen=True, slots=True)
class NamesChosen:
    """What the user decided."""

    classes_file: str | None
    mapping: Mapping[str, str]


def names_file(path: Path) -> bool:
    """Whether a file can hold class names."""
    return path.suffix.lower() in (".txt", ".names", ".labels")


class NameField(Input):
    """The new name of one class; empty leaves it as it is."""

    def __init__(self, old: str, new: str, wanted: tuple[str, ...]) -> None:
        super().__init__(
            new,
            placeholder=printable(old),
            suggester=SuggestFromList(wanted, case_sensitive=False) if wanted else None,
            compact=True,
            select_on_focus=False,
        )
        self.old = old


class ClassNamesDialog(Dialog[NamesChosen | None]):
    """Answers what was decided; None where nothing is to change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", show=False),
        Binding("escape", "dismiss(None)", show=False),
    ]

    DEFAULT_CSS = """
    ClassNamesDialog { align: center middle; }
    ClassNamesDialog > Vertical { width: 90%; max-width: 90; height: auto; max-height: 95%; border: round $primary; background: $surface; padding: 0 1; }
    ClassNamesDialog Label { height: auto; }
    ClassNamesDialog Horizontal { height: 1; }
    ClassNamesDialog .old { width: 40%; height: 1; }
    ClassNamesDialog .arrow { width: 3; }
    ClassNamesDialog Horizontal > Input { width: 1fr; }
    ClassNamesDialog .label { width: auto; padding-right: 1; }
    ClassNamesDialog #names { height: auto; max-height: 12; scrollbar-size-vertical: 1; margin: 1 0; }
    ClassNamesDialog .hint { padding: 0; }
    ClassNamesDialog #wrong { color: $error; }
    ClassNamesDialog #wanted { color: $text-muted; }
    """

    def __init__(self, names: ClassNames, classes_file: str | None, mapping: Mapping[str, str]) -> None:
        """`names` as the labels have them; the other two as they were chosen before."""
        super().__init__()
        self._names = names
        self._classes_file = classes_file or ""
        self._mapping = {**names.suggestions(), **mapping}

    def compose(self) -> ComposeResult:
        """The classes file, and a line for each class."""
        figures = max((len(str(count)) for count in self._names.labels.values()), default=1)
        with Vertical():
            yield Label(_("What shall the classes be called?"), classes="question")
            with Horizontal():
                yield Label(_("Classes file"), classes="label")
                yield PathInput(
                    self._classes_file,
                    names_file,
                    placeholder=_("none: the labels' own names"),
                    explanation=_("A text file with one class name in each line; their order is that of the classes."),
                    id="file",
                )
            yield Label(id="wanted")
            with VerticalScroll(id="names", can_focus=False):
                for name, count in self._names.labels.items():
                    with Horizontal():
                        yield Label(f"{count:>{figures}}  {printable(name)}", classes="old")
                        yield Label("→", classes="arrow")
                        yield NameField(name, self._mapping.get(name, ""), self._names.wanted)
            yield Label(id="wrong")
            yield Label(
                _("Enter takes these names, Tab goes to the next, → completes, Esc changes nothing."), classes="hint"
            )

    def on_mount(self) -> None:
        """Begin with the first name that is not understood."""
        foreign = self._names.foreign({})
        fields = list(self.query(NameField))
        first = next((field for field in fields if field.old in foreign), fields[0] if fields else None)
        (first or self.query_one("#file", PathInput)).focus()
        self._judge()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Follow the classes file, and say what is still missing."""
        event.stop()
        if event.input.id == "file":
            self._follow_file()
        self._judge()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field takes the whole form."""
        event.stop()
        self.action_take()

    def action_take(self) -> None:
        """Close with what was decided, unless the file cannot be read."""
        if (sentence := self._file_problem()) is not None:
            self.query_one("#wrong", Label).say(sentence)
            return
        text = self._file_text()
        chosen = None if not text else str(Path(text).expanduser().absolute())
        self.dismiss(NamesChosen(chosen, self._written()))

    def _file_text(self) -> str:
        return self.query_one("#file", PathInput).value.strip()

    def _written(self) -> dict[str, str]:
        """What stands in the fields now."""
        fields = {field.old: field.value.strip() for field in self.query(NameField)}
        return {old: new for old, new in fields.items() if new and new != old}

    def _file_problem(self) -> str | None:
        text = self._file_text()
        if text and not Path(text).expanduser().is_file():
            return _("There is no file {path}.", path=text)
        return None

    def _follow_file(self) -> None:
        """Suggest the names of the file that stands in the field."""
        text = self._file_text()
        path = Path(text).expanduser()
        try:
            wanted = wanted_names(path) if text and path.is_file() else ()
        except BadInput as error:
            self.query_one("#wrong", Label).say(translate(error.messages[0]))
            return
        self._names = ClassNames(self._names.labels, wanted)
        suggested = self._names.suggestions()
        for field in self.query(NameField):
            field.suggester = SuggestFromList(wanted, case_sensitive=False) if wanted else None
            if not field.value and field.old in suggested:
                field.value = suggested[field.old]

    def _judge(self) -> None:
        """Say which names would still be left out."""
        wanted = self._names.wanted
        shown = ", ".join(wanted)
        self.query_one("#wanted", Label).say(_("It names: {names}", names=shown) if wanted else "")
        foreign = self._names.foreign(self._written())
        sentence = self._file_problem() or ""
        if foreign and not sentence:
            sentence = _("Not in the file, so their boxes would be left out: {names}", names=", ".join(foreign))
        self.query_one("#wrong", Label).say(sentence)
