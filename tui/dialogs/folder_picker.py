"""Choosing a folder, or a file that is a data set, from a tree."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from rich.text import Text, TextType
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import DirectoryTree, Tree
from textual.widgets.directory_tree import DirEntry

from engine.dataset.formats.sniff import looks_like_dataset
from engine.messages import printable
from tui.dialogs.base import Dialog
from tui.text import _
from tui.widgets.label import Label
from tui.wizard.path_completion import Wanted


class FolderTree(DirectoryTree):
    """Folders, and the files that suit. Enter chooses; arrows open and close."""

    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "
    ICON_FILE = "  "

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "open", show=False),
        Binding("left", "close", show=False),
        Binding("backspace", "higher", show=False),
    ]

    def __init__(self, path: Path, suits: Wanted) -> None:
        self._suits = suits
        super().__init__(path)
        self.auto_expand = False

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        """Neither hidden entries nor files that are of no use here."""
        return [
            path for path in paths if not path.name.startswith(".") and (self._safe_is_dir(path) or self._suits(path))
        ]

    def process_label(self, label: TextType) -> Text:
        """A name as it is, without what a terminal would obey."""
        return Text(printable(label) or " ")

    def action_open(self) -> None:
        """Open the folder under the cursor."""
        if (node := self.cursor_node) is not None and node.allow_expand:
            node.expand()

    def action_close(self) -> None:
        """Close the folder, or go to the one that holds it."""
        node = self.cursor_node
        if node is None:
            return
        if node.is_expanded and node is not self.root:
            node.collapse()
        elif node.parent is not None:
            self.move_cursor(node.parent)
        else:
            self.action_higher()

    def action_higher(self) -> None:
        """Show the folder above."""
        self.path = Path(self.path).absolute().parent


class FolderPicker(Dialog[Path | None]):
    """Answers the path that was chosen; None where none was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", show=False),
    ]

    DEFAULT_CSS = """
    FolderPicker { align: center middle; }
    FolderPicker > Vertical { width: 90%; max-width: 100; height: 90%; border: round $primary; background: $surface; padding: 0 1; }
    FolderPicker FolderTree { height: 1fr; background: $surface; scrollbar-size-vertical: 1; }
    FolderPicker Label { height: auto; }
    FolderPicker .hint { padding: 0; }
    FolderPicker #picked { color: $text-muted; }
    """

    def __init__(self, start: Path, suits: Wanted, *, folders: bool = True) -> None:
        """Begins in `start`, or the nearest folder above it. `folders`: whether one can be the answer, else only a file."""
        super().__init__()
        self._start = next(folder for folder in (start.absolute(), *start.absolute().parents) if folder.is_dir())
        self._suits = suits
        self._folders = folders

    def compose(self) -> ComposeResult:
        """The tree, and below it what is under the cursor."""
        with Vertical():
            yield FolderTree(self._start, self._suits)
            yield Label(id="picked")
            yield Label(
                _("Enter chooses · → opens · ← closes · Backspace: the folder above · Esc: back"), classes="hint"
            )

    def on_mount(self) -> None:
        """Begin in the tree."""
        self.query_one(FolderTree).focus()

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[DirEntry]) -> None:
        """Say whether what is under the cursor seems to be a data set."""
        if event.node.data is None:
            return
        path = event.node.data.path
        seems = "  ·  " + _("looks like a data set") if self._folders and looks_like_dataset(path) else ""
        self.query_one("#picked", Label).say(printable(path) + seems)

    def on_directory_tree_directory_selected(self, event: DirectoryTree.DirectorySelected) -> None:
        """A folder was chosen, or is to be opened."""
        event.stop()
        if self._folders:
            self.dismiss(event.path.absolute())
        else:
            event.node.toggle()

    def on_directory_tree_file_selected(self, event: DirectoryTree.FileSelected) -> None:
        """A file was chosen."""
        event.stop()
        self.dismiss(event.path.absolute())
