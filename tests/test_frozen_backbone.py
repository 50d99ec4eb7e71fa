"""The folded copy of a frozen backbone, with which the freeze stage computes its features."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.network.detector import Detector, build_network
from engine.planning.synthetic import synthetic_batch
from engine.recipe import make_recipe
from engine.training.learner import Learner

CPU = torch.device("cpu")


def used_network(name: str) -> Detector:
    """A network whose running statistics are those of some images."""
    torch.manual_seed(3)
    network = build_network(name, 3).move_to(CPU)
    with torch.no_grad():
        for _ in range(4):
            network(torch.rand(4, 3, 64, 64).contiguous(memory_format=torch.channels_last))
    return network


def learner_of(network: Detector, precision: str = "fp32", *, ema: bool = True) -> Learner:
    return Learner(make_recipe({"network": network.name, "ema": ema}), network, CPU, precision, 100)


def difference(network: Detector, learner: Learner) -> float:
    """The largest difference between the folded and the real backbone's features, relative to the largest feature."""
    images = torch.rand(2, 3, 96, 96).contiguous(memory_format=torch.channels_last)
    learner.enter_stage("freeze")
    assert network.frozen_backbone
    with torch.no_grad():
        real: tuple[Tensor, ...] = network.backbone(images)
    pairs = zip(network.features(images), real, strict=True)
    return max(((folded - feature).abs().max() / feature.abs().max()).item() for folded, feature in pairs)


@pytest.mark.parametrize("name", ["yolov4-tiny", "yolov4"])
def test_the_features_are_the_same_but_for_rounding(name: str) -> None:
    network = used_network(name)
    assert difference(network, learner_of(network)) < 1e-5


def test_in_16_bit_the_difference_is_that_of_16_bit() -> None:
    network = used_network("yolov4-tiny")
    assert difference(network, learner_of(network, "bf16")) < 0.02
    assert {tensor.dtype for tensor in network.frozen_backbone[0].parameters()} == {torch.bfloat16}


def test_the_copy_is_neither_saved_nor_trained_nor_kept_when_the_stage_ends() -> None:
    network = used_network("yolov4-tiny")
    names = set(network.state_dict())
    parameters = len(list(network.parameters()))
    learner = learner_of(network)
    learner.enter_stage("freeze")
    copy = network.frozen_backbone
    learner.enter_stage("freeze")  # as after each validation
    assert network.frozen_backbone == copy
    assert (set(network.state_dict()), len(list(network.parameters()))) == (names, parameters)
    learner.enter_stage("unfreeze")
    assert network.frozen_backbone == ()


def test_a_frozen_backbone_stays_bit_identical_and_the_neck_learns() -> None:
    network = used_network("yolov4-tiny")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    learner = learner_of(network)
    learner.enter_stage("freeze")
    learner.step([synthetic_batch(2, (64, 64), 4, 3)], 1e-3, 0, check_loss=True)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed
    assert not any(name.startswith("backbone.") for name in changed)


def test_validation_computes_with_the_real_weights() -> None:
    network = used_network("yolov4-tiny")
    images = synthetic_batch(2, (64, 64), 4, 3).images
    learner = learner_of(network, "bf16", ema=False)
    with torch.inference_mode():
        learner.eval_network.eval()
        expected = learner.predict(images)
        learner.enter_stage("freeze")
        learner.eval_network.eval()
        assert all(map(torch.equal, learner.predict(images), expected))


def test_restored_weights_are_folded_again() -> None:
    network, other = used_network("yolov4-tiny"), build_network("yolov4-tiny", 3)
    learner = learner_of(network, ema=False)
    learner.enter_stage("freeze")
    state = learner.state()
    learner.restore(other.state_dict(), None, state["optimizer"], state["scaler"])
    assert difference(network, learner) < 1e-5
