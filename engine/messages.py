"""Sentences that travel: a code for programs, a template for people, the values between them.

The English template is at the same time the key under which a translation is looked up; the engine itself always speaks
English.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


def printable(value: object) -> str:
    """The text of `value` without control characters, which a terminal would obey (an escape sequence in a class name)."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))


@dataclass(frozen=True, slots=True)
class Message:
    """One sentence. `code` is stable (`data.no_boxes`); `template` is a format string over `values`."""

    code: str
    template: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format_map({key: printable(value) for key, value in self.values.items()})

    def to_json(self) -> dict[str, str]:
        """The form in which warnings and findings appear in JSON output."""
        return {"code": self.code, "message": str(self)}


class BadInput(Exception):
    """Something the user gave cannot work: exit code 2. Carries every message that could be found at once."""

    exit_code = 2

    def __init__(self, *messages: Message) -> None:
        super().__init__("\n".join(str(message) for message in messages))
        self.messages = messages


def bad_input(code: str, template: str, **values: object) -> BadInput:
    """One sentence as an error to raise; `values` fill the template."""
    return BadInput(Message(code, template, values))


def listed(names: Iterable[str], most: int = 10) -> str:
    """The names with commas between them; of a long list the first `most` and how many follow."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice most like `word`, or None where nothing resembles it."""
    by_fold = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None
