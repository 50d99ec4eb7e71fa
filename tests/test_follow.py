"""A run is followed while another process writes it: new events, logs that are set back, processes that die."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.events import CommandAnswered, EpochFinished, Event, Finished, RunStarted, Step, Stopped
from engine.runs import follow
from engine.runs.folder import EVENTS
from engine.runs.follow import EventFollower, RunWatch
from engine.runs.lock import run_lock
from tests.made_events import STARTED, epoch, step

STOPPED = Stopped(epoch=0, step=1, checkpoint="last.ckpt")
FINISHED = Finished(run="r", best="b.pth", last="l.pth", map50=0.5, map50_95=0.25, seconds=1.0)
EXTENDED = CommandAnswered(id="1", command="extend", value=5, accepted=True)


def write(run: Path, *events: Event, end: str = "\n") -> None:
    with (run / EVENTS).open("a", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(event.to_line() for event in events) + end)


def test_each_read_returns_what_is_new(tmp_path: Path) -> None:
    follower = EventFollower(tmp_path)
    assert follower.read().events == ()
    write(tmp_path, STARTED, step(0))
    batch = follower.read()
    assert [type(event) for event in batch.events] == [RunStarted, Step]
    assert batch.is_from_start
    write(tmp_path, epoch(0))
    batch = follower.read()
    assert [type(event) for event in batch.events] == [EpochFinished]
    assert not batch.is_from_start
    assert follower.read().events == ()


def test_a_half_written_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    follower = EventFollower(tmp_path)
    write(tmp_path, STARTED)
    follower.read()
    line = FINISHED.to_line()
    with (tmp_path / EVENTS).open("a", encoding="utf-8") as file:
        file.write(line[:40])
        file.flush()
        assert follower.read().events == ()
        file.write(line[40:] + "\n")
    assert follower.read().events == (FINISHED,)


@pytest.mark.parametrize("more", [0, 20], ids=["shorter", "longer than before"])
def test_a_log_that_was_set_back_is_read_from_its_start(tmp_path: Path, more: int) -> None:
    follower = EventFollower(tmp_path)
    write(tmp_path, STARTED, step(0), step(1), epoch(0))
    assert len(follower.read().events) == 4
    kept = (tmp_path / EVENTS).read_text(encoding="utf-8").splitlines(keepends=True)[:2]
    (tmp_path / EVENTS).write_text("".join(kept), encoding="utf-8", newline="\n")
    write(tmp_path, STARTED, *(step(number) for number in range(1, more + 1)))
    batch = follower.read()
    assert batch.is_from_start
    assert len(batch.events) == 3 + more


def watched(run: Path, watch: RunWatch) -> Sequence[Event]:
    return [event for batch in watch.batches(threading.Event()) for event in batch.events]


def test_a_watch_ends_with_the_run(tmp_path: Path) -> None:
    write(tmp_path, STARTED, FINISHED)
    watch = RunWatch(tmp_path)
    assert watched(tmp_path, watch)[-1] == FINISHED
    assert not watch.has_died


def test_a_run_whose_process_has_gone_without_a_word_has_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "DEATH_SECONDS", 0.3)
    write(tmp_path, STARTED, step(0))
    watch = RunWatch(tmp_path)
    assert isinstance(watched(tmp_path, watch)[-1], Step)
    assert watch.has_died


def test_a_stop_that_was_asked_for_only_to_resume_is_waited_for(tmp_path: Path) -> None:
    write(tmp_path, STARTED, EXTENDED, STOPPED)
    watch, seen = RunWatch(tmp_path), list[Event]()
    for batch in watch.batches(threading.Event()):
        seen += batch.events
        if seen[-1] == STOPPED:
            write(tmp_path, STARTED, FINISHED)
    assert [type(event) for event in seen] == [RunStarted, CommandAnswered, Stopped, RunStarted, Finished]


def test_a_process_that_ends_before_it_resumes_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path, STARTED, STOPPED)
    watch = RunWatch(tmp_path, is_starting=lambda: False)
    assert watched(tmp_path, watch)[-1] == STOPPED
    assert watch.was_not_resumed


def test_a_watch_can_be_left_while_the_run_trains(tmp_path: Path) -> None:
    leave = threading.Event()
    with run_lock(tmp_path):
        write(tmp_path, STARTED)
        for batch in RunWatch(tmp_path).batches(leave):
            assert batch.events
            leave.set()
