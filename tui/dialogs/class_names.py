"""A form to rename classes, and to choose a classes file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.suggester import SuggestFromList
from textual.widgets import Input

from engine.dataset.class_mapping import ClassNames, target_names
from engine.messages import BadInput, printable
from tui.dialogs.base import Dialog
from tui.text import N_, _, translate
from tui.widgets.label import Label
from tui.widgets.path_input import PathInput
from tui.widgets.text_input import TextInput


@dataclass(frozen=True, slots=True)
class ClassNamesChoice:
    """What the user entered."""

    classes_file: str | None
    mapping: Mapping[str, str]
    """Name in the labels -> new name."""


def is_classes_file(path: Path) -> bool:
    """Whether the file's suffix is one of a classes file."""
    return path.suffix.lower() in (".txt", ".names", ".labels")


class NameInput(TextInput):
    """The new name of one class; empty: no change."""

    def __init__(self, label_name: str, new_name: str, suggestions: tuple[str, ...]) -> None:
        super().__init__(
            new_name,
            placeholder=printable(label_name),
            suggester=_suggester(suggestions),
            compact=True,
        )
        self.label_name = label_name


class ClassNamesDialog(Dialog[ClassNamesChoice | None]):
    """Returns what the user entered; None if the user cancels."""

    help_sentence: ClassVar[str] = N_(
        "Boxes are read under the new names; two classes with the same new name become one. Your files are not changed."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "accept", show=False),
        Binding("escape", "dismiss(None)", show=False),
    ]

    DEFAULT_CSS = """
    ClassNamesDialog { align: center middle; }
    ClassNamesDialog > Vertical { width: 90%; max-width: 90; height: auto; max-height: 95%; border: round $primary; background: $surface; padding: 0 1; }
    ClassNamesDialog Label { height: auto; }
    ClassNamesDialog Horizontal { height: 1; }
    ClassNamesDialog .label-name { width: 40%; height: 1; }
    ClassNamesDialog .arrow { width: 3; }
    ClassNamesDialog Horizontal > Input { width: 1fr; }
    ClassNamesDialog .field-label { width: auto; padding-right: 1; }
    ClassNamesDialog #names { height: auto; max-height: 12; scrollbar-size-vertical: 1; margin: 1 0; }
    ClassNamesDialog .hint { padding: 0; }
    ClassNamesDialog #problem { color: $error; }
    ClassNamesDialog #target-names { color: $text-muted; }
    """

    _classes_file_input = getters.query_one("#classes-file", PathInput)
    _target_names_label = getters.query_one("#target-names", Label)
    _problem_label = getters.query_one("#problem", Label)

    def __init__(self, names: ClassNames, classes_file: str | None, mapping: Mapping[str, str]) -> None:
        """`names` from the labels; `classes_file` and `mapping` as they are now."""
        super().__init__()
        self._names = names
        self._classes_file = classes_file or ""
        self._mapping = {**names.suggested_mapping(), **mapping}

    def compose(self) -> ComposeResult:
        """The classes file, and a line for each class."""
        count_width = max((len(str(count)) for count in self._names.label_counts.values()), default=1)
        with Vertical():
            yield Label(_("Rename classes"), classes="question")
            with Horizontal():
                yield Label(_("Classes file"), classes="field-label")
                yield PathInput(
                    self._classes_file,
                    is_classes_file,
                    placeholder=_("none: the names in the labels"),
                    help_text=_(
                        "A text file with one class name in each line. The order of the lines is the order of the classes."
                    ),
                    id="classes-file",
                )
            yield Label(id="target-names")
            with VerticalScroll(id="names", can_focus=False):
                for name, count in self._names.label_counts.items():
                    with Horizontal():
                        yield Label(f"{count:>{count_width}}  {printable(name)}", classes="label-name")
                        yield Label("→", classes="arrow")
                        yield NameInput(name, self._mapping.get(name, ""), self._names.target_names)
            yield Label(id="problem")
            yield Label(
                _("Enter accepts the names, Tab goes to the next one, → completes, Esc cancels."), classes="hint"
            )

    def on_mount(self) -> None:
        """Focus the first name that is not in the classes file."""
        unmapped = self._names.unmapped({})
        name_inputs = list(self.query(NameInput))
        first = next((each for each in name_inputs if each.label_name in unmapped), None)
        (first or next(iter(name_inputs), self._classes_file_input)).focus()
        self._show_problems()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Use the names of the classes file as suggestions; show what is still missing."""
        event.stop()
        if event.input is self._classes_file_input:
            self._read_classes_file()
        self._show_problems()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field accepts the whole form."""
        event.stop()
        self.action_accept()

    def action_accept(self) -> None:
        """Return what was entered, unless the classes file does not exist."""
        if (problem := self._classes_file_problem()) is not None:
            self._problem_label.update(problem)
            return
        text = self._classes_file_text()
        classes_file = None if not text else str(Path(text).expanduser().absolute())
        self.dismiss(ClassNamesChoice(classes_file, self._entered_mapping()))

    def _classes_file_text(self) -> str:
        return self._classes_file_input.value.strip()

    def _entered_mapping(self) -> dict[str, str]:
        names = {each.label_name: each.value.strip() for each in self.query(NameInput)}
        return {label_name: new_name for label_name, new_name in names.items() if new_name and new_name != label_name}

    def _classes_file_problem(self) -> str | None:
        text = self._classes_file_text()
        if text and not Path(text).expanduser().is_file():
            return _("There is no file {path}.", path=text)
        return None

    def _read_classes_file(self) -> None:
        text = self._classes_file_text()
        path = Path(text).expanduser()
        try:
            names = target_names(path) if text and path.is_file() else ()
        except BadInput as error:
            self._problem_label.update(translate(error.messages[0]))
            return
        self._names = ClassNames(self._names.label_counts, names)
        suggested = self._names.suggested_mapping()
        for name_input in self.query(NameInput):
            name_input.suggester = _suggester(names)
            if not name_input.value and name_input.label_name in suggested:
                name_input.value = suggested[name_input.label_name]

    def _show_problems(self) -> None:
        names = self._names.target_names
        self._target_names_label.update(_("Names in the file: {names}", names=", ".join(names)) if names else "")
        unmapped = self._names.unmapped(self._entered_mapping())
        problem = self._classes_file_problem() or ""
        if unmapped and not problem:
            problem = _("Not in the file, so their boxes would be left out: {names}", names=", ".join(unmapped))
        self._problem_label.update(problem)


def _suggester(names: tuple[str, ...]) -> SuggestFromList | None:
    return SuggestFromList(names, case_sensitive=False) if names else None
