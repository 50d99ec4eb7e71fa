"""Paths on standard input, one a line, each as soon as its line is there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

_CHUNK = 2**16


def paths_in(descriptor: int | None = None) -> Iterator[Path]:
    """The path on each line of a file descriptor, standard input by default; empty lines are passed over.

    Python's buffered reader is not used: its lock is held while a thread waits for a line, and Python crashes at exit
    when it cannot take it.
    """
    if descriptor is None:
        descriptor = sys.stdin.fileno()
    rest = b""
    while chunk := os.read(descriptor, _CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from _paths(lines)
    yield from _paths([rest])


def _paths(lines: list[bytes]) -> Iterator[Path]:
    for line in lines:
        name = line.removesuffix(b"\r")
        if name.strip():
            yield Path(os.fsdecode(name))
