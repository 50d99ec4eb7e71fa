"""Where the images are that a data.yaml names, also if it was written on another machine, and the folders that hold them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.dataset.formats.file_tree import FileTree, posix_name, same_name, suffix_of
from engine.dataset.formats.reading import Reading
from engine.dataset.formats.sniff import is_root_or_home
from engine.dataset.formats.yolo_yaml import DataYaml, SplitEntry, is_split_key
from engine.dataset.image_files import IMAGE_SUFFIXES
from engine.files import read_lines
from engine.messages import BadInput

_IMAGE_FOLDERS = frozenset({"images", "image", "imgs", "img", "jpegimages"})
_DOTS = re.compile(r"^(?:\.{1,2}/+)+")
_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of a data.yaml whose place is known."""

    entry: SplitEntry
    path: Path
    """A folder, a list or an image."""
    pattern: str = ""
    """With wildcards, relative to the folder `path`; "": all images below it."""
    by_name: bool = False
    """Whether it lies elsewhere than the entry says."""
    rival: Path | None = None
    """Another place that the entry may mean."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the entries of a data.yaml lead to."""

    found: tuple[Source, ...]
    missing: tuple[SplitEntry, ...]
    unknown: tuple[Source, ...]
    """Of keys that are not those of a split."""

    @property
    def all(self) -> tuple[Source, ...]:
        """All whose place is known."""
        return self.found + self.unknown


def find_sources(data: DataYaml) -> Sources:
    """Look for the folders, lists and images that a data.yaml names."""
    bases = list(_bases(data))
    found: list[Source] = []
    missing: list[SplitEntry] = []
    unknown: list[Source] = []
    for entry in data.entries:
        source = _find(entry, data, bases)
        if source is not None and entry.split is not None:
            found.append(source)
        elif source is not None and _may_hold_images(source):
            unknown.append(source)
        elif source is None and entry.split is not None and (is_split_key(entry.key) or _is_path(entry.text)):
            missing.append(entry)
    return Sources(tuple(found), tuple(missing), tuple(unknown))


def data_tree(data: DataYaml, sources: Sequence[Source], reading: Reading, root: Path | None) -> FileTree:
    """The files of the folders that hold the images, and their labels: below `root` or the folder of the data.yaml if that has all.

    Args:
        data: the data.yaml.
        sources: what it names.
        reading: lists the folders.
        root: the folder that the user chose; None if it is the data.yaml.
    """
    home = data.path.parent if root is None else root
    # Beside a data.yaml in the user's home folder, only what it names is listed.
    is_wide = root is None and is_root_or_home(home)
    inside = [source for source in sources if not is_wide and _is_below(source.path, home)]
    outside = [source for source in sources if is_wide or not _is_below(source.path, home)]
    bases = [base for base in _bases(data) if base != data.path.parent]
    folders = list(dict.fromkeys(_data_folder(source.path, bases) for source in outside))
    folders += [folder for source in sources for folder in _folders_of_list(source)]
    folders = [folder for folder in folders if (is_wide or not _is_below(folder, home)) and not is_root_or_home(folder)]
    if root is not None or inside or not folders:
        folders.append(home)
    folders = _outermost(folders)
    if len(folders) == 1:
        return reading.tree(folders[0])
    try:
        common = Path(os.path.commonpath(folders))
    except ValueError:  # on two drives of Windows
        return reading.tree(home)
    files: list[str] = []
    skipped = 0
    for folder in folders:
        tree = reading.tree(folder)
        prefix = folder.relative_to(common).as_posix()
        files += [f"{prefix}/{file}" for file in tree.files]
        skipped += tree.skipped
    return FileTree(common, files, skipped)


def _bases(data: DataYaml) -> Iterator[Path]:
    """Folders that entries may be relative to, the likeliest first."""
    home = data.path.parent
    text = _native(data.folder)
    if text:
        # YOLOv5 takes `path` from its own folder, one above that of the file; Ultralytics from a folder `datasets`.
        for start in (home, *home.parents[:2], home.parent / "datasets", *(p / "datasets" for p in home.parents[1:2])):
            if (folder := _existing(start, text)) is not None and folder.is_dir():
                yield folder
        yield from _tails(home, text)
    yield home


def _find(entry: SplitEntry, data: DataYaml, bases: Sequence[Path]) -> Source | None:
    home = data.path.parent
    text, pattern = _split_pattern(_native(entry.text))
    without_dots = _DOTS.sub("", text)
    literal = [place for base in bases if (place := _existing(base, text)) is not None]
    stripped = [place for base in (home, *bases) if (place := _existing(base, without_dots)) is not None]
    # Roboflow writes one `../` too many, and no `path`.
    if text != without_dots and not data.folder and stripped:
        rival = next((place for place in literal if place != stripped[0]), None)
        return Source(entry, stripped[0], pattern, rival=rival)
    if places := literal or stripped:
        return Source(entry, places[0], pattern)
    for start in home.parents[:2]:
        if (place := _existing(start, text)) is not None:
            return Source(entry, place, pattern)
    for base in dict.fromkeys((home, *bases)):
        for place in _tails(base, text):
            return Source(entry, place, pattern, by_name=True)
    return None


def _native(text: str) -> str:
    """A path with forward slashes and the home folder in place of `~`; the drive of Windows stays on Windows."""
    text = text.strip().replace("\\", "/")
    if text.startswith("~"):
        try:
            return Path(text).expanduser().as_posix()
        except RuntimeError:  # no home folder
            return text
    return text if os.name == "nt" else posix_name(text)


def _split_pattern(text: str) -> tuple[str, str]:
    """A path up to its first part with wildcards, and the rest."""
    parts = text.split("/")
    first = next((index for index, part in enumerate(parts) if _WILDCARD.search(part)), len(parts))
    return "/".join(parts[:first]) or ("/" if text.startswith("/") and first else "."), "/".join(parts[first:])


def _existing(base: Path, text: str) -> Path | None:
    """The file or folder `text` below `base`, in any letter case; None if there is none."""
    try:
        path = Path(os.path.normpath(base / text))
        if path.exists():
            return path if (path.is_dir() or path.is_file()) and not is_root_or_home(path) else None
        if text.startswith("/"):
            return None
        current = base
        for part in text.split("/"):
            if part in ("", "."):
                continue
            following = Path(os.path.normpath(current / part))
            if not following.exists():
                similar = [entry for entry in current.iterdir() if same_name(entry.name) == same_name(part)]
                if len(similar) != 1:
                    return None
                following = similar[0]
            current = following
    except (OSError, ValueError):  # no name of a file, or a folder that cannot be listed
        return None
    return current


def _tails(base: Path, text: str) -> Iterator[Path]:
    """Where the last parts of a path exist below `base`, the longest first."""
    parts = [part for part in text.split("/") if part not in ("", ".", "..")]
    for start in range(len(parts)):
        if (place := _existing(base, "/".join(parts[start:]))) is not None:
            yield place


def _may_hold_images(source: Source) -> bool:
    """Whether the value of an unknown key is a list of images or a folder with images."""
    try:
        if source.path.is_dir():
            return any(suffix_of(entry.name) in IMAGE_SUFFIXES for entry in source.path.iterdir())
        lines = read_lines(source.path) if suffix_of(source.path.name) == ".txt" else []
    except (OSError, BadInput):
        return False
    return bool(lines) and suffix_of(lines[0]) in IMAGE_SUFFIXES


def _is_path(text: str) -> bool:
    return "/" in text or "\\" in text or suffix_of(text) == ".txt"


def _is_below(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _data_folder(path: Path, bases: Sequence[Path]) -> Path:
    """The folder that holds the images at `path` and their labels: one of `bases`, or that above `images`."""
    for base in bases:
        if _is_below(path, base):
            return base
    for folder in (path, *path.parents):
        if folder.name.lower() in _IMAGE_FOLDERS:
            return folder.parent
    return path if path.is_dir() else path.parent


def _folders_of_list(source: Source) -> Iterator[Path]:
    """The folders of images that a list names by paths that exist on this machine, perhaps far from the list."""
    if source.path.is_dir() or suffix_of(source.path.name) in IMAGE_SUFFIXES:
        return
    try:
        lines = read_lines(source.path)
    except BadInput:
        return
    folders: dict[str, bool] = {}
    for line in lines:
        path = os.path.normpath(source.path.parent / _native(line))
        folder = os.path.dirname(path)  # noqa: PTH120  a Path for each line takes ten times as long
        if folder not in folders:
            folders[folder] = os.path.isfile(path) and suffix_of(path) in IMAGE_SUFFIXES  # noqa: PTH113
    for name in (name for name, holds_images in folders.items() if holds_images):
        path_of_folder = Path(name)
        above = (p.parent for p in (path_of_folder, *path_of_folder.parents) if p.name.lower() in _IMAGE_FOLDERS)
        yield next(above, path_of_folder)


def _outermost(folders: Iterable[Path]) -> list[Path]:
    """The folders that are in no other of them."""
    every = list(dict.fromkeys(folders))
    return sorted(folder for folder in every if not any(other in folder.parents for other in every))
