"""What every reader gets: the files of the folders that it looks at, and a callback for progress."""

from __future__ import annotations

from pathlib import Path

from engine.dataset.formats.file_tree import FileTree, ProgressCallback, scan_tree


class Reading:
    """One opening of a data set. Every folder is listed once, however many readers look at it."""

    def __init__(self, progress: ProgressCallback | None = None) -> None:
        """`progress` is called while files are listed and labels read; it may raise to cancel."""
        self._progress = progress
        self._trees: dict[Path, FileTree] = {}
        self._files: list[Path] = []

    def tree(self, folder: Path) -> FileTree:
        """The files below a folder."""
        if folder not in self._trees:
            self._trees[folder] = scan_tree(folder, self._progress)
        return self._trees[folder]

    def report(self, done: int, total: int) -> None:
        """Tell the caller how far the reading is; raises what its callback raises."""
        if self._progress is not None and (done % 100 == 0 or done == total):
            self._progress(done, total)

    def add_file(self, file: Path) -> None:
        """Remember a file that was read and is perhaps in none of the folders."""
        self._files.append(file)

    def folders(self) -> list[Path]:
        """The folders that were listed, and the files that were read besides."""
        return [*self._trees, *self._files]

    def file_count(self) -> int:
        """The number of files in them."""
        return sum(len(tree.files) for tree in self._trees.values())
