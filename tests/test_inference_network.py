"""The network as it detects: batch norm folded into the convolutions, a batch on several threads, in a 16-bit format."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from engine.evaluation.batch_predictor import BatchPredictor, PredictOptions
from engine.evaluation.forward import InferenceNetwork
from engine.messages import BadInput
from engine.network.blocks import ConvBNAct
from engine.network.detector import build_network
from engine.network.folding import FoldedConv, fold_batch_norm
from engine.weights.native import info_of, save_weights
from tests.test_export import lively_network

CPU = torch.device("cpu")
SHAPE = (64, 96)
ModuleT = TypeVar("ModuleT", bound=nn.Module)


def trained(module: ModuleT) -> ModuleT:
    """With batch norm statistics that are those of its random weights, as after a training."""
    torch.manual_seed(0)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 1.0
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.2, 0.2)
    module.train()
    with torch.no_grad():
        module(torch.rand(2, 3, 64, 64))
    return module.eval()


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def images(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, *SHAPE), dtype=torch.uint8, generator=generator)


def test_a_folded_network_computes_the_same_but_for_rounding() -> None:
    network = trained(build_network("yolov4-tiny", 3))
    folded = fold_batch_norm(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    double = copy.deepcopy(network).double()
    batch = images(1).double() / 255
    with torch.inference_mode():
        expected = double(batch)  # so that a real difference is not taken for rounding
        exact = fold_batch_norm(double)(batch)
        rounded = folded(batch.float())
        plain = network(batch.float())
    for own, other, single, before in zip(expected, exact, rounded, plain, strict=True):
        torch.testing.assert_close(other, own, rtol=1e-9, atol=1e-9)
        # Not further from the exact values than the network that is not folded, but for luck.
        assert (single - own).abs().mean() < 3 * (before - own).abs().mean()


def test_a_folded_convolution_with_mish_computes_the_same() -> None:
    module = trained(ConvBNAct(3, 16, 3, 2, "mish")).double()
    batch = images(2).double() / 255
    with torch.inference_mode():
        torch.testing.assert_close(FoldedConv(module)(batch), module(batch), rtol=1e-9, atol=1e-9)


def test_folding_leaves_the_network_as_it_is() -> None:
    network = lively_network("yolov4-tiny", 3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    folded = fold_batch_norm(network)
    assert fold_batch_norm(folded) is folded
    assert {name for name, _ in network.named_modules()} > {name for name, _ in folded.named_modules()}
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_batch_on_several_threads_gives_the_same_in_order_and_leaves_the_threads_alone(threads: None) -> None:
    network = lively_network("yolov4-tiny", 3)
    inference = InferenceNetwork(network, SHAPE, CPU)
    torch.set_num_threads(1)
    expected = torch.cat([inference(image[None]) for image in images(5)])
    torch.set_num_threads(3)
    batched = inference(images(5))
    assert torch.get_num_threads() == 3
    torch.testing.assert_close(batched[..., 4:], expected[..., 4:], rtol=0, atol=1e-5)
    with torch.inference_mode():
        plain = network.decode(network(images(5).float() / 255), SHAPE)
    torch.testing.assert_close(batched[..., 4:], plain[..., 4:], rtol=0, atol=1e-4)


def test_bf16_gives_nearly_the_same() -> None:
    network = lively_network("yolov4-tiny", 3)
    exact, short = (InferenceNetwork(network, SHAPE, CPU, precision)(images(1)) for precision in ("fp32", "bf16"))
    assert short.dtype == torch.float32
    difference = float((exact[..., 4:] - short[..., 4:]).abs().mean())
    assert 0 < difference < 0.05
    assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}


@pytest.mark.parametrize(("word", "sentence"), [("fp16", "only for a graphics card"), ("bf61", "did you mean bf16?")])
def test_a_precision_that_is_not_possible_is_one_sentence(tmp_path: Path, word: str, sentence: str) -> None:
    path = tmp_path / "w.pth"
    network = build_network("yolov4-tiny", 2)
    save_weights(path, network, info_of(network, ("cat", "dog"), SHAPE))
    with pytest.raises(BadInput, match=sentence.replace("?", r"\?")):
        BatchPredictor(path, PredictOptions(device="cpu", precision=word))
