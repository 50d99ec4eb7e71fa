"""YOLOv4 and YOLOv4-tiny: shapes, sizes, decoding, gradients and number formats."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from engine.messages import BadInput
from engine.network.blocks import CSPStage, SpatialPyramidPooling, TinyCSPStage
from engine.network.decode import decode, split_level
from engine.network.detector import Detector, Level, build_network
from engine.network.registry import NETWORKS


@pytest.fixture(scope="module")
def tiny() -> Detector:
    torch.manual_seed(3)
    return build_network("yolov4-tiny", 3)


def on_meta(name: str, classes: int) -> Detector:
    with torch.device("meta"):
        return build_network(name, classes)


@pytest.mark.parametrize(("name", "whole", "backbone"), [("yolov4", 64.4, 26.6), ("yolov4-tiny", 6.06, 3.63)])
def test_the_networks_have_the_published_sizes(name: str, whole: float, backbone: float) -> None:
    network = on_meta(name, 80)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(whole, abs=0.06)
    assert sum(p.numel() for p in network.backbone.parameters()) / 1e6 == pytest.approx(backbone, abs=0.05)


@pytest.mark.parametrize(
    ("name", "strides", "anchors", "scales"),
    [
        ("yolov4", (8, 16, 32), ((12, 16), (36, 75), (142, 110)), (1.2, 1.1, 1.05)),
        ("yolov4-tiny", (16, 32), ((23, 27), (81, 82)), (1.05, 1.05)),
    ],
)
def test_levels_ascend_in_stride_with_their_own_anchors(
    name: str, strides: tuple[int, ...], anchors: tuple[tuple[float, float], ...], scales: tuple[float, ...]
) -> None:
    levels = on_meta(name, 1).levels
    assert tuple(level.stride for level in levels) == strides
    assert tuple(level.anchors[0] for level in levels) == anchors
    assert tuple(level.scale_x_y for level in levels) == scales


def test_tiny_uses_anchor_3_on_both_levels_and_anchor_0_on_none() -> None:
    network = on_meta("yolov4-tiny", 1)
    fine, coarse = (level.anchors for level in network.levels)
    assert set(fine) & set(coarse) == {(81, 82)}
    assert (10, 14) in network.all_anchors
    assert (10, 14) not in fine + coarse


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("classes", "height", "width"), [(1, 32, 32), (3, 96, 160), (80, 416, 416), (365, 64, 608)])
def test_any_class_count_and_any_multiple_of_32(name: str, classes: int, height: int, width: int) -> None:
    network = on_meta(name, classes)
    outputs = network(torch.zeros(2, 3, height, width, device="meta"))
    assert [tuple(output.shape) for output in outputs] == [
        (2, 3 * (5 + classes), height // level.stride, width // level.stride) for level in network.levels
    ]


def test_new_heads_predict_empty_cells(tiny: Detector) -> None:
    with torch.no_grad():
        outputs = tiny.eval()(torch.rand(1, 3, 64, 64))
    for raw in outputs:
        objectness = split_level(raw, 3)[..., 4].sigmoid()
        assert objectness.mean() == pytest.approx(1 / (1 + math.exp(4)), rel=0.2)


def test_the_same_seed_draws_the_same_weights(tiny: Detector) -> None:
    torch.manual_seed(3)
    again = build_network("yolov4-tiny", 3)
    assert all(torch.equal(a, b) for a, b in zip(tiny.parameters(), again.parameters(), strict=True))


def test_an_unknown_network_names_the_nearest() -> None:
    with pytest.raises(BadInput, match="did you mean yolov4-tiny"):
        build_network("yolo4-tiny", 3)


def test_a_wrong_number_of_anchors_is_refused() -> None:
    with pytest.raises(BadInput, match="takes 6 of them, not 2"):
        build_network("yolov4-tiny", 3, anchors=((1, 1), (2, 2)))


def test_own_anchors_and_one_scale_reach_every_level() -> None:
    own = tuple((10.0 * k, 20.0 * k) for k in range(1, 7))
    with torch.device("meta"):
        network = build_network("yolov4-tiny", 3, anchors=own, scale_x_y=2.0)
    assert network.levels[0] == Level(16, own[1:4], 2.0)
    assert network.levels[1] == Level(32, own[3:6], 2.0)


def test_repeated_small_poolings_equal_one_large_pooling() -> None:
    x = torch.randn(1, 4, 12, 16)
    direct = [F.max_pool2d(x, size, stride=1, padding=size // 2) for size in (13, 9, 5)]
    assert torch.equal(SpatialPyramidPooling()(x), torch.cat((*direct, x), dim=1))


class _TinyStage(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stage = TinyCSPStage(16)

    def forward(self, x: Tensor) -> Tensor:
        wide, merged = self.stage(x)
        return wide.sum(dim=1, keepdim=True) + merged


@pytest.mark.parametrize(
    ("block", "channels"), [(lambda: CSPStage(8, 16, 2), 8), (_TinyStage, 16)], ids=["mish", "leaky"]
)
def test_in_place_activations_do_not_change_gradients(block: type[torch.nn.Module], channels: int) -> None:
    """The slope along a random direction, by backward and by finite differences, in double precision."""
    torch.manual_seed(0)
    module = block().double().train()
    x = torch.randn(2, channels, 8, 8, dtype=torch.float64)
    weight = torch.randn_like(module(x))
    parameters = list(module.parameters())
    direction = [torch.randn_like(p) for p in parameters]
    (module(x) * weight).sum().backward()
    slope = sum(float((p.grad * d).sum()) for p, d in zip(parameters, direction, strict=True) if p.grad is not None)
    values = []
    step = 1e-8  # so small that hardly any value crosses zero, where LeakyReLU has a bend
    with torch.no_grad():
        for sign in (1, -2):
            for p, d in zip(parameters, direction, strict=True):
                p.add_(d, alpha=sign * step)
            values.append(float((module(x) * weight).sum()))
    assert slope == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    network = on_meta(name, 2)
    sum(output.sum() for output in network(torch.zeros(2, 3, 64, 64, device="meta"))).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_a_frozen_backbone_gives_the_same_features_as_a_trainable_one(tiny: Detector) -> None:
    """Without gradients activations are computed in place, which must not change the result."""
    network = build_network("yolov4", 1).eval()
    images = torch.rand(1, 3, 64, 64)
    trainable = [output.detach() for output in network(images)]
    network.backbone.requires_grad_(requires_grad=False)
    assert all(torch.equal(a, b) for a, b in zip(trainable, network(images), strict=True))


def test_channels_last_gives_the_same_outputs(tiny: Detector) -> None:
    images = torch.rand(1, 3, 96, 64)
    with torch.no_grad():
        plain = tiny.eval()(images)
        turned = tiny.to(memory_format=torch.channels_last)(images.to(memory_format=torch.channels_last))
    for a, b in zip(plain, turned, strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_bf16_autocast_trains_on_the_cpu(tiny: Detector) -> None:
    network = tiny.train()
    images = torch.rand(2, 3, 64, 64).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(images)
    assert all(output.dtype == torch.bfloat16 for output in outputs)
    sum(output.float().square().mean() for output in outputs).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())


def test_a_state_dict_loads_under_fake_tensors() -> None:
    with FakeTensorMode():
        network = build_network("yolov4-tiny", 3)
        state = build_network("yolov4-tiny", 3).state_dict()
        assert network.load_state_dict(state).missing_keys == []
        assert network.decode(network(torch.zeros(1, 3, 64, 64)), (64, 64)).shape == (1, 60, 8)


def raw_of(levels: tuple[Level, ...], shape: tuple[int, int], classes: int, device: str = "cpu") -> list[Tensor]:
    return [
        torch.zeros(1, 3 * (5 + classes), shape[0] // level.stride, shape[1] // level.stride, device=device)
        for level in levels
    ]


def test_decoding_runs_on_the_meta_device_and_has_a_row_for_every_anchor() -> None:
    levels = on_meta("yolov4", 2).levels
    decoded = decode(raw_of(levels, (96, 64), 2, "meta"), levels, (96, 64))
    assert tuple(decoded.shape) == (1, 3 * (12 * 8 + 6 * 4 + 3 * 2), 7)


def test_zero_is_the_middle_of_the_cell_and_the_anchor_itself() -> None:
    levels = on_meta("yolov4-tiny", 1).levels
    decoded = decode(raw_of(levels, (64, 96), 1), levels, (64, 96))[0]
    row = (2 * 6 + 5) * 3 + 1  # level 0 is 4 high and 6 wide: y 2, x 5, anchor 1
    assert decoded[row].tolist() == pytest.approx([5.5 * 16, 2.5 * 16, 37, 58, 0.5, 0.5])
    first_of_coarse = 4 * 6 * 3
    assert decoded[first_of_coarse].tolist() == pytest.approx([16, 16, 81, 82, 0.5, 0.5])


def test_scale_x_y_lets_a_centre_reach_beyond_its_cell() -> None:
    level = Level(16, ((10.0, 10.0),), 1.2)
    raw = torch.full((1, 6, 1, 1), 50.0)
    raw[:, 2:] = 0
    assert decode([raw], [level], (16, 16))[0, 0, :2].tolist() == pytest.approx([1.1 * 16, 1.1 * 16])


def test_half_precision_predictions_decode_in_float32() -> None:
    levels = on_meta("yolov4-tiny", 1).levels
    raw = [r.to(torch.bfloat16) for r in raw_of(levels, (416, 416), 1)]
    decoded = decode(raw, levels, (416, 416))
    assert decoded.dtype == torch.float32
    assert decoded[0, 25 * 3, 0] == 25.5 * 16


def test_predictions_of_another_input_are_refused() -> None:
    levels = on_meta("yolov4-tiny", 1).levels
    with pytest.raises(ValueError, match="stride 16"):
        decode(raw_of(levels, (64, 64), 1), levels, (64, 96))
