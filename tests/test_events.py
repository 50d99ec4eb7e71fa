"""Events as JSON: English text for programs, the parts of every message for translation, and logs of older versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.events import (
    Event,
    Failed,
    ImageSkipped,
    LossNotFinite,
    OutOfMemory,
    RunStarted,
    WeightsLoaded,
    event_from_json,
)
from engine.messages import Message, phrase

MESSAGE = Message(
    "train.out_of_memory", "Memory ran out in {stage} at {batch}.", {"stage": phrase("freeze"), "batch": 8}
)
EVENTS: tuple[Event, ...] = (
    RunStarted(run="r", plan={}, epoch=0, step=0, continued=True, note=MESSAGE),
    RunStarted(run="r", plan={}, epoch=0, step=0, continued=False),
    WeightsLoaded(file="a.pth", kind="own", matched=1, total=2, skipped=(MESSAGE, phrase("neck: {count}", count=2))),
    ImageSkipped(image="a.jpg", reason=MESSAGE),
    OutOfMemory(
        stage="freeze",
        epoch=0,
        step=0,
        batch_size=8,
        suggested_batch_size=4,
        where="cpu",
        during="training",
        checkpoint=None,
        message=MESSAGE,
        hint=phrase("Resume with: {command}", command="freezetui resume r"),
    ),
    LossNotFinite(stage="freeze", epoch=0, step=0, images=("a.jpg",), message=MESSAGE),
    Failed(code="disk.full", message=MESSAGE, exit_code=2, checkpoint=None),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_name())
def test_an_event_is_read_as_it_was_written(event: Event) -> None:
    assert event_from_json(json.loads(event.to_line())) == event


def test_the_message_is_english_text_and_its_parts_stand_beside_it() -> None:
    stored = Failed(code="c", message=MESSAGE, exit_code=2, checkpoint=None).to_json()
    assert stored["message"] == "Memory ran out in freeze at 8."
    assert stored["message_parts"] == {
        "code": "train.out_of_memory",
        "template": "Memory ran out in {stage} at {batch}.",
        "values": {"stage": {"code": "", "template": "freeze", "values": {}}, "batch": 8},
    }


@pytest.mark.parametrize(
    ("stored", "field", "text"),
    [
        ({"event": "failed", "code": "c", "message": "Old {text}.", "exit_code": 2, "checkpoint": None}, "message", "Old {text}."),
        ({"event": "image_skipped", "image": "a", "reason": "cut off"}, "reason", "cut off"),
        (
            {"event": "run_started", "run": "r", "plan": {}, "epoch": 0, "step": 0, "continued": True, "note": "Extended."},
            "note",
            "Extended.",
        ),
    ],
)  # fmt: skip
def test_logs_that_hold_only_the_text_can_be_read(stored: dict[str, Any], field: str, text: str) -> None:
    event = event_from_json({"time": 1.0, **stored})
    assert str(getattr(event, field)) == text


def test_old_lists_of_skipped_weights_and_empty_notes_can_be_read() -> None:
    loaded = event_from_json(
        {"event": "weights_loaded", "file": "a", "kind": "own", "matched": 1, "total": 2, "skipped": ["x", "y"]}
    )
    assert isinstance(loaded, WeightsLoaded)
    assert [str(message) for message in loaded.skipped] == ["x", "y"]
    started = event_from_json(
        {"event": "run_started", "run": "r", "plan": {}, "epoch": 0, "step": 0, "continued": False, "note": ""}
    )
    assert isinstance(started, RunStarted)
    assert started.note is None


@pytest.mark.parametrize("stored", [{"event": "of the future"}, {"event": "failed", "surprise": 1}, {}])
def test_what_this_version_does_not_know_is_no_event(stored: dict[str, Any]) -> None:
    assert event_from_json(stored) is None
