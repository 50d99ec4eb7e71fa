"""Activation checkpointing: the same training to the bit, in less memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.events import BatchChanged, OutOfMemory, RunStarted
from engine.network.detector import Detector, build_network
from engine.network.precision import autocast, network_input
from engine.network.recompute import statistics_unchanged
from engine.plan import StageName
from engine.planning.memory.batch_size import BatchSizeProblem, fit_options, suggest_batch_sizes
from engine.planning.memory.budget import Budget
from engine.planning.memory.checkpointing import decide_checkpointing
from engine.planning.synthetic import synthetic_batch
from engine.recipe import make_recipe
from engine.runner.resume import resume
from engine.runner.start import exit_code, start
from engine.training.checkpoint import load_newest
from engine.training.control import Control
from engine.training.learner import Learner
from engine.training.loss.losses import build_loss
from engine.training.stages import enter_stage
from tests.nvml_stand_in import GIB
from tests.small_training import only_run, plan_and_dataset, prepare
from tests.training_passes import at_pass, out_of_memory

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Computed:
    """What two passes left behind."""

    loss: Tensor
    gradients: dict[str, Tensor | None]
    state: dict[str, Tensor]
    random_state: Tensor


@pytest.fixture(scope="module", params=["yolov4-tiny", "yolov4"])
def network(request: pytest.FixtureRequest) -> Detector:
    torch.manual_seed(7)
    return build_network(request.param, 3).move_to(CPU)


def compute(network: Detector, stage: StageName, precision: str, *, checkpointing: bool) -> Computed:
    """Loss and gradients of two batches, whose gradients add up."""
    network = network.clone()
    network.set_activation_checkpointing(checkpointing)
    enter_stage(network, stage)
    batch = synthetic_batch(2, (64, 64), 4, 3)
    loss_function = build_loss(make_recipe({"network": network.name}), network)
    for _ in range(2):
        with autocast(CPU, precision):
            raw = network(network_input(batch.images, CPU))
        loss = loss_function(raw, batch.targets).total
        loss.backward()  # type: ignore[no-untyped-call]
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return Computed(loss.detach(), gradients, dict(network.state_dict()), torch.get_rng_state())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stage", ["freeze", "unfreeze"])
def test_loss_gradients_and_statistics_are_equal_to_the_bit(
    network: Detector, stage: StageName, precision: str
) -> None:
    plain = compute(network, stage, precision, checkpointing=False)
    checkpointed = compute(network, stage, precision, checkpointing=True)
    assert torch.equal(plain.loss, checkpointed.loss)
    for name, gradient in plain.gradients.items():
        other = checkpointed.gradients[name]
        assert (gradient is None) == (other is None), name
        assert gradient is None or other is None or torch.equal(gradient, other), name
    for name, tensor in plain.state.items():  # running means and variances included
        assert torch.equal(tensor, checkpointed.state[name]), name
        if name.endswith("num_batches_tracked"):  # each batch is counted once
            assert tensor == (0 if stage == "freeze" and name.startswith("backbone") else 2), name
    assert torch.equal(plain.random_state, checkpointed.random_state)


def test_a_training_with_ema_is_equal_to_the_bit() -> None:
    states = []
    for checkpointing in (False, True):
        torch.manual_seed(7)
        made = build_network("yolov4-tiny", 3).move_to(CPU)
        made.set_activation_checkpointing(checkpointing)
        learner = Learner(make_recipe({"network": "yolov4-tiny"}), made, CPU, "fp32", 100)
        learner.enter_stage("unfreeze")
        for step in range(2):
            learner.step([synthetic_batch(2, (64, 64), 4, 3)], 1e-3, step, check_loss=True)
        states.append(learner.eval_network.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_statistics_return_unchanged_after_an_error_too() -> None:
    norm = torch.nn.BatchNorm2d(2)
    before = norm.running_mean

    def fail() -> None:
        with statistics_unchanged(norm):
            norm(torch.randn(4, 2, 3, 3))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert norm.running_mean is before
    assert torch.equal(norm.running_mean, torch.zeros(2))
    assert norm.num_batches_tracked == 0


def problem_on(gib: float, **settings: Any) -> BatchSizeProblem:
    """On a card with so much free memory, with automatic batch sizes unless told otherwise."""
    auto = {"network": "yolov4", "freeze_batch_size": "auto", "unfreeze_batch_size": "auto"}
    recipe = make_recipe({**auto, **settings})
    return BatchSizeProblem(recipe, 20, 60, 20_000, 2_000, "fp16", Budget(round(gib * GIB), "cuda"), "fp16")


def largest(problem: BatchSizeProblem) -> int:
    batch_sizes = suggest_batch_sizes(problem)
    assert batch_sizes is not None
    return batch_sizes.largest


@pytest.mark.parametrize("gib", [4, 6, 8])
def test_at_least_two_and_a_half_times_the_batch_fits(gib: int) -> None:
    without, with_it = (largest(problem_on(gib, activation_checkpointing=value)) for value in ("off", "on"))
    assert with_it >= 2.5 * without


@pytest.mark.parametrize(
    ("gib", "settings", "decision"),
    [
        (4, {}, "on"),  # 5 would fit without it
        (6, {}, "off"),  # 11 fit
        (6, {"unfreeze_batch_size": 16, "freeze_batch_size": 16}, "on"),
        (4, {"unfreeze_batch_size": 4, "freeze_batch_size": 4}, "off"),
        (4, {"freeze_epoch": 50, "unfreeze_epoch": 50}, "off"),  # never trains the backbone
        (4, {"activation_checkpointing": "off"}, "off"),
        (80, {"activation_checkpointing": "on"}, "on"),
    ],
)
def test_auto_takes_it_where_the_batch_does_not_fit_without(gib: int, settings: dict[str, Any], decision: str) -> None:
    assert decide_checkpointing(problem_on(gib, **settings)).recipe.activation_checkpointing == decision


def test_few_images_need_no_checkpointing_for_a_batch_that_they_cannot_fill() -> None:
    problem = replace(problem_on(4), train_images=5)
    assert decide_checkpointing(problem).recipe.activation_checkpointing == "off"


def test_where_it_was_turned_off_it_is_the_first_option() -> None:
    problem = problem_on(2.7, activation_checkpointing="off")
    assert suggest_batch_sizes(problem) is None
    assert fit_options(problem)[0].settings == {"activation_checkpointing": "on"}


def test_out_of_memory_is_retried_with_the_same_batch_and_so_is_a_resumed_run(tmp_path: Path) -> None:
    prepare(tmp_path, images=12)
    plan, dataset = plan_and_dataset(
        tmp_path,
        unfreeze_epoch=2,
        unfreeze_batch_size=4,
        freeze_batch_size=4,
        freeze_train=False,
        input_shape=[416, 416],
    )
    assert not plan.activation_checkpointing
    with at_pass(1, out_of_memory):  # after a step and a validation: the unfreeze stage
        events = list(start(plan, Control(), dataset, on_out_of_memory="retry"))
    assert exit_code(events[-1]) == 0
    assert [event.suggested_checkpointing for event in events if isinstance(event, OutOfMemory)] == [True]
    changed = [
        (event.batch_size, event.activation_checkpointing) for event in events if isinstance(event, BatchChanged)
    ]
    assert changed == [(4, True)]
    run = only_run(tmp_path)
    assert load_newest(run).progress.activation_checkpointing
    started = next(resume(run, Control(), overrides={"unfreeze_epoch": 3}))
    assert isinstance(started, RunStarted)
    assert started.plan["activation_checkpointing"]
