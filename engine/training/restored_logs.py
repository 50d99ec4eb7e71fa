"""Sets the text logs of a run back to what they were when a checkpoint was saved."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from engine.evaluation.curves import LOSS, MAP, VAL_LOSS
from engine.events import EpochFinished, Evaluated, Event
from engine.files import write_text
from engine.runs.folder import EVENTS, read_events

_EPOCH_LOGS = (LOSS, VAL_LOSS, MAP)
LOGS = (EVENTS, *_EPOCH_LOGS)


def epoch_lines(event: Event) -> Iterator[tuple[str, str]]:
    """The lines, each with the name of its log, that an event adds to the logs of epochs."""
    match event:
        case EpochFinished():
            yield LOSS, f"{event.train_loss!r}"
            if event.val_loss is not None:
                yield VAL_LOSS, f"{event.val_loss!r}"
        case Evaluated():
            # With the epoch, since mAP is not measured in every epoch.
            yield MAP, f"{event.epoch} {event.map50!r} {event.map50_95!r}"


def epoch_record(event: EpochFinished | Evaluated) -> dict[str, Any]:
    """The event as a checkpoint stores it: also with values that JSON has no number for.

    Without the AP of each class, which would make the checkpoint of a long training with many classes grow by megabytes.
    """
    names = (f.name for f in fields(event) if f.name != "per_class")
    return {"event": event.event_name(), **{name: getattr(event, name) for name in names}}


def best_epoch(records: Sequence[Mapping[str, Any]]) -> int | None:
    """The last epoch whose weights were the best so far; None before the first mAP."""
    epochs = [record["epoch"] for record in records if record.get("best")]
    return epochs[-1] if epochs and isinstance(epochs[-1], int) else None


def finished_epochs(
    records: Iterable[Mapping[str, Any]], first: int, end: int
) -> tuple[EpochFinished | Evaluated, ...]:
    """The events that `epoch_record` stored; none where they are not those of every epoch from `first` to before `end`."""
    types: dict[str, type[EpochFinished] | type[Evaluated]] = {
        event_type.event_name(): event_type for event_type in (EpochFinished, Evaluated)
    }
    try:
        events = tuple(
            types[record["event"]](**{name: value for name, value in record.items() if name != "event"})
            for record in records
        )
    except (KeyError, TypeError, AttributeError):
        return ()
    numbers = [event.epoch for event in events if isinstance(event, EpochFinished)]
    return events if numbers == list(range(first, end)) else ()


def restore_logs(run: Path, lengths: Mapping[str, int], epochs: Sequence[EpochFinished | Evaluated]) -> int:
    """Set the logs back to the `lengths` that a checkpoint stores, and rewrite those of epochs from its `epochs`.

    Checkpoints of older versions have no `epochs`; then every log is set back to its length.

    Returns:
        How many bytes the log of events had lost, although the checkpoint counts on them.

    Raises:
        OSError: a log cannot be written.
        BadInput: the disk is full.
    """
    lost = _truncate(run / EVENTS, lengths.get(EVENTS, 0))
    if lost:
        _add_lost_epochs(run, epochs)
    for name in _EPOCH_LOGS:
        if epochs:
            _write_if_changed(run / name, (line for event in epochs for log, line in epoch_lines(event) if log == name))
        else:
            _truncate(run / name, lengths.get(name, 0))
    return lost


def _truncate(path: Path, length: int) -> int:
    """Remove what follows `length`, and an incomplete last line; returns how many bytes are missing."""
    with path.open("ab+") as file:
        size = min(length, file.tell())
        file.truncate(size)
        size = _end_of_last_line(path, size)
        file.truncate(size)
        os.fsync(file.fileno())
    return max(0, length - size)


def _end_of_last_line(path: Path, size: int) -> int:
    """The length of the complete lines within the first `size` bytes."""
    with path.open("rb") as file:
        while size > 0:
            start = max(0, size - 2**16)
            file.seek(start)
            found = file.read(size - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            size = start
    return 0


def _add_lost_epochs(run: Path, epochs: Iterable[EpochFinished | Evaluated]) -> None:
    kept = {(type(event), event.epoch) for event in read_events(run) if isinstance(event, EpochFinished | Evaluated)}
    with (run / EVENTS).open("a", encoding="utf-8", newline="\n") as file:
        for event in epochs:
            if (type(event), event.epoch) not in kept:
                file.write(f"{event.to_line()}\n")


def _write_if_changed(path: Path, lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if not path.is_file() or path.read_bytes() != text.encode():
        write_text(path, text)
