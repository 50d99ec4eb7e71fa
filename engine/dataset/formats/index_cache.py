"""What was read of large data sets, kept in the user's cache folder, so that they open at once the next time.

An entry holds a fingerprint of every file below the folders that were read: names, sizes and times. It is used only while that is
unchanged. An entry that cannot be read or written is ignored: the labels can be read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from engine.dataset.formats.file_tree import ProgressCallback, is_debris
from engine.dataset.index import Dataset
from engine.dataset.index_file import load_index, save_index
from engine.files import replace_file
from engine.workspace import cache_folder

MIN_FILES = 2000
"""Smaller data sets are read in a moment."""

_MAX_ENTRIES = 20
_MIN_AGE = 2.0
"""Seconds: the clocks of file systems are as coarse as this, so that a file may change again without a change of its time."""
_FORMAT_VERSION = 1


class IndexCache:
    """The entry of one data set, read with one set of options."""

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        """`options` are JSON values: whatever decides, besides the files of the data set, what is read."""
        key = {"path": str(path), "options": dict(options), "code": _code_version(), "format_version": _FORMAT_VERSION}
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        self._file = cache_folder() / "datasets" / f"{digest}.npz"

    def load(self, progress: ProgressCallback | None = None) -> Dataset | None:
        """The Dataset as it was stored; None if there is none or a file has changed since."""
        try:
            stored = json.loads(self._state_file.read_text("utf-8"))
            folders = [Path(folder) for folder in stored["folders"]]
            if fingerprint_folders(folders, None, progress) != stored["fingerprint"]:
                return None
            dataset = load_index(self._file)
            self._file.touch()
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None
        return dataset

    def store(self, dataset: Dataset, folders: Sequence[Path], fingerprint: str) -> None:
        """Store `dataset`, read from `folders` while they had `fingerprint`."""
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._file.with_name(f"{self._file.stem}.{os.getpid()}.part.npz")
            save_index(dataset, temporary)
            self._state_file.unlink(missing_ok=True)
            replace_file(temporary, self._file)
            state = {"folders": [str(folder) for folder in folders], "fingerprint": fingerprint}
            temporary.write_text(json.dumps(state), "utf-8")
            replace_file(temporary, self._state_file)
            self._remove_oldest()

    @property
    def _state_file(self) -> Path:
        return self._file.with_suffix(".json")

    def _remove_oldest(self) -> None:
        entries = sorted(self._file.parent.glob("*.npz"), key=lambda path: path.stat().st_mtime)
        for path in entries[:-_MAX_ENTRIES]:
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def fingerprint_folders(
    folders: Sequence[Path], read_since: int | None, progress: ProgressCallback | None = None
) -> str | None:
    """SHA-256 over name, size and times of every file below `folders`.

    Args:
        folders: absolute folders, and files that count besides.
        read_since: when the reading of the files began, in nanoseconds since 1970; None if they are not read.
        progress: called with the number of files so far; may raise to cancel.

    Returns:
        None if a file was written while it was read, or shortly before: it could have changed unnoticed.
    """
    digest = hashlib.sha256()
    count = 0
    newest = 0
    seen: set[str] = set()
    waiting = [str(folder) for folder in reversed(folders)]
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        lines: list[str] = []
        subfolders: list[str] = []
        try:
            # The entries are not kept: with their status they take ten times the memory of the lines.
            with os.scandir(folder) as listing:
                for entry in listing:
                    if entry.is_dir():
                        if not is_debris(entry.name, folder=True):
                            subfolders.append(entry.path)
                    elif not is_debris(entry.name):
                        line, changed = _describe(entry)
                        lines.append(line)
                        newest = max(newest, changed)
        except NotADirectoryError:
            newest = max(newest, _update_with_file(digest, folder))
            continue
        except OSError:
            digest.update(f"{folder}\0unreadable\n".encode("utf-8", "surrogateescape"))
            continue
        waiting.extend(sorted(subfolders, reverse=True))
        count += len(lines)
        digest.update("\n".join((folder, *sorted(lines))).encode("utf-8", "surrogateescape"))
        if progress is not None:
            progress(count, 0)
    if read_since is not None and newest > read_since - _MIN_AGE * 1e9:
        return None
    return digest.hexdigest()


def _describe(entry: os.DirEntry[str]) -> tuple[str, int]:
    """Name, size and times of a file as a line, and when it was changed, in nanoseconds since 1970."""
    try:
        status = entry.stat()
    except OSError:  # a link that leads nowhere
        return f"{entry.name}\0missing", 0
    # The time of the last change of the inode shows also changes by programs that set the old time again.
    changed = max(status.st_mtime_ns, status.st_ctime_ns)
    return f"{entry.name}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}", changed


def _update_with_file(digest: hashlib._Hash, path: str) -> int:
    """Add a single file to a fingerprint; the time of its last change in nanoseconds, 0 if it cannot be read."""
    try:
        status = os.stat(path)  # noqa: PTH116  the walk works with texts
    except OSError:
        digest.update(f"{path}\0unreadable\n".encode("utf-8", "surrogateescape"))
        return 0
    line = f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}\n"
    digest.update(line.encode("utf-8", "surrogateescape"))
    return max(status.st_mtime_ns, status.st_ctime_ns)


@cache
def _code_version() -> str:
    """A digest of the code that reads data sets."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.parent.glob("**/*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
