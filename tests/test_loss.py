"""The losses: reference figures from outside, and their properties."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from engine.network.detector import Detector, build_network
from engine.training.loss.losses import ModernLoss, TutorialLoss
from engine.training.loss.terms import StepCounts

REFERENCE = json.loads((Path(__file__).parent / "data" / "training.json").read_text())
HEIGHT, WIDTH = 128, 160


@pytest.fixture(scope="module")
def network() -> Detector:
    return build_network("yolov4", 3, scale_x_y=1.0)


def reference_outputs() -> list[torch.Tensor]:
    """Drawn in descending stride, as for the reference figures; returned in ascending stride."""
    rng = np.random.Generator(np.random.PCG64(11))
    drawn = [
        torch.from_numpy((0.5 * rng.standard_normal((2, 24, HEIGHT // s, WIDTH // s))).astype(np.float32))
        for s in (32, 16, 8)
    ]
    return [raw.requires_grad_() for raw in reversed(drawn)]


def reference_targets() -> torch.Tensor:
    images = REFERENCE["targets_cxcywh_class_normalised"]
    targets = torch.zeros(len(images), max(map(len, images)), 5)
    targets[..., 4] = -1
    for i, boxes in enumerate(images):
        targets[i, : len(boxes)] = torch.tensor(boxes)
        targets[i, : len(boxes), :4] *= torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])
    return targets


@pytest.mark.parametrize(
    ("name", "options"),
    [("ciou", {}), ("siou", {"iou_type": "siou"}), ("focal", {"focal": (0.25, 2.0)})],
)
def test_the_tutorial_loss_and_its_gradient_equal_the_public_scripts(
    network: Detector, name: str, options: dict[str, Any]
) -> None:
    expected = REFERENCE["losses"][name]
    raw = reference_outputs()
    parts = TutorialLoss(network, **options)(raw, reference_targets())
    assert parts.total.item() == pytest.approx(expected["total"], rel=1e-4)
    parts.total.backward()
    gradients = [level.grad.norm().item() for level in reversed(raw) if level.grad is not None]
    assert gradients == pytest.approx(expected["grad_l2"], rel=1e-4)


class OperationCount(TorchDispatchMode):
    """Counts the operators that are dispatched."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count[str(func)] += 1
        return func(*args, **(kwargs or {}))


def random_targets(boxes: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(boxes)
    targets = torch.rand(2, boxes, 5, generator=generator) * torch.tensor([WIDTH, HEIGHT, 60, 60, 3])
    targets[..., 4] = targets[..., 4].floor()
    return targets


@pytest.mark.parametrize("make", [ModernLoss, TutorialLoss])
def test_sixty_boxes_take_as_many_operations_as_one(network: Detector, make: type[ModernLoss | TutorialLoss]) -> None:
    loss = make(network)
    counts = []
    for boxes in (1, 60):
        raw = reference_outputs()
        with OperationCount() as seen:
            loss(raw, random_targets(boxes)).total.backward()
        counts.append(seen.count)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("make", [ModernLoss, TutorialLoss])
def test_no_loss_synchronises_with_the_host(make: type[ModernLoss | TutorialLoss]) -> None:
    with torch.device("meta"):
        network = build_network("yolov4-tiny", 3)
        loss = make(network)
        raw = [
            torch.empty(2, 24, HEIGHT // level.stride, WIDTH // level.stride, requires_grad=True)
            for level in network.levels
        ]
        parts = loss(raw, torch.empty(2, 60, 5))
        parts.total.backward()
        assert loss.terms(raw, torch.empty(2, 60, 5), training=False).sums.device.type == "meta"


@pytest.mark.parametrize("make", [ModernLoss, TutorialLoss])
def test_padding_changes_nothing(network: Detector, make: type[ModernLoss | TutorialLoss]) -> None:
    targets = random_targets(4)
    padding = torch.zeros(2, 9, 5)
    padding[..., 4] = -1
    loss = make(network)
    bare, padded = (loss(reference_outputs(), t).total for t in (targets, torch.cat((targets, padding), 1)))
    assert bare.item() == pytest.approx(padded.item(), rel=1e-6)


@pytest.mark.parametrize("make", [ModernLoss, TutorialLoss])
def test_images_without_boxes_give_a_finite_loss(network: Detector, make: type[ModernLoss | TutorialLoss]) -> None:
    targets = torch.zeros(2, 1, 5)
    targets[..., 4] = -1
    raw = reference_outputs()
    parts = make(network)(raw, targets)
    parts.total.backward()
    assert parts.box.item() == 0
    assert parts.classes.item() == 0
    assert all(level.grad is not None and level.grad.isfinite().all() for level in raw)


@pytest.mark.parametrize("make", [ModernLoss, TutorialLoss])
def test_a_diverged_cell_without_box_leaves_the_gradient_finite(
    network: Detector, make: type[ModernLoss | TutorialLoss]
) -> None:
    raw = reference_outputs()
    with torch.no_grad():
        for level in raw:
            level[:, 2:4, 0, 0] = 1e4
    targets = torch.zeros(2, 3, 5)
    targets[..., 4] = -1
    targets[:, 0] = torch.tensor([100.0, 90, 30, 40, 1])
    make(network)(raw, targets).total.backward()
    assert all(level.grad is not None and level.grad.isfinite().all() for level in raw)


def test_a_perfect_prediction_has_almost_no_modern_validation_loss() -> None:
    """And it falls when objectness rises to 1, since its target does not depend on the model."""
    network = build_network("yolov4", 2, anchors=[(s, s) for s in (8, 9, 10, 60, 61, 62, 300, 301, 302)])
    targets = torch.tensor([[[72.0, 56, 60, 60, 1]]])
    losses = []
    for logit in (2.0, 20.0):
        raw = []
        for level in network.levels:
            output = torch.full((1, 3, 7, HEIGHT // level.stride, WIDTH // level.stride), -20.0)
            output[:, :, :4] = 0
            if level.stride == 16:
                output[0, :, 4, 3, 4] = logit
                output[0, :, 6, 3, 4] = 20
            raw.append(output.flatten(1, 2))
        losses.append(ModernLoss(network).terms(raw, targets, training=False).parts().total.item())
    assert losses[1] < losses[0]
    assert losses[1] < 0.01


def test_label_smoothing_is_used(network: Detector) -> None:
    targets = random_targets(3)
    losses = [ModernLoss(network, s)(reference_outputs(), targets).classes.item() for s in (0.0, 0.1)]
    assert losses[0] != losses[1]


@pytest.mark.parametrize("make", [ModernLoss, TutorialLoss])
def test_the_validation_loss_does_not_depend_on_the_batch_size(
    network: Detector, make: type[ModernLoss | TutorialLoss]
) -> None:
    loss, raw, targets = make(network), reference_outputs(), random_targets(5)
    together = loss.terms(raw, targets, training=False).parts()
    first, second = (
        loss.terms([level[i : i + 1] for level in raw], targets[i : i + 1], training=False) for i in (0, 1)
    )
    assert (first + second).parts().total.item() == pytest.approx(together.total.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["modern", "tutorial"])
def test_the_batches_of_a_step_have_together_the_loss_of_all_their_images(network: Detector, name: str) -> None:
    loss = ModernLoss(network) if name == "modern" else TutorialLoss(network)
    raw, targets = reference_outputs(), reference_targets()
    whole = loss(raw, targets)
    batches = [([level[i : i + 1] for level in raw], targets[i : i + 1]) for i in range(2)]
    counts = [loss.target_counts(own, (HEIGHT, WIDTH)) for _, own in batches]
    step = StepCounts(counts[0] + counts[1], 2)
    parts = [loss(outputs, own, step) for outputs, own in batches]
    for part in ("box", "classes", "objectness"):
        # The tutorials' objectness leaves out cells by the model's predictions: there the step has the mean of its batches.
        tolerance = 1e-2 if (part, name) == ("objectness", "tutorial") else 1e-5
        joint = sum(getattr(each, part).item() for each in parts)
        assert joint == pytest.approx(getattr(whole, part).item(), rel=tolerance), part
