"""Output of the commands: lines and tables for people, JSON for programs. Text from outside is never read as markup."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence

from engine.messages import printable


class OutputClosed(Exception):
    """The reader of standard output has closed it, as in `freezetui runs | head -1`.

    Not a BrokenPipeError: rich and typer both end the program with exit code 1 on that, and nothing has failed.
    """


def discard_output() -> None:
    """Print nowhere from now on. Otherwise Python reports an error at exit when it flushes its buffer."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(value: object) -> None:
    """Print one JSON document."""
    print_line(json.dumps(value, ensure_ascii=False, indent=2))


def print_line(text: str = "") -> None:
    """Print one line."""
    _write(text + "\n")


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table. Numbers are aligned right; a column without any value is left out."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    cells = [list(row) for row in rows]
    columns = [n for n in range(len(header)) if not cells or any(row[n] not in ("", None) for row in cells)]
    for n in columns:
        is_numeric = bool(cells) and all(isinstance(row[n], int | float) or row[n] == "" for row in cells)
        table.add_column(header[n], justify="right" if is_numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(_cell_text(row[n])) for n in columns))
    # In a file or a pipe lines are not folded, so that names can be searched and copied.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 500)
    with console.capture() as captured:
        console.print(table)
    _write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise OutputClosed from error


def _cell_text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.3f}"
    return "" if cell is None else printable(cell)
