"""The user's note about a run: one line of text in its folder."""

from __future__ import annotations

import os
import unicodedata
from contextlib import suppress
from pathlib import Path

from engine.files import write_text
from engine.messages import bad_input
from engine.regular_files import read_regular_file
from engine.runs.folder import write_error

NOTE = "note.txt"
MAX_NOTE_LENGTH = 500
"""Characters."""
_MAX_NOTE_BYTES = 2**16


def read_note(run: Path) -> str:
    """The note of a run; empty where it has none, or where the file cannot be read."""
    with suppress(OSError):
        return _one_line(read_regular_file(run / NOTE, _MAX_NOTE_BYTES).decode("utf-8", "replace"))[:MAX_NOTE_LENGTH]
    return ""


def write_note(run: Path, text: str) -> str:
    """Store a note, without control characters and line breaks; an empty one removes the file. Returns what was stored.

    Raises:
        BadInput: the note is too long, or the folder cannot be written.
    """
    note = _one_line(text)
    if len(note) > MAX_NOTE_LENGTH:
        raise bad_input(
            "run.note_too_long",
            "The note has {count} characters; at most {most} are stored.",
            count=len(note),
            most=MAX_NOTE_LENGTH,
        )
    path = run / NOTE
    try:
        if note:
            write_text(path, note + "\n")
        elif os.path.lexists(path):
            path.unlink()
    except OSError as error:
        raise write_error(run, error) from error
    return note


def _one_line(text: str) -> str:
    """`text` without control characters, which a terminal would execute, its white space as single spaces."""
    spaced = (" " if character.isspace() else character for character in text)
    return " ".join("".join(character for character in spaced if not _is_control(character)).split())


def _is_control(character: str) -> bool:
    """Whether it is a control, a change of the writing direction, a surrogate or unassigned; joiners of emoji and scripts stay."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn") and character not in "\u200c\u200d"
