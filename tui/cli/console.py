"""Output of the commands: lines and tables for people, JSON for programs. Text from outside is never read as markup."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

from engine.files import error_reason
from engine.messages import bad_input, json_text, printable

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NOT_ASCII = re.compile("[^\x00-\x7f]")


class OutputClosed(Exception):
    """The reader of standard output has closed it, as in `freezetui runs | head -1`.

    Not a BrokenPipeError: rich and typer both end the program with exit code 1 on that, and nothing has failed.
    """


def discard_output() -> None:
    """Print nowhere from now on. Otherwise Python reports an error at exit when it flushes its buffer."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(value: object) -> None:
    """Print one JSON document."""
    print_json_text(json_text(value, indent=2))


def print_json_text(text: str) -> None:
    """Print JSON, which `json_text` has made safe for a terminal."""
    if not _is_unicode(sys.stdout):
        text = _NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], text)
    _write(text + "\n")


def print_line(text: str = "") -> None:
    """Print one line."""
    _write(without_controls(text) + "\n")


def without_controls(text: str) -> str:
    """`text` with control characters replaced but line breaks and tabs: a terminal would execute them."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table. Numbers are aligned right; a column without any value is left out."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tui.text.line_breaks import wide_breaks_in_rich

    # A file or a pipe has no width: no line is folded, so that names can be searched, and no rule is drawn to their end.
    is_terminal = sys.stdout.isatty()
    table = Table(
        box=SIMPLE_HEAD if is_terminal else None,
        padding=(0, 1) if is_terminal else (0, 3, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    cells = [list(row) for row in rows]
    columns = [n for n in range(len(header)) if not cells or any(row[n] not in ("", None) for row in cells)]
    for n in columns:
        is_numeric = bool(cells) and all(isinstance(row[n], int | float) or row[n] == "" for row in cells)
        table.add_column(header[n], justify="right" if is_numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(_cell_text(row[n])) for n in columns))
    console = Console(highlight=False, width=None if is_terminal else 500)
    with (
        _output_errors(),
        wide_breaks_in_rich(),
        console.capture() as captured,
    ):  # rich writes an empty text after it has captured the table
        console.print(table)
    _write("".join(f"{line.rstrip()}\n" for line in captured.get().split("\n")[:-1]))


def output_error(error: OSError) -> Exception:
    """The exception to raise for an error while standard output was written."""
    if isinstance(error, BrokenPipeError):
        return OutputClosed()
    return bad_input("output.failed", "Standard output cannot be written ({reason}).", reason=error_reason(error))


@contextmanager
def _output_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        discard_output()
        raise output_error(error) from error


def _write(text: str) -> None:
    with _output_errors():
        sys.stdout.write(text)
        sys.stdout.flush()


def _is_unicode(stream: TextIO) -> bool:
    return (stream.encoding or "utf-8").lower().startswith("utf")


def _cell_text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.3f}"
    return "" if cell is None else printable(cell)
