"""Tables that are printed row by row as they are measured, and kept as JSON lines for the process that wrote none of them."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal

Value = str | int | float | bool | None
Kind = Literal["row", "note", "broken", "failed"]
_TRACEBACK_LINES = 6


@dataclass(frozen=True, slots=True)
class Column:
    """`form` is a format specification, as in `format(value, form)`; a value that is None is printed as a dash."""

    key: str
    title: str
    form: str = ""

    @property
    def width(self) -> int:
        """Characters of the title, and at least eight."""
        return max(8, len(self.title))

    def cell(self, value: Value) -> str:
        """The value as text; numbers are aligned to the right."""
        if value is None or isinstance(value, bool):
            text = "-" if value is None else "yes" if value else "NO"
            return text.ljust(self.width)
        if isinstance(value, str):
            return value.ljust(self.width)
        return format(value, self.form).rjust(self.width)


@dataclass(slots=True)
class Report:
    """What one section measures. Each record is printed and appended to `file` at once, so that it survives the process."""

    section: str
    file: Path | None = None
    records: list[dict[str, object]] = field(default_factory=list)

    @property
    def failures(self) -> int:
        """How many measurements raised an error."""
        return sum(record["kind"] == "failed" for record in self.records)

    def table(self, *columns: Column) -> Table:
        """Print the head of a table."""
        print("| " + " | ".join(column.title.ljust(column.width) for column in columns) + " |")
        print("|" + "|".join("-" * (column.width + 2) for column in columns) + "|", flush=True)
        return Table(self, columns)

    def note(self, text: str) -> None:
        """Something to know about the figures, or a measurement that was left out."""
        self.record("note", {"text": text})
        print(f"({text})", flush=True)

    def broken(self, text: str) -> None:
        """Something that was promised and does not hold."""
        self.record("broken", {"text": text})
        print(f"NOT AS PROMISED: {text}", flush=True)

    def guard(self, what: str) -> AbstractContextManager[None]:
        """Inside the context an error is printed and recorded, and ends the context only."""
        return _Guard(self, what)

    def record(self, kind: Kind, values: Mapping[str, object]) -> None:
        """Keep one record."""
        record = {"section": self.section, "kind": kind, **values}
        self.records.append(record)
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(record) + "\n")


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows are printed as they come."""

    report: Report
    columns: Sequence[Column]

    def row(self, **values: Value) -> None:
        """Print and keep one row; a column without a value gets a dash, a value without a column is kept only."""
        self.report.record("row", values)
        print("| " + " | ".join(column.cell(values.get(column.key)) for column in self.columns) + " |", flush=True)


@dataclass(frozen=True, slots=True)
class _Guard(AbstractContextManager[None]):
    report: Report
    what: str

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        lines = "".join(traceback.format_exception(error)).rstrip().splitlines()[-_TRACEBACK_LINES:]
        self.report.record("failed", {"what": self.what, "traceback": lines})
        print(f"FAILED: {self.what}", *(f"    {line}" for line in lines), sep="\n", file=sys.stdout, flush=True)
        return True


def read_records(file: Path) -> list[dict[str, object]]:
    """The records of a section; an incomplete last line is left out."""
    if not file.is_file():
        return []
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
