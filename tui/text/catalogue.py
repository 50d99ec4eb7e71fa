"""Catalogues: .po files that people edit, and the .mo files made from them.

    python -m tui.text.catalogue        makes every .mo anew

What is written here is the part of the format that our catalogues use: plain entries and plural forms, no contexts.
"""

from __future__ import annotations

import ast
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.files import atomic_write, read_text
from engine.messages import bad_input
from tui.text.language import LOCALE


@dataclass(frozen=True, slots=True)
class Entry:
    """A sentence and its translations: one, or one for each plural form of the language."""

    sentence: str
    translations: tuple[str, ...]
    plural: str | None = None


def read_po(path: Path) -> tuple[Entry, ...]:
    """The entries of a .po file, its header (the empty sentence) included.

    Raises:
        BadInput: a line cannot be understood.
    """
    return tuple(_entries(path, read_text(path).splitlines()))


def _entries(path: Path, lines: list[str]) -> Iterator[Entry]:
    fields: dict[str, str] = {}
    current = ""
    for number, raw in enumerate([*lines, ""], 1):
        line = raw.strip()
        if line.startswith("#"):
            continue
        if not line or (line.startswith("msgid ") and "msgstr" in " ".join(fields)):
            if fields:
                yield _entry(fields)
            fields, current = {}, ""
            if not line:
                continue
        keyword, _, rest = ("", "", line) if line.startswith('"') else line.partition(" ")
        current = keyword or current
        try:
            fields[current] = fields.get(current, "") + str(ast.literal_eval(rest))
        except (SyntaxError, ValueError) as error:
            raise bad_input("catalogue.line", "{path}:{line}: cannot be read.", path=path, line=number) from error


def _entry(fields: dict[str, str]) -> Entry:
    forms = tuple(value for name, value in sorted(fields.items()) if name.startswith("msgstr"))
    return Entry(fields["msgid"], forms, fields.get("msgid_plural"))


def mo_of(entries: tuple[Entry, ...]) -> bytes:
    """The binary form (GNU gettext manual, "The Format of GNU MO Files"): sorted keys, then values. What has no translation is left out."""
    pairs = sorted(
        (
            "\0".join(filter(None, (entry.sentence, entry.plural))).encode(),
            "\0".join(entry.translations).encode(),
        )
        for entry in entries
        if all(entry.translations)
    )
    at = 28 + 16 * len(pairs)
    tables: list[bytes] = []
    texts = bytearray()
    for column in (0, 1):
        for pair in pairs:
            tables.append(struct.pack("<II", len(pair[column]), at + len(texts)))
            texts += pair[column] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return head + b"".join(tables) + bytes(texts)


def catalogues() -> tuple[Path, ...]:
    """Every .po file of ours."""
    return tuple(sorted(LOCALE.glob("*/LC_MESSAGES/*.po")))


def main() -> None:
    """Make every .mo anew."""
    for path in catalogues():
        content = mo_of(read_po(path))
        atomic_write(path.with_suffix(".mo"), lambda file, content=content: file.write(content))  # type: ignore[misc]


if __name__ == "__main__":
    main()
