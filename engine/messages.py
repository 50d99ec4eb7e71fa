"""Messages: a code for programs, an English template for people, and the values that fill it.

The English template is also the key (msgid) of its translation; the engine itself never translates.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from string import Formatter
from typing import Any


def printable(value: object) -> str:
    """The text of `value` with control characters replaced: a terminal would execute an escape sequence in a class name."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))


_NOT_IN_JSON = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that JSON allows and a terminal executes or text cannot hold: C1 controls, changes of direction, surrogates."""


def json_text(value: object, *, indent: int | None = None) -> str:
    """`value` as JSON that can be shown on a terminal and encoded as UTF-8: other characters are escaped."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    return _NOT_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


@dataclass(frozen=True, slots=True)
class Message:
    """One sentence. `code` never changes (`data.no_boxes`); `template` is a format string for `values`.

    A value that is a Message itself is part of the sentence and is translated with it.
    """

    code: str
    template: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format_map({key: printable(value) for key, value in self.values.items()})

    def to_json(self) -> dict[str, str]:
        """The form in which warnings and findings appear in JSON output."""
        return {"code": self.code, "message": str(self)}


class BadInput(Exception):
    """Invalid input from the user: exit code 2. Carries one message for every error that was found."""

    exit_code = 2

    def __init__(self, *messages: Message) -> None:
        super().__init__("\n".join(str(message) for message in messages))
        self.messages = messages

    def as_one_message(self) -> Message:
        """The messages as one, separated by spaces; the code is that of the first."""
        return _concatenate(self.messages, " ")


def format_bytes(size: float) -> str:
    """A number of bytes as text, in the units of nvidia-smi: "7.3 GiB", and below one GiB "246 MiB" or "5.9 MiB"."""
    if size >= 2**30:
        return f"{size / 2**30:.1f} GiB"
    mib = size / 2**20
    return f"{mib:.0f} MiB" if mib >= 100 else f"{mib:.1f} MiB"


def bad_input(code: str, template: str, **values: object) -> BadInput:
    """A BadInput with one message; `values` fill the template."""
    return BadInput(Message(code, template, values))


def join_names(names: Iterable[str], max_names: int = 10) -> Message | str:
    """The names separated by commas; of a longer list the first `max_names` and how many follow."""
    every = list(names)
    shown = ", ".join(every[:max_names])
    if len(every) <= max_names:
        return shown
    return phrase("{names} and {count} more", names=shown, count=len(every) - max_names)


def phrase(template: str, **values: object) -> Message:
    """A part of a sentence, to be used as a value of another message; it has no code."""
    return Message("", template, values)


def gettext_noop(template: str) -> str:
    """`template` unchanged; marks a template for extraction where the Message is made elsewhere (gettext's `N_`)."""
    return template


def join_sentences(sentences: Sequence[Message]) -> Message | None:
    """Several sentences as one message with the code of the first; None where there are none."""
    return _concatenate(sentences, " ") if sentences else None


def join_phrases(parts: Sequence[Message], separator: str = ", ") -> Message | str:
    """Several phrases as one value; "" where there are none."""
    return _concatenate(parts, separator) if parts else ""


def _concatenate(parts: Sequence[Message], separator: str) -> Message:
    joint = parts[0]
    template = "{first}" + separator + "{second}"
    for part in parts[1:]:
        joint = Message(joint.code, template, {"first": joint, "second": part})
    return joint


def to_record(message: Message) -> dict[str, Any]:
    """The parts of a message as JSON. `from_record` makes the same message of it, but for values that JSON does not know:
    a path becomes text.
    """
    return {
        "code": message.code,
        "template": message.template,
        "values": {name: _value_to_json(value) for name, value in message.values.items()},
    }


def from_record(record: object, text: str, code: str = "") -> Message:
    """The message that `to_record` stored; where `record` is missing or damaged, one that reads `text`.

    Files written by older versions hold only the English text.
    """
    if isinstance(record, Mapping):
        try:
            return _message_from_json(record)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            pass
    return Message(code, "{text}", {"text": text})


def _value_to_json(value: object) -> object:
    if isinstance(value, Message):
        return to_record(value)
    is_number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return value if is_number else str(value)


def _message_from_json(record: Mapping[str, Any]) -> Message:
    template, values = printable(record["template"]), record["values"]
    for _text, name, format_spec, conversion in Formatter().parse(template):
        if name is not None and (name not in values or not name.isidentifier() or format_spec or conversion):
            raise ValueError(f"{template}: not a template for {', '.join(values)}")
    return Message(
        str(record["code"]),
        template,
        {name: _message_from_json(value) if isinstance(value, Mapping) else value for name, value in values.items()},
    )


def did_you_mean(word: str, choices: Iterable[str]) -> Message:
    """The end of a sentence about a wrong `word`: the most similar of `choices`, or a full stop where none is similar."""
    close = nearest(word, choices)
    return phrase(".") if close is None else phrase("; did you mean {nearest}?", nearest=close)


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice most similar to `word`; None where none is similar enough."""
    by_fold = {choice.casefold(): choice for choice in choices}
    matches = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.6)
    return by_fold[matches[0]] if matches else None
