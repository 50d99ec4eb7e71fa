"""Other programs on the processor: how much they take, and threads that follow them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from engine.events import ThreadsChanged, event_from_json
from engine.hardware.neighbours import NeighbourMeter, UsedTimes, used_by_others
from engine.messages import BadInput
from engine.planning.device import choose_threads
from engine.recipe import make_recipe
from engine.training.adaptive_threads import PERIOD, AdaptiveThreads
from tests.given_hardware import PROCESSOR_ONLY


def test_what_others_use_is_everything_less_what_this_process_and_its_own_used() -> None:
    before = UsedTimes(clock=10.0, processors=4, everything=100.0, own={1: 50.0, 2: 5.0})
    after = UsedTimes(clock=20.0, processors=4, everything=130.0, own={1: 58.0, 3: 2.0})  # 2 has ended, 3 is new
    assert used_by_others(before, after) == pytest.approx((30 - 8 - 2) / 40)


def test_figures_that_do_not_match_exactly_stay_between_none_and_all() -> None:
    before = UsedTimes(clock=10.0, processors=2, everything=100.0, own={1: 50.0})
    assert used_by_others(before, UsedTimes(11.0, 2, 100.5, {1: 51.0})) == 0
    assert used_by_others(before, UsedTimes(11.0, 2, 103.0, {1: 50.0})) == 1


def test_the_first_reading_and_one_too_soon_after_it_measure_nothing() -> None:
    meter = NeighbourMeter()
    assert meter.read() is None
    assert meter.read() is None


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def adapted(others: list[float | None], most: int = 4) -> list[int | None]:
    """The numbers of threads that a training is told where other programs take these fractions, look by look."""
    readings, clock = iter([None, *others]), iter(range(len(others) + 1))
    adaptive = AdaptiveThreads(most, lambda: next(readings), lambda: next(clock) * PERIOD)
    changes = [adaptive.update() for _ in others]
    return [None if change is None else change.threads for change in changes]


@pytest.mark.usefixtures("threads")
def test_threads_leave_the_cores_that_others_use_and_return_when_they_are_free() -> None:
    assert adapted([0.25, 0.25, 0.25, 0.0, 0.0]) == [None, 3, None, None, 4]
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("threads")
def test_a_program_that_runs_for_a_moment_changes_nothing() -> None:
    assert adapted([0.9, 0.0, 0.9, 0.0, None, 0.05]) == [None] * 6


@pytest.mark.usefixtures("threads")
def test_one_thread_is_always_left() -> None:
    assert adapted([1.0, 1.0], most=2) == [None, 1]


def test_threads_are_a_number_or_one_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = PROCESSOR_ONLY.processor.cores
    assert choose_threads(PROCESSOR_ONLY, 1, "auto") == choose_threads(PROCESSOR_ONLY, 1, "adapt") == cores
    assert choose_threads(PROCESSOR_ONLY, 1, 3) == 3
    assert os.environ.get("OMP_NUM_THREADS") is None


def test_adapting_in_several_processes_is_refused_with_what_to_set() -> None:
    with pytest.raises(BadInput, match="set threads=auto"):
        make_recipe({"threads": "adapt", "parallel": "ddp"})
    assert make_recipe({"threads": "adapt"}).threads == "adapt"
    with pytest.raises(BadInput, match="threads"):
        make_recipe({"threads": 0})


def test_the_event_survives_its_line() -> None:
    event = ThreadsChanged(time=1.0, epoch=2, step=3, threads=1, others=0.5)
    assert event_from_json(event.to_json()) == event
