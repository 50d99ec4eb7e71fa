"""What a training promises, on real steps."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from engine.dataset.formats import open_dataset
from engine.events import BatchChanged, Failed, ImageSkipped, LossNotFinite, StageStarted, Step
from engine.messages import BadInput
from engine.network.detector import build_network
from engine.planning.synthetic import synthetic_batch
from engine.recipe import load_recipe, make_recipe
from engine.runner.resume import resume
from engine.runner.start import exit_code, start
from engine.runs.folder import load_plan, save_plan
from engine.runs.summary import list_runs
from engine.training.checkpoint import load_newest
from engine.training.control import Control
from engine.training.learner import Learner
from engine.training.oom import is_out_of_memory
from engine.weights.load import load_network
from tests.small_training import SETTINGS, plan_and_dataset, prepare, train
from tests.training_passes import at_pass, card_busy, card_lost, out_of_memory, overflow


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    prepare(tmp_path, images=12)
    return tmp_path


def test_frozen_means_bit_identical_in_the_running_mean_too(workspace: Path) -> None:
    events = train(workspace, freeze_epoch=2, unfreeze_epoch=2)
    assert {event.stage for event in events if isinstance(event, StageStarted)} == {"freeze"}
    before = load_network(workspace / "model_data" / "start.pth")[0].state_dict()
    checkpoint = load_newest(Path(list_runs(workspace)[0].path))
    assert checkpoint.ema is not None
    for after in (checkpoint.network, checkpoint.ema):
        backbone = [name for name in before if name.startswith("backbone.")]
        assert all(torch.equal(before[name], after[name]) for name in backbone)
        assert not all(torch.equal(before[name], after[name]) for name in before)


def test_an_image_that_cannot_be_read_is_reported_once_a_run(workspace: Path) -> None:
    """It was reported in every epoch, and by every mosaic that drew it."""
    _, dataset = plan_and_dataset(workspace)
    broken = [dataset.image_path(int(dataset.splits[split][0])) for split in ("train", "val")]
    for path in broken:
        path.write_bytes(path.read_bytes()[:900])
    skipped = [event for event in train(workspace) if isinstance(event, ImageSkipped)]
    assert sorted(event.image for event in skipped) == sorted(map(str, broken))
    assert [event.count for event in skipped] == [1, 2]


def test_everything_moves_once_it_is_unfrozen(workspace: Path) -> None:
    train(workspace, freeze_epoch=1, unfreeze_epoch=2)
    before = load_network(workspace / "model_data" / "start.pth")[0].state_dict()
    after = load_newest(Path(list_runs(workspace)[0].path)).network
    weights = [name for name in before if name.endswith("conv.weight")]
    assert not any(torch.equal(before[name], after[name]) for name in weights)


def test_a_loss_that_is_no_number_stops_names_the_images_and_leaves_a_good_checkpoint(workspace: Path) -> None:
    with at_pass(3, overflow):
        *_, broken = train(workspace)
    assert isinstance(broken, LossNotFinite)
    assert exit_code(broken) == 4
    (run,) = list_runs(workspace)
    assert run.state == "loss_not_finite"
    assert set(broken.images) <= set(open_dataset(workspace / "data").images)
    assert len(broken.images) == SETTINGS[f"{broken.stage}_batch_size"]
    assert all(tensor.isfinite().all() for tensor in load_newest(Path(run.path)).network.values())


def test_a_card_that_stops_working_is_no_defect_and_the_run_can_be_resumed(workspace: Path) -> None:
    with at_pass(5, card_lost):
        *_, failed = train(workspace, unfreeze_epoch=2)
    assert isinstance(failed, Failed)
    assert (failed.code, exit_code(failed)) == ("train.card_stopped", 2)
    assert "unspecified launch failure)" in str(failed.message)
    assert "freezetui resume loss_" in str(failed.hint)
    (run,) = list_runs(workspace)
    assert run.state == "failed"
    assert exit_code(list(resume(Path(run.path), Control(), workspace=workspace))[-1]) == 0


def test_a_card_that_does_not_work_from_the_first_is_a_sentence_and_no_traceback(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.nn.Module, "to", card_busy)  # of torch: the first that touches the card
    *_, failed = train(workspace)
    assert isinstance(failed, Failed)
    assert (failed.code, exit_code(failed), failed.checkpoint) == ("train.card_stopped", 2, None)
    assert "busy or unavailable). Nothing was trained" in str(failed.message)
    assert list_runs(workspace)[0].state == "failed"


@pytest.mark.parametrize(
    ("asked", "batches"),
    [
        ({"unfreeze_batch_size": 2}, {"freeze": 4, "unfreeze": 2}),
        ({"freeze_batch_size": 2}, {"freeze": 2, "unfreeze": 2}),
    ],
)
def test_the_smaller_batch_that_out_of_memory_proposes_is_taken(
    workspace: Path, asked: dict[str, int], batches: dict[str, int]
) -> None:
    plan, dataset = plan_and_dataset(workspace, unfreeze_epoch=2, freeze_batch_size=8, unfreeze_batch_size=4)
    control = Control()
    control.stop()
    assert exit_code(list(start(plan, control, dataset))[-1]) == 130
    run = Path(list_runs(workspace)[0].path)
    events = list(resume(run, Control(), overrides=asked, workspace=workspace))
    assert exit_code(events[-1]) == 0
    assert {event.stage: event.batch_size for event in events if isinstance(event, StageStarted)} == batches
    assert load_recipe(run / "recipe.toml") == load_plan(run).recipe


def test_a_smaller_batch_in_mid_epoch_does_not_turn_the_learning_rate_back(tmp_path: Path) -> None:
    prepare(tmp_path, images=20)
    plan, dataset = plan_and_dataset(tmp_path, freeze_train=False, unfreeze_epoch=2, unfreeze_batch_size=4)
    control, steps = Control(), []
    for event in start(plan, control, dataset):
        if isinstance(event, Step):
            steps.append(event)
            if (event.epoch, event.step) == (1, 2):
                control.lower_batch(2)
    halved = [step for step in steps if step.epoch == 1]
    assert len(halved) > plan.stages[0].steps_per_epoch
    rates = [step.lr for step in steps]
    assert all(after < before for before, after in pairwise(rates))


def test_a_smaller_batch_that_is_asked_for_together_with_a_stop_holds_after_the_resume(tmp_path: Path) -> None:
    prepare(tmp_path, images=20)
    plan, dataset = plan_and_dataset(tmp_path, freeze_train=False, unfreeze_epoch=1, unfreeze_batch_size=4)
    control, events = Control(), []
    for event in start(plan, control, dataset):
        events.append(event)
        if isinstance(event, Step):
            control.lower_batch(2)
            control.stop()
    assert [event.batch_size for event in events if isinstance(event, BatchChanged)] == [2]
    assert exit_code(events[-1]) == 130
    run = Path(list_runs(tmp_path)[0].path)
    first = next(event for event in resume(run, Control(), workspace=tmp_path) if isinstance(event, StageStarted))
    assert first.batch_size == 2


@pytest.mark.parametrize(("method", "optimizer"), [("modern", "adamw"), ("modern", "sgd"), ("tutorial", "adam")])
def test_in_fp16_a_step_that_overflows_changes_no_weight_and_halves_the_scale(method: str, optimizer: str) -> None:
    recipe = make_recipe(
        {
            "input_shape": [64, 64],
            "method": method,
            "optimizer_type": optimizer,
            "weight_decay": 0.0,
            "precision": "fp16",
        }
    )
    learner = Learner(recipe, build_network("yolov4-tiny", 3), torch.device("cpu"), "fp16", 100)
    learner.enter_stage("unfreeze")
    example = synthetic_batch(2, (64, 64), boxes=5, classes=3)

    def moved() -> bool:
        before = [parameter.detach().clone() for parameter in learner.network.parameters()]
        learner.step([example], 1e-3, 0, check_loss=False)
        return any(not torch.equal(*pair) for pair in zip(before, learner.network.parameters(), strict=True))

    assert moved()
    learner.scaler.update(2.0**60)
    assert not moved()
    assert learner.scaler.get_scale() == 2.0**59
    assert learner.has_finite_weights()


def test_an_error_between_two_steps_takes_nothing_back() -> None:
    network = build_network("yolov4-tiny", 3)
    learner = Learner(make_recipe({}), network, torch.device("cpu"), "fp32", 100)
    learner.enter_stage("unfreeze")
    batch = synthetic_batch(2, (64, 64), 2, 3)
    learner.step([batch], 1e-3, 0, check_loss=False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert learner.rollback()
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_an_error_in_mid_step_takes_back_what_batch_norm_saw() -> None:
    network = build_network("yolov4-tiny", 3)
    learner = Learner(make_recipe({}), network, torch.device("cpu"), "fp32", 100)
    learner.enter_stage("unfreeze")
    batch = synthetic_batch(2, (64, 64), 2, 3)
    learner.step([batch], 1e-3, 0, check_loss=False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with at_pass(0, out_of_memory), pytest.raises(RuntimeError, match="memory"):
        learner.step([batch], 1e-3, 1, check_loss=False)
    assert not all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert learner.rollback()
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_a_run_whose_card_is_gone_is_refused_before_anything_is_written(workspace: Path) -> None:
    plan, dataset = plan_and_dataset(workspace)
    control = Control()
    events = start(plan, control, dataset)
    assert any(isinstance(event, StageStarted) for event in events)
    control.stop()
    list(events)
    run = Path(list_runs(workspace)[0].path)
    save_plan(run, replace(load_plan(run), device="cuda:7"))
    before = (run / "events.jsonl").read_bytes()
    with pytest.raises(BadInput, match=r"cuda:7, which torch cannot use here"):
        list(resume(run, Control()))
    assert (run / "events.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("MPS backend out of memory (MPS allocated: 17.00 GB)"),
        MemoryError(),
    ],
)
def test_memory_runs_out_in_many_words(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(ValueError(str(error)))
