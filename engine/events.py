"""Events of a run: frozen dataclasses, each with a JSON form of one line.

A training yields them; the screens, the commands and events.jsonl consume them. Epochs and steps count from 0, losses are
means per step, memory is in bytes, durations are in seconds. `time` is the Unix time at which the event was made.
"""

from __future__ import annotations

import json
import math
import re
import time as clock
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from engine.messages import Message, from_record, to_record
from engine.plan import StageName


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a run."""

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ()
    """Fields that hold a Message, a tuple of Messages or None. JSON has their English text, and beside it, under
    `<field>_parts`, what is needed to translate it."""

    time: float = field(default_factory=clock.time)

    @classmethod
    def event_name(cls) -> str:
        """The name in the JSON field `event`: the class's name in snake_case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def to_json(self) -> dict[str, Any]:
        """A JSON object. A float that is not finite becomes null: JSON has no number for it."""
        stored: dict[str, Any] = {"event": self.event_name()}
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            stored.update(_messages_to_json(name, value) if name in self.MESSAGE_FIELDS else {name: _to_json(value)})
        return stored

    def to_line(self) -> str:
        """One line of events.jsonl, without the line break."""
        return json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run starts, or resumes at `epoch` and `step` (`continued`). `note` says which settings were changed."""

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ("note",)

    run: str
    plan: Mapping[str, Any]
    epoch: int
    step: int
    continued: bool
    note: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsLoaded(Event):
    """The weights a run starts from. `matched` of the network's `total` convolutions are in the file; `skipped` says which
    are not, and why.
    """

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ("skipped",)

    file: str
    kind: str
    matched: int
    total: int
    skipped: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted(Event):
    """A stage starts or resumes."""

    stage: StageName
    epoch: int
    batch_size: int
    init_lr: float
    min_lr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Event):
    """One optimizer step. `data_wait` is the fraction of the step's time spent waiting for images, 0 to 1."""

    stage: StageName
    epoch: int
    step: int
    steps: int
    loss: float
    box: float
    objectness: float
    classes: float
    lr: float
    images_per_second: float
    data_wait: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochFinished(Event):
    """The last step of an epoch and its validation are done. `val_loss` is None without validation images."""

    stage: StageName
    epoch: int
    train_loss: float
    val_loss: float | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated(Event):
    """mAP on the validation split after `epoch`."""

    epoch: int
    map50: float
    map50_95: float
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(Event):
    """The run can be resumed at `epoch` and `step`."""

    path: str
    epoch: int
    step: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSkipped(Event):
    """An image could not be read and was left out of its batch."""

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ("reason",)

    image: str
    reason: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfMemory(Event):
    """The memory of `where` (a torch device) ran out.

    During validation both batch sizes are those of the validation. `checkpoint` is the file to resume from. `message` says
    what happened, `hint` what to do on the command line.
    """

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ("message", "hint")

    stage: StageName
    epoch: int
    step: int
    batch_size: int
    suggested_batch_size: int | None
    where: str
    during: Literal["start", "training", "validation"]
    checkpoint: str | None
    message: Message
    hint: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchChanged(Event):
    """From this step on the stage trains with another batch size; `accumulate` batches make one step."""

    stage: StageName
    epoch: int
    step: int
    batch_size: int
    init_lr: float
    min_lr: float
    accumulate: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LossNotFinite(Event):
    """The loss became infinite or NaN and the run ended. `images` are those of the batch."""

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ("message", "hint")

    stage: StageName
    epoch: int
    step: int
    images: tuple[str, ...]
    message: Message
    hint: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Event):
    """The training is paused."""

    epoch: int
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """The training resumes after a pause."""

    epoch: int
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Event):
    """The run was stopped on request, after saving a checkpoint."""

    epoch: int
    step: int
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Event):
    """All epochs are done. `best` and `last` are weights files."""

    run: str
    best: str
    last: str
    map50: float | None
    map50_95: float | None
    seconds: float


CARD_STOPPED = "train.card_stopped"
"""Code of `Failed` where the device failed, not the training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """The run ended with an error. `exit_code` is that of the command, `checkpoint` the file to resume from, if there is one."""

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ("message", "hint")

    code: str
    message: Message
    exit_code: int
    checkpoint: str | None
    hint: Message | None = None


_EVENT_TYPES: dict[str, type[Event]] = {
    event_type.event_name(): event_type
    for event_type in (
        RunStarted, WeightsLoaded, StageStarted, Step, EpochFinished, Evaluated, CheckpointSaved, ImageSkipped, OutOfMemory, BatchChanged,
        LossNotFinite, Paused, Resumed, Stopped, Finished, Failed,
    )
}  # fmt: skip


def event_from_json(stored: Mapping[str, Any]) -> Event | None:
    """The event in `stored`; None where this version does not know its type or its fields."""
    event_type = _EVENT_TYPES.get(str(stored.get("event")))
    if event_type is None:
        return None
    parts = {f"{name}_parts" for name in event_type.MESSAGE_FIELDS}
    values: dict[str, Any] = {}
    for name, value in stored.items():
        if name in event_type.MESSAGE_FIELDS:
            values[name] = _messages_from_json(value, stored.get(f"{name}_parts"))
        elif name != "event" and name not in parts:
            values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return event_type(**values)
    except TypeError:
        return None


def _to_json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value


def _messages_to_json(name: str, value: Message | tuple[Message, ...] | None) -> dict[str, Any]:
    if value is None:
        return {name: ""}
    if isinstance(value, Message):
        return {name: str(value), f"{name}_parts": to_record(value)}
    return {name: [str(message) for message in value], f"{name}_parts": [to_record(message) for message in value]}


def _messages_from_json(text: Any, parts: Any) -> Message | tuple[Message, ...] | None:
    if isinstance(text, list):
        records = parts if isinstance(parts, list) and len(parts) == len(text) else [None] * len(text)
        return tuple(from_record(record, str(line)) for line, record in zip(text, records, strict=True))
    return from_record(parts, str(text)) if text else None
