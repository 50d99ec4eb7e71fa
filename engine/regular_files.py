"""Reads files that a user or a data set names, whatever they turn out to be.

A name can belong to a pipe, which blocks until somebody writes, to a device that never ends, or to a file larger than the
memory. All of them are refused before a byte is read.
"""

from __future__ import annotations

import os
import stat
from io import FileIO
from pathlib import Path

from engine.messages import Message, format_bytes, phrase

MAX_IMAGE_BYTES = 512 * 2**20
MAX_TEXT_BYTES = 64 * 2**20
"""For a label file, a list, an XML or a YAML file."""
MAX_INDEX_BYTES = 4 * 2**30
"""For a file that describes a whole data set, such as COCO JSON."""

_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_CHUNK_BYTES = 2**20


class RefusedFile(OSError):
    """A path that is no regular file, or a file that is too large; `reason` is a phrase that can be translated."""

    def __init__(self, path: Path, reason: Message) -> None:
        super().__init__(str(reason))
        self.path = path
        self.reason = reason


def open_regular_file(path: Path, limit: int) -> FileIO:
    """`path` opened for reading; it has to be a regular file (or a link to one) of at most `limit` bytes. The caller closes it.

    Raises:
        RefusedFile: it is a pipe, a device, a socket or a folder, or it is too large.
        OSError: the system cannot open it.
    """
    # Opening some devices has effects, so the type is checked before; and again after, since the name may have changed hands.
    _require_regular(path, path.stat().st_mode)
    file = FileIO(os.open(path, _OPEN_FLAGS), "rb")
    try:
        status = os.fstat(file.fileno())
        _require_regular(path, status.st_mode)
        if status.st_size > limit:
            raise _too_large(path, status.st_size, limit)
    except OSError:
        file.close()
        raise
    return file


def read_regular_file(path: Path, limit: int) -> bytes:
    """The content of `path`, which has to be a regular file (or a link to one) of at most `limit` bytes.

    Raises:
        RefusedFile: it is a pipe, a device, a socket or a folder, or it is too large.
        OSError: the system cannot open or read it.
    """
    with open_regular_file(path, limit) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size + 1)
        if len(content) <= size and not file.read(1):
            return content
        return _read_growing(path, file.fileno(), content, limit)


def _read_growing(path: Path, descriptor: int, start: bytes, limit: int) -> bytes:
    """The rest of a file that is longer than its size says: one that grows, or one that the system makes up (/proc)."""
    content = bytearray(start)
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        content += chunk
        if len(content) > limit:
            raise _too_large(path, len(content), limit)
    return bytes(content)


def _require_regular(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise RefusedFile(path, phrase("it is a folder"))
    if not stat.S_ISREG(mode):
        raise RefusedFile(path, phrase("it is a pipe, a socket or a device, not a file"))


def _too_large(path: Path, size: int, limit: int) -> RefusedFile:
    reason = phrase("it has {size}; at most {limit} are read", size=format_bytes(size), limit=format_bytes(limit))
    return RefusedFile(path, reason)
