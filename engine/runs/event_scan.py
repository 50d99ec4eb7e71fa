"""What a list of runs shows of a run's events. Of a long log only the part is read that is new since the last time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import Any, BinaryIO, ClassVar, Literal

from pydantic import BaseModel, Field

from engine.events import (
    EpochFinished,
    Evaluated,
    Event,
    Failed,
    Finished,
    LossNotFinite,
    OutOfMemory,
    RunStarted,
    StageStarted,
    Step,
    Stopped,
    event_from_line,
)
from engine.files import temporary_name
from engine.plan import StageName
from engine.regular_files import read_regular_file
from engine.runs.folder import event_lines, open_event_log

_SUMMARY = "summary.json"
_STEP = b'{"event":"step",'
_MIN_NEW_BYTES = 2**16
"""So much must be new before it is stored: reading less takes less time than writing a file."""
_FINGERPRINT_BYTES = 256
_MAX_SUMMARY_BYTES = 2**25

RunEnd = Finished | Stopped | OutOfMemory | LossNotFinite | Failed


Point = tuple[float, float]
"""Epochs that were finished, and a value after the last of them."""


class EpochCurve(BaseModel):
    """A curve over the epochs in at most `MAX_POINTS` points. When they are too many, neighbouring points become their mean."""

    MAX_POINTS: ClassVar[int] = 64

    points: list[Point] = []
    values_per_point: int = Field(1, ge=1)
    rest: list[Point] = []
    """Values that do not make a whole point yet."""

    def append(self, epoch: int, value: float) -> None:
        """Add the value after `epoch`, which counts from 0."""
        self.rest.append((epoch + 1, value))
        if len(self.rest) < self.values_per_point:
            return
        self.points.append(_mean_point(self.rest))
        self.rest = []
        if len(self.points) == self.MAX_POINTS:
            self.points = [_mean_point(pair) for pair in zip(self.points[::2], self.points[1::2], strict=True)]
            self.values_per_point *= 2

    @property
    def all_points(self) -> tuple[Point, ...]:
        """The points, the incomplete last one included."""
        return (*self.points, _mean_point(self.rest)) if self.rest else tuple(self.points)


class EventScan(BaseModel):
    """The events of a run up to `offset`, as far as a list of runs shows them. Epochs count from 0."""

    version: Literal[2] = 2
    offset: int = Field(0, ge=0)
    """How many bytes of the log were read."""
    fingerprint: str = ""
    """Of the last bytes before `offset`: they differ where a resumed run has replaced them."""
    stage: StageName | None = None
    epoch: int | None = None
    last_epoch: int | None = None
    step: int | None = None
    """Steps of `epoch` that were done; None where the epoch is finished."""
    steps: int | None = None
    """Steps that `epoch` has."""
    data: str | None = None
    """Path of the data set."""
    preset: str | None = None
    network: str | None = None
    losses: EpochCurve = Field(default_factory=EpochCurve)
    val_losses: EpochCurve = Field(default_factory=EpochCurve)
    maps: EpochCurve = Field(default_factory=EpochCurve)
    """mAP50 on the validation split."""
    best_map50: float | None = None
    best_val_loss: float | None = None
    started: float | None = None
    last_line: str = ""
    """The last event, if it ended the run."""

    @property
    def end(self) -> RunEnd | None:
        """The event that ended the run; None where another followed, or none came."""
        event = event_from_line(self.last_line) if self.last_line else None
        return event if isinstance(event, RunEnd) else None

    def apply(self, line: bytes) -> None:
        """Add the next line of the log; a damaged one changes nothing."""
        text = line.decode("utf-8", "replace")
        if (event := event_from_line(text)) is not None:
            self._apply_event(event)
            self.last_line = text if isinstance(event, RunEnd) else ""

    def _apply_event(self, event: Event) -> None:
        match event:
            case RunStarted():
                if self.started is None:
                    self.started = event.time
                self.step = event.step
                self.steps = self.steps if event.epoch == self.epoch else None
                self.epoch = event.epoch
                self._apply_plan(event.plan)
            case StageStarted():
                self.stage, self.epoch = event.stage, event.epoch
            case Step():
                self.stage, self.epoch = event.stage, event.epoch
                self.step, self.steps = event.step + 1, event.steps
            case EpochFinished():
                self.stage, self.epoch = event.stage, event.epoch
                self.step = self.steps = None
                self.losses.append(event.epoch, event.train_loss)
                if event.val_loss is not None:
                    self.val_losses.append(event.epoch, event.val_loss)
                    self.best_val_loss = min(_present(event.val_loss, self.best_val_loss))
            case Evaluated():
                self.maps.append(event.epoch, event.map50)
                self.best_map50 = max(_present(event.map50, self.best_map50))

    def _apply_plan(self, plan: Mapping[str, Any]) -> None:
        stages, data, recipe = plan.get("stages"), plan.get("data"), plan.get("recipe", {})
        self.last_epoch = stages[-1]["last_epoch"] if stages else None
        self.data = _text(data.get("path")) if isinstance(data, dict) else None
        self.preset, self.network = _text(plan.get("preset")), _text(recipe.get("network"))


def scan_events(run: Path) -> EventScan:
    """The events of the run in the folder `run`.

    Raises:
        BadInput: its log exists and cannot be read.
    """
    with open_event_log(run) as file:
        scan = _stored_scan(run)
        if scan is None or scan.fingerprint != _fingerprint(file, scan.offset):
            scan = EventScan()
        known = scan.offset
        file.seek(known)
        incomplete = _apply_lines(scan, file)
        scan.offset = file.tell() - len(incomplete)
        scan.fingerprint = _fingerprint(file, scan.offset)
    if scan.offset - known >= _MIN_NEW_BYTES:
        _store_scan(run, scan)
    if incomplete:
        scan.apply(incomplete)
    return scan


def _apply_lines(scan: EventScan, file: BinaryIO) -> bytes:
    """Add the lines that follow; returns the last where it is incomplete."""
    # Nearly all lines are steps, and of neighbouring steps only the last changes anything.
    step = b""
    for line in event_lines(file):
        if not line.endswith(b"\n"):
            scan.apply(step)
            return line
        if line.startswith(_STEP):
            step = line
            continue
        if step:
            scan.apply(step)
            step = b""
        scan.apply(line)
    scan.apply(step)
    return b""


def _mean_point(points: Sequence[Point]) -> Point:
    if len(points) == 1:
        return points[0]
    return fmean(epoch for epoch, _value in points), fmean(value for _epoch, value in points)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _present(*values: float | None) -> list[float]:
    return [value for value in values if value is not None]


def _fingerprint(file: BinaryIO, offset: int) -> str:
    start = max(0, offset - _FINGERPRINT_BYTES)
    file.seek(start)
    return hashlib.sha256(file.read(offset - start)).hexdigest()


def _stored_scan(run: Path) -> EventScan | None:
    with suppress(OSError, ValueError):
        return EventScan.model_validate_json(read_regular_file(run / _SUMMARY, _MAX_SUMMARY_BYTES))
    return None


def _store_scan(run: Path, scan: EventScan) -> None:
    """Store it in the run folder; a folder that cannot be written is read again the next time."""
    path = run / _SUMMARY
    temporary = path.with_name(temporary_name(path.name))
    with suppress(OSError):
        try:
            temporary.write_text(scan.model_dump_json(), encoding="utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
