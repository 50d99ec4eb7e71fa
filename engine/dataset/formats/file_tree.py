"""The files below a folder, listed once; every reader looks for images and labels in this list."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from engine.dataset.image_files import IMAGE_SUFFIXES, UNREAD_IMAGE_SUFFIXES

_DEBRIS_FOLDERS = frozenset({"__macosx", "__pycache__", "$recycle.bin", "system volume information"})
_DEBRIS_FILES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})

Absence = Literal["missing", "ambiguous", "outside"]
"""Why an image is not found: no file has its name, several have it, or its path leads out of the data set."""


class Match(NamedTuple):
    """The result of `FileTree.find`."""

    file: str
    """Relative to the root; "" if there is none."""
    absence: Absence | None = None
    """Why there is none; None if there is one."""
    by_name: bool = False
    """Whether the file lies elsewhere than the label says and was found by its name."""


ProgressCallback = Callable[[int, int], None]
"""Called with the number of things done and of all (0: not known yet); may raise to cancel."""


class FileTree:
    """The files below `root`: relative paths with forward slashes, in the order of folders and names.

    Hidden files and folders, and what macOS, Windows and notebooks leave behind, are not in it. Linked folders are followed, each once.
    """

    def __init__(self, root: Path, files: Sequence[str], skipped: int = 0) -> None:
        self.root = root
        self.files = files
        self.skipped = skipped
        """Number of hidden files and files of the system that are not in `files`; the content of hidden folders is not counted."""

    @cached_property
    def images(self) -> list[str]:
        """Files whose name says that they are an image that can be read."""
        return [file for file in self.files if suffix_of(file) in IMAGE_SUFFIXES]

    @cached_property
    def unread_images(self) -> list[str]:
        """Images of formats that cannot be read."""
        return [file for file in self.files if suffix_of(file) in UNREAD_IMAGE_SUFFIXES]

    @cached_property
    def folders(self) -> dict[str, list[str]]:
        """The files that lie directly in each folder; the root is ""."""
        folders: dict[str, list[str]] = defaultdict(list)
        for file in self.files:
            folders[file.rpartition("/")[0]].append(file)
        return dict(folders)

    def with_suffix(self, *suffixes: str) -> list[str]:
        """The files with one of these suffixes, which are in lower case, whatever the case on disk."""
        return [file for file in self.files if suffix_of(file) in suffixes]

    def __contains__(self, file: str) -> bool:
        return file in self._all

    def below(self, folder: str) -> FileTree:
        """The files below a folder of this tree."""
        prefix = folder + "/"
        files = [file[len(prefix) :] for file in self.files if file.startswith(prefix)]
        return FileTree(self.root / folder, files, self.skipped)

    def path(self, file: str) -> Path:
        """The path of a file of this tree."""
        return self.root / file

    def relative(self, path: Path) -> str | None:
        """`path`, whose `..` are resolved, relative to the root; None if it is outside."""
        # Names of labels come without a drive.
        text, root = (os.path.splitdrive(os.path.normpath(folder))[1] for folder in (path, self.root))
        if text == root:
            return ""
        prefix = root if root.endswith(os.sep) else root + os.sep
        return text[len(prefix) :].replace(os.sep, "/") if text.startswith(prefix) else None

    def find(self, name: str, folders: Sequence[str] = ("",)) -> Match:
        """The file that a label names.

        Tried in this order: `name` in each of `folders`; the same where letters differ in case or Unicode form; the only file with the
        same last part, or the one whose folders agree with `name` best.

        Args:
            name: a path as a label tool wrote it: relative or absolute, with either kind of slash, perhaps of another machine.
            folders: folders of this tree, relative to the root, that the name may be relative to.

        Returns:
            The file, or why there is none.
        """
        text = posix_name(name)
        outside = False
        inside: list[str] = []
        for folder in folders:
            file = os.path.normpath(f"{folder}/{text}" if folder and not text.startswith("/") else text)
            file = file.replace(os.sep, "/")
            if file.startswith("/"):
                file = self.relative(Path(file)) or "../" + file
            if file == ".." or file.startswith("../"):
                outside = True
            elif file:
                inside.append(file)
        for file in inside:
            if file in self._all:
                return Match(file)
        for file in inside:
            if len(similar := self._by_folded.get(_fold(file), ())) == 1:
                return Match(similar[0])
        parts = PurePosixPath(_fold(text)).parts
        candidates = self._by_name.get(parts[-1], ()) if parts else ()
        if len(candidates) > 1:
            agreement = [_common_end(PurePosixPath(_fold(file)).parts, parts) for file in candidates]
            best = max(agreement)
            candidates = [file for file, count in zip(candidates, agreement, strict=True) if count == best]
        if len(candidates) == 1:
            return Match(candidates[0], by_name=True)
        return Match("", "ambiguous" if candidates else "outside" if outside else "missing")

    @cached_property
    def _all(self) -> frozenset[str]:
        return frozenset(self.files)

    @cached_property
    def _by_folded(self) -> Mapping[str, Sequence[str]]:
        return _grouped(self.files, _fold)

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[str]]:
        return _grouped(self.files, lambda file: _fold(file.rpartition("/")[2]))


def scan_tree(root: Path, progress: ProgressCallback | None = None) -> FileTree:
    """List the files below `root`; folders that cannot be read are skipped."""
    files: list[str] = []
    skipped = 0
    seen: set[str] = set()
    for current, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(current)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_debris(name, folder=True))
        prefix = os.path.relpath(current, root).replace(os.sep, "/")
        prefix = "" if prefix == "." else prefix + "/"
        kept = [name for name in names if not is_debris(name)]
        skipped += len(names) - len(kept)
        files.extend(prefix + name for name in sorted(kept))
        if progress is not None:
            progress(len(files), 0)
    return FileTree(root, files, skipped)


def is_debris(name: str, *, folder: bool = False) -> bool:
    """Whether a file or folder is hidden or was made by the system or a notebook, not by a label tool."""
    return name.startswith(".") or name.lower() in (_DEBRIS_FOLDERS if folder else _DEBRIS_FILES)


def suffix_of(file: str) -> str:
    """The suffix of a path, in lower case, with its dot."""
    name = file.rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    return dot + suffix.lower() if stem else ""


def stem_of(file: str) -> str:
    """The last part of a path without its suffix."""
    name = file.rpartition("/")[2]
    stem, dot, _suffix = name.rpartition(".")
    return stem if dot and stem else name


def posix_name(name: str) -> str:
    """A path from a label with forward slashes and without a drive."""
    text = name.strip().replace("\\", "/")
    if len(text) > 1 and text[1] == ":" and text[0].isalpha():
        text = text[2:]
    return text


def same_name(name: str) -> str:
    """A form of a name that is equal for names that differ in letter case or Unicode form only."""
    return _fold(name)


def _fold(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def _grouped(files: Sequence[str], key: Callable[[str], str]) -> Mapping[str, Sequence[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for file in files:
        groups[key(file)].append(file)
    return groups


def _common_end(first: Sequence[str], second: Sequence[str]) -> int:
    """How many last parts are equal."""
    pairs: Iterator[tuple[str, str]] = zip(reversed(first), reversed(second), strict=False)
    return next((count for count, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
