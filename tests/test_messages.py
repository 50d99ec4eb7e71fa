"""Messages as JSON: what is read is what was written; and numbers of bytes as text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.messages import BadInput, Message, format_bytes, from_record, phrase, to_record

NESTED = Message(
    "disk.full",
    "{path}: {reason} after {count} of {share}. {hint}",
    {"path": "a/b", "reason": "full", "count": 3, "share": 0.5, "hint": phrase("Use {path}.", path="c")},
)


def test_a_stored_message_is_read_as_it_was() -> None:
    stored = json.loads(json.dumps(to_record(NESTED)))
    assert from_record(stored, str(NESTED)) == NESTED


def test_a_value_that_json_does_not_know_becomes_text() -> None:
    message = Message("a", "{path} {loss}", {"path": Path("x"), "loss": float("nan")})
    read = from_record(json.loads(json.dumps(to_record(message))), "")
    assert read.values == {"path": "x", "loss": "nan"}
    assert str(read) == str(message)


@pytest.mark.parametrize(
    "record",
    [
        None,
        "text",
        {},
        {"code": "a", "template": "{missing}", "values": {}},
        {"code": "a", "template": "{", "values": {}},
        {"code": "a", "template": "{0}", "values": {}},
        {"code": "a", "template": "x", "values": None},
        {"code": "a", "template": "{x.y}", "values": {"x": 1}},
        {"code": "a", "template": "{x:>1000000000}", "values": {"x": 1}},
    ],
)
def test_without_a_usable_record_the_text_is_the_message(record: Any) -> None:
    message = from_record(record, "Only {English}.", code="old")
    assert (message.code, str(message)) == ("old", "Only {English}.")


def test_several_messages_of_an_error_become_one_with_the_code_of_the_first() -> None:
    message = BadInput(Message("a", "One."), Message("b", "Two."), Message("c", "Three.")).as_one_message()
    assert (message.code, str(message)) == ("a", "One. Two. Three.")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0.0 MiB"), (6_190_000, "5.9 MiB"), (257_717_640, "246 MiB"), (2**30, "1.0 GiB"), (7.3 * 2**30, "7.3 GiB")],
)
def test_sizes_are_in_the_units_of_nvidia_smi(size: float, text: str) -> None:
    assert format_bytes(size) == text
