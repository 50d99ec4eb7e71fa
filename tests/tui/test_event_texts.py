"""Events and run summaries as text: every word comes from the catalogue, also that of a run read from its folder."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engine.events import (
    BatchChanged,
    CheckpointSaved,
    EpochFinished,
    Evaluated,
    Event,
    Failed,
    Finished,
    ImageSkipped,
    LossNotFinite,
    OutOfMemory,
    Paused,
    Resumed,
    RunStarted,
    StageStarted,
    Stopped,
    WeightsLoaded,
    event_from_json,
)
from engine.messages import Message, phrase
from tests.untranslated_words import untranslated_words
from tui.text import set_language
from tui.text.events import describe_event

MESSAGE = Message("c", "{path}: the disk is full in {stage}.", {"path": "a/b", "stage": phrase("freeze")})
EVENTS: tuple[Event, ...] = (
    RunStarted(run="r", plan={}, epoch=0, step=0, continued=False),
    RunStarted(run="r", plan={}, epoch=3, step=0, continued=True, note=MESSAGE),
    WeightsLoaded(file="f", kind="own", matched=3, total=4, skipped=(MESSAGE,)),
    StageStarted(stage="freeze", epoch=0, batch_size=8, init_lr=0.01, min_lr=0.001),
    StageStarted(stage="unfreeze", epoch=0, batch_size=8, init_lr=0.01, min_lr=0.001),
    BatchChanged(stage="freeze", epoch=0, step=0, batch_size=2, init_lr=0.01, min_lr=0.001),
    BatchChanged(stage="freeze", epoch=0, step=0, batch_size=2, init_lr=0.01, min_lr=0.001, accumulate=4),
    EpochFinished(stage="freeze", epoch=0, train_loss=1.0, val_loss=None, seconds=100),
    EpochFinished(stage="freeze", epoch=0, train_loss=1.0, val_loss=2.0, seconds=10_000),
    Evaluated(epoch=0, map50=0.5, map50_95=0.2, best=False),
    Evaluated(epoch=0, map50=0.5, map50_95=0.2, best=True),
    CheckpointSaved(path="p", epoch=0, step=0, seconds=0.5),
    ImageSkipped(image="i", reason=MESSAGE),
    Paused(epoch=0, step=0),
    Resumed(epoch=0, step=0),
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
    ),
    LossNotFinite(stage="freeze", epoch=0, step=0, images=("i",), message=MESSAGE),
    Stopped(epoch=0, step=0, checkpoint="p"),
    Finished(run="r", best="b", last="l", map50=None, map50_95=None, seconds=200_000),
    Finished(run="r", best="b", last="l", map50=0.5, map50_95=0.2, seconds=5),
    Failed(code="c", message=MESSAGE, exit_code=2, checkpoint=None),
)


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    set_language("en")


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_name())
def test_every_word_about_an_event_comes_from_the_catalogue(event: Event) -> None:
    set_language("pseudo")
    read = event_from_json(json.loads(event.to_line()))
    assert read is not None
    text = describe_event(read)
    assert text is not None
    assert "⟦" in text
    assert untranslated_words(text) == []
