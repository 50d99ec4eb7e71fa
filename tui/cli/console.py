"""What commands print: plain tables for people, JSON for programs. Text from outside is shown as it is, never as markup."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence

from engine.messages import printable


class ReaderGone(Exception):
    """Whoever read standard output went away, as in `freezetui runs | head -1`.

    An exception of our own: rich and click each end the program with 1 on a BrokenPipeError, and nothing has failed.
    """


def drop_output() -> None:
    """Print nowhere from now on. What is still buffered can go nowhere; without this Python would complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    print_line(json.dumps(value, ensure_ascii=False, indent=2))


def print_line(text: str = "") -> None:
    """One line on standard output."""
    _write(text + "\n")


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns under a header, numbers to the right; a column in which no row says anything is left out."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    listed = [list(row) for row in rows]
    told = [n for n in range(len(header)) if not listed or any(row[n] not in ("", None) for row in listed)]
    for number, name in ((n, header[n]) for n in told):
        numeric = bool(listed) and all(isinstance(row[number], int | float) or row[number] == "" for row in listed)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        table.add_row(*(Text(_shown(row[n])) for n in told))
    # In a file or a pipe nothing is folded: names there are to be found and copied whole.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 500)
    with console.capture() as captured:
        console.print(table)
    _write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def megabytes(size: float) -> str:
    """A size in bytes for people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def gigabytes(size: float) -> str:
    """Memory as its makers count it (1 GB = 2^30 bytes)."""
    return f"{size / 2**30:.1f} GB"


def duration(seconds: float) -> str:
    """A time for people."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error


def _shown(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.3f}"
    return "" if cell is None else printable(cell)
