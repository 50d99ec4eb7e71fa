"""A list of the formats in which a data set can be read."""

from __future__ import annotations

from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tui.dialogs.base import Dialog
from tui.text import N_, _
from tui.text.datasets import FORMAT_NAMES
from tui.widgets.label import Label
from tui.widgets.line_breaks import with_own_breaks

AUTO = "auto"


class FormatDialog(Dialog[str | None]):
    """Returns the key of the chosen format, `auto` for the recognised one; None if the user cancels."""

    help_sentence: ClassVar[str] = N_(
        "Normally the format is recognised: the one in which most boxes are read. Choose another one if the boxes are wrong, or if the "
        "folder has labels in several formats."
    )

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", show=False)]

    DEFAULT_CSS = """
    FormatDialog { align: center middle; }
    FormatDialog > Vertical { width: 60; height: auto; border: round $primary; background: $surface; padding: 0 1; }
    FormatDialog Label { height: auto; }
    FormatDialog OptionList { height: auto; background: $surface; }
    FormatDialog .hint { padding: 0; }
    """

    _formats = getters.query_one(OptionList)

    def __init__(self, chosen: str, recognised: str | None) -> None:
        """`chosen` is the key of the present choice; `recognised` the format of the open data set if it was recognised."""
        super().__init__()
        self._chosen = chosen
        self._recognised = recognised

    def compose(self) -> ComposeResult:
        """The formats, the recognised one first."""
        name = FORMAT_NAMES.get(self._recognised or "")
        auto = _("recognise it") if name is None else _("recognise it: {format}", format=_(name))
        names = {AUTO: auto, **{key: _(each) for key, each in FORMAT_NAMES.items()}}
        with Vertical():
            yield Label(_("Format of the labels"), classes="question")
            yield OptionList(
                *(Option(with_own_breaks(Content(text)), id=key) for key, text in names.items()),
                markup=False,
                compact=True,
            )
            yield Label(_("Enter selects · Esc: back"), classes="hint")

    def on_mount(self) -> None:
        """Highlight the present choice."""
        self._formats.highlighted = self._formats.get_option_index(self._chosen)
        self._formats.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Return the format."""
        event.stop()
        self.dismiss(event.option_id)
