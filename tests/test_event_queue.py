"""The queue between a training, which never waits, and the reader of its events."""

from __future__ import annotations

import threading

from engine.events import (
    EpochFinished,
    Event,
    Step,
)
from tests.made_events import STARTED, epoch, step
from tui.cli.event_queue import MAX_STEPS, EventQueue


def taken(event_queue: EventQueue) -> list[Event]:
    event_queue.close()
    events = []
    while (event := event_queue.get()) is not None:
        events.append(event)
    return events


def test_everything_comes_out_in_its_order() -> None:
    event_queue = EventQueue()
    events: list[Event] = [STARTED, step(0), step(1), epoch(0), step(2)]
    for event in events:
        event_queue.put(event)
    assert taken(event_queue) == events


def test_a_reader_that_does_not_read_misses_the_oldest_steps_and_nothing_else() -> None:
    event_queue = EventQueue()
    for number in range(5000):
        event_queue.put(step(number))
        if number % 100 == 0:
            event_queue.put(epoch(number // 100))
    events = taken(event_queue)
    assert [event.epoch for event in events if isinstance(event, EpochFinished)] == list(range(50))
    assert [event.step for event in events if isinstance(event, Step)] == list(range(5000 - MAX_STEPS, 5000))


def test_putting_does_not_wait_for_a_slow_reader() -> None:
    event_queue = EventQueue()
    read: list[Event] = []
    may_read = threading.Event()

    def read_late() -> None:
        while (event := event_queue.get()) is not None:
            read.append(event)
            may_read.wait()

    reader = threading.Thread(target=read_late, daemon=True)
    reader.start()
    for number in range(5000):  # would never end if it waited for the reader
        event_queue.put(step(number))
    event_queue.put(epoch(0))
    event_queue.close()
    may_read.set()
    reader.join()
    assert isinstance(read[-1], EpochFinished)
    assert len(read) <= MAX_STEPS + 2


def test_taking_waits_for_what_is_not_there_yet() -> None:
    event_queue = EventQueue()
    threading.Timer(0.05, event_queue.put, (step(7),)).start()
    event = event_queue.get()
    assert isinstance(event, Step)
    assert event.step == 7
    event_queue.close()
    assert event_queue.get() is None
