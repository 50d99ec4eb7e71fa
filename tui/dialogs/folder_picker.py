"""A tree to choose a folder or a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from rich.text import Text, TextType
from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import DirectoryTree, Tree
from textual.widgets.directory_tree import DirEntry

from engine.dataset.formats.sniff import looks_like_dataset
from engine.messages import printable
from tui.dialogs.base import Dialog
from tui.text import N_, _
from tui.text.line_breaks import unbroken_parts
from tui.widgets.label import Label
from tui.wizard.path_completion import PathFilter


class FolderTree(DirectoryTree):
    """Folders, and the files that are suitable. Enter selects; arrow keys expand and collapse."""

    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "
    ICON_FILE = "  "

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "expand", show=False),
        Binding("left", "collapse", show=False),
        Binding("backspace", "parent_folder", show=False),
    ]

    def __init__(self, path: Path, is_suitable: PathFilter) -> None:
        self._is_suitable = is_suitable
        super().__init__(path)
        self.auto_expand = False

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        """Leave out hidden entries and files that are not suitable."""
        return [
            path
            for path in paths
            if not path.name.startswith(".") and (self._safe_is_dir(path) or self._is_suitable(path))
        ]

    def process_label(self, label: TextType) -> Text:
        """The name without markup or control characters."""
        return Text(printable(label) or " ")

    def action_expand(self) -> None:
        """Expand the folder under the cursor."""
        if (node := self.cursor_node) is not None and node.allow_expand:
            node.expand()

    def action_collapse(self) -> None:
        """Collapse the folder, or move to its parent."""
        node = self.cursor_node
        if node is None:
            return
        if node.is_expanded and node is not self.root:
            node.collapse()
        elif node.parent is not None:
            self.move_cursor(node.parent)
        else:
            self.action_parent_folder()

    def action_parent_folder(self) -> None:
        """Make the parent of the root the new root."""
        self.path = Path(self.path).absolute().parent


class FolderPicker(Dialog[Path | None]):
    """Returns the selected path; None if the user cancels."""

    help_sentence: ClassVar[str] = N_(
        "Choose with the arrow keys and press Enter. Hidden folders and files that cannot be used here are not listed."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", show=False),
    ]

    DEFAULT_CSS = """
    FolderPicker { align: center middle; }
    FolderPicker > Vertical { width: 90%; max-width: 100; height: 90%; border: round $primary; background: $surface; padding: 0 1; }
    FolderPicker FolderTree { height: 1fr; background: $surface; scrollbar-size-vertical: 1; }
    FolderPicker Label { height: auto; }
    FolderPicker .hint { padding: 0; }
    FolderPicker #highlighted { color: $text-muted; }
    """

    _tree = getters.query_one(FolderTree)
    _highlighted = getters.query_one("#highlighted", Label)

    def __init__(self, start: Path, is_suitable: PathFilter, *, folders: bool = True) -> None:
        """Create the dialog.

        Args:
            start: the folder that is shown; if it does not exist, its nearest parent.
            is_suitable: selects the files that are listed.
            folders: whether a folder can be selected; otherwise only a file.
        """
        super().__init__()
        self._start = next(folder for folder in (start.absolute(), *start.absolute().parents) if folder.is_dir())
        self._is_suitable = is_suitable
        self._folders = folders

    def compose(self) -> ComposeResult:
        """The tree, and the path under the cursor."""
        with Vertical():
            yield FolderTree(self._start, self._is_suitable)
            yield Label(id="highlighted")
            yield Label(
                unbroken_parts(_("Enter selects · → expands · ← collapses · Backspace: parent folder · Esc: back")),
                classes="hint",
            )

    def on_mount(self) -> None:
        """Focus the tree."""
        self._tree.focus()

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[DirEntry]) -> None:
        """Show the path, and whether it looks like a data set."""
        if event.node.data is None:
            return
        path = event.node.data.path
        note = "  ·  " + _("looks like a data set") if self._folders and looks_like_dataset(path) else ""
        self._highlighted.update(printable(path) + note)

    def on_directory_tree_directory_selected(self, event: DirectoryTree.DirectorySelected) -> None:
        """Return the folder; if only files can be selected, expand or collapse it."""
        event.stop()
        if self._folders:
            self.dismiss(event.path.absolute())
        else:
            event.node.toggle()

    def on_directory_tree_file_selected(self, event: DirectoryTree.FileSelected) -> None:
        """Return the file."""
        event.stop()
        self.dismiss(event.path.absolute())
