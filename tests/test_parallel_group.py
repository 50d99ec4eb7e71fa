"""Two processes train as one does with twice as many batches in a step; what happens in one of them happens in both."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
import torch

from engine.events import (
    BatchChanged,
    EpochFinished,
    Evaluated,
    Event,
    Failed,
    Finished,
    ImageSkipped,
    LossNotFinite,
    OutOfMemory,
    Paused,
    RunStarted,
    Step,
    Stopped,
)
from engine.network.detector import build_network
from engine.parallel.group import ProcessGroup
from engine.planning.synthetic import synthetic_batch
from engine.recipe import make_recipe
from engine.runs.folder import read_events
from engine.training.checkpoint import load_newest
from engine.training.control import Control
from engine.training.learner import Learner
from tests.small_training import final_weights, only_run, prepare, same_bits, train

if sys.platform == "win32":
    pytest.skip("the processes are forked", allow_module_level=True)

from tests.parallel_training import ONE, SMALL, Fault, Job, steps, train_together

CPU = torch.device("cpu")
IMAGES = 24
"""Of which twenty train: two steps in the freeze stage and five in each epoch of the unfreeze stage."""

Processes = tuple[Path, list[list[Event]]]
Process = tuple[Path, list[Event]]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    prepare(tmp_path, IMAGES)
    return tmp_path


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Processes:
    """The workspace and the events of a training in two processes."""
    workspace = tmp_path_factory.mktemp("two")
    prepare(workspace, IMAGES)
    return workspace, train_together(Job(workspace))


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Process:
    """The same in one process."""
    workspace = tmp_path_factory.mktemp("one")
    prepare(workspace, IMAGES)
    return workspace, train(workspace, **ONE)


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def only(events: list[Event], kind: type[Event]) -> Event:
    (event,) = [event for event in events if isinstance(event, kind)]
    return event


def test_the_losses_are_those_of_one_process(one: Process, two: Processes) -> None:
    expected, found = steps(one[1]), steps(two[1][0])
    assert {step.stage for step in found} == {"freeze", "unfreeze"}
    assert [step.loss for step in found] == pytest.approx([step.loss for step in expected], rel=1e-5)
    assert [step.lr for step in found] == [step.lr for step in expected]


def test_weights_and_running_statistics_are_those_of_one_process(one: Process, two: Processes) -> None:
    expected, found = final_weights(only_run(one[0])), final_weights(only_run(two[0]))
    for name, tensor in expected.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


def test_validation_is_that_of_one_process(one: Process, two: Processes) -> None:
    def values(events: list[Event]) -> list[float]:
        losses = [event.val_loss for event in events if isinstance(event, EpochFinished)]
        return [loss for loss in losses if loss is not None] + [e.map50 for e in events if isinstance(e, Evaluated)]

    assert values(two[1][0]) == pytest.approx(values(one[1]), rel=1e-4, abs=1e-6)


def test_all_processes_tell_the_same_and_the_first_one_writes_it(two: Processes) -> None:
    workspace, (first, second) = two
    assert [step.loss for step in steps(first)] == [step.loss for step in steps(second)]
    assert kinds(first) == kinds(second)
    assert kinds(read_events(only_run(workspace))) == kinds(first)
    assert load_newest(only_run(workspace)).processes == 2


def test_the_tutorials_loss_is_that_of_one_process(tmp_path: Path) -> None:
    settings = {"method": "tutorial", "network": "yolov4-tiny", "freeze_train": False, "unfreeze_epoch": 1}
    losses = []
    for name in ("one", "two"):
        workspace = tmp_path / name
        workspace.mkdir()
        prepare(workspace, IMAGES)
        if name == "one":
            losses.append([step.loss for step in steps(train(workspace, **{**ONE, **settings}))])
        else:
            losses.append([step.loss for step in steps(train_together(Job(workspace, settings))[0])])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_on_cards_too_what_happens_in_one_process_happens_in_both(workspace: Path) -> None:
    """There the loss is checked one step later; so memory that runs out is told after the backward pass."""
    job = Job(workspace, SMALL, on_out_of_memory="retry", prepare=Fault(1, 1, "forward"), as_on_a_card=True)
    first, second = train_together(job)
    assert kinds(first) == kinds(second)
    assert only(first, OutOfMemory)
    assert isinstance(first[-1], Finished)
    assert [step.loss for step in steps(first)] == [step.loss for step in steps(second)]


@pytest.mark.parametrize(
    ("fault", "settings"),
    [
        (Fault(1, 1, "forward"), SMALL),
        (Fault(1, 1, "backward"), {**SMALL, "network": "yolov4-tiny", "model_path": "start.pth"}),  # in several buckets
        (Fault(1, 1, "update"), SMALL),
        (Fault(0, 0, "validation"), SMALL),  # the second process may have no images to validate
    ],
    ids=lambda value: value.where if isinstance(value, Fault) else "",
)
def test_memory_that_runs_out_in_one_process_lowers_the_batch_of_both(
    workspace: Path, fault: Fault, settings: dict[str, object]
) -> None:
    first, second = train_together(Job(workspace, settings, on_out_of_memory="retry", prepare=fault))
    assert kinds(first) == kinds(second)
    event = only(first, OutOfMemory)
    assert isinstance(event, OutOfMemory)
    assert event.during == ("validation" if fault.where == "validation" else "training")
    if event.during == "training":
        changed = only(first, BatchChanged)
        assert isinstance(changed, BatchChanged)
        assert changed.batch_size == event.suggested_batch_size
    assert isinstance(first[-1], Finished)
    assert [step.loss for step in steps(first)] == [step.loss for step in steps(second)]


def test_a_loss_that_is_no_number_in_one_process_stops_both_and_names_all_images(workspace: Path) -> None:
    first, second = train_together(Job(workspace, SMALL, prepare=Fault(1, 1, "not_finite")))
    assert kinds(first) == kinds(second)
    event = first[-1]
    assert isinstance(event, LossNotFinite)
    assert event.step == 1
    assert len(event.images) == 8


def test_what_another_process_cannot_do_ends_the_run_with_one_sentence(workspace: Path) -> None:
    first, second = train_together(Job(workspace, SMALL, prepare=Fault(1, 1, "refused")))
    assert isinstance(first[-1], Failed)
    assert isinstance(second[-1], Failed)
    assert str(first[-1].message) == "Rank 1 on cpu failed: no images are left"
    assert first[-1].exit_code == 2


def _pause(event: Event, group: ProcessGroup, control: Control) -> None:
    """In the second process alone: a pause after the second step, and another batch size during it."""
    if group.rank == 0:
        return
    if isinstance(event, Step) and event.step == 1:
        control.pause()
    elif isinstance(event, Paused):
        control.lower_batch(5)
        threading.Timer(0.5, control.resume).start()


def _stop(event: Event, group: ProcessGroup, control: Control) -> None:
    """In the second process alone: a stop in the unfreeze stage."""
    if group.rank == 1 and isinstance(event, Step) and event.stage == "unfreeze" and event.step == 2:
        control.stop()


def test_what_is_asked_of_one_process_is_done_by_both(workspace: Path) -> None:
    first, second = train_together(Job(workspace, {**SMALL, "unfreeze_batch_size": 6}, watch=_pause))
    assert kinds(first) == kinds(second)
    changed = only(first, BatchChanged)
    assert isinstance(changed, BatchChanged)
    assert changed.batch_size == 4  # two images for each process
    assert isinstance(first[-1], Finished)


def test_a_run_that_was_stopped_is_resumed_to_the_same_bits(workspace: Path, two: Processes) -> None:
    first, second = train_together(Job(workspace, watch=_stop))
    assert isinstance(first[-1], Stopped)
    assert kinds(first) == kinds(second)
    resumed, _ = train_together(Job(workspace, run=only_run(workspace)))
    assert isinstance(resumed[0], RunStarted)
    assert resumed[0].continued
    assert same_bits(final_weights(only_run(workspace)), final_weights(only_run(two[0])))


def test_several_cards_in_one_process_train_as_one_does(workspace: Path) -> None:
    """On the processor torch's DataParallel has one copy of the network."""
    recipe = make_recipe({"network": "yolov4-tiny", "input_shape": [64, 64]})
    losses = []
    for devices in ((), (CPU, CPU)):
        torch.manual_seed(0)
        learner = Learner(recipe, build_network("yolov4-tiny", 3), CPU, "fp32", 100, devices=devices)
        learner.enter_stage("freeze")
        batch = synthetic_batch(4, (64, 64), boxes=3, classes=3)
        losses.append([learner.step([batch], 1e-3, step, check_loss=True).tolist() for step in range(2)])
    for one, several in zip(*losses, strict=True):
        assert several == pytest.approx(one, rel=1e-5)


def test_an_image_that_one_process_cannot_read_is_reported_once(workspace: Path) -> None:
    lists = next((workspace / "data").rglob("ImageSets")) / "Main"
    name = (lists / "train.txt").read_text(encoding="utf-8").split()[0]
    image = next((workspace / "data").rglob(f"{name}.jpg"))
    image.write_bytes(image.read_bytes()[:100])
    first, second = train_together(Job(workspace, {**SMALL, "mosaic": False}))
    assert kinds(first) == kinds(second)
    skipped = only(first, ImageSkipped)
    assert isinstance(skipped, ImageSkipped)
    assert skipped.image == str(image)
    assert isinstance(first[-1], Finished)
