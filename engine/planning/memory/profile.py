"""How much memory a training will take, predicted without a GPU and without allocating.

The very learner that trains is built of tensors without content, takes a step in each stage and looks at a validation batch,
while the sum of what is alive is followed. What libraries take inside an operation is added by rules that were measured (FACTS: the
CPU's convolutions) or, on a GPU, belongs to the margin.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from engine.network.decode import decode
from engine.network.yolov4 import Detector, build_network
from engine.plan import StageName
from engine.planning.cache import load_cached, program, store_cached
from engine.planning.memory.tracker import PRIME_BATCH, Bytes, MemoryTracker, peak
from engine.recipe import Recipe, is_read_by, make_recipe
from engine.training.learner import Learner
from engine.weights.native import plain_state

STAGES: tuple[StageName, ...] = ("freeze", "unfreeze")
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class MemoryProfile:
    """The memory of a training, for any batch sizes: peaks of each stage's steps and of its validation."""

    steps: dict[StageName, tuple[Bytes, ...]]
    validation: dict[StageName, tuple[Bytes, ...]]

    def peak(self, stage: StageName, batch: int, validation_batch: int) -> int:
        """Bytes of torch's allocator at the highest moment of a stage."""
        return max(peak(self.steps[stage], batch), peak(self.validation[stage], validation_batch))


@dataclass(frozen=True, slots=True)
class _Example:
    images: Tensor
    targets: Tensor


def memory_profile(recipe: Recipe, classes: int, boxes: int, device_type: str, precision: str) -> MemoryProfile:
    """The profile of a training.

    Args:
        recipe: network, input shape, method, optimizer, running mean, accumulation, parallel.
        classes: how many the network tells apart.
        boxes: most ground truth boxes in one (augmented) image.
        device_type: cpu, cuda or mps.
        precision: fp32, bf16 or fp16.
    """
    matters = {name: getattr(recipe, name) for name in _MATTERS if is_read_by(name, recipe.method)}
    settings = tuple({**matters, "accumulate": min(recipe.accumulate, 2)}.items())
    key = {
        **program(), "settings": [list(pair) for pair in settings], "classes": classes, "boxes": -(-boxes // 8) * 8,
        "device": device_type, "precision": precision, "bf16": _has_bf16_kernels(),
    }  # fmt: skip
    with _LOCK:  # who asks the same while it is found out waits, and finds it remembered
        return _remembered(json.dumps(key), settings, classes, key["boxes"], device_type, precision)


_MATTERS = (
    *("network", "method", "input_shape", "accumulate", "optimizer_type", "momentum", "ema", "parallel"),
    *("label_smoothing", "focal_loss", "iou_type"),
)
"""The settings that memory hangs on, besides the batch sizes."""


@lru_cache(maxsize=128)
def _remembered(key: str, *question: Any) -> MemoryProfile:
    """The profile, from this process, from an earlier one, or found out now."""
    stored = load_cached("memory", json.loads(key))
    if stored is not None:
        return MemoryProfile(
            *({name: _pairs(stored[part][name]) for name in STAGES} for part in ("steps", "validation"))
        )
    profile = _profile(*question)
    store_cached("memory", json.loads(key), {"steps": profile.steps, "validation": profile.validation})
    return profile


def _pairs(stored: Sequence[Sequence[int]]) -> tuple[Bytes, ...]:
    return tuple((always, per_image) for always, per_image in stored)


def _profile(
    settings: tuple[tuple[str, Any], ...], classes: int, boxes: int, device_type: str, precision: str
) -> MemoryProfile:
    recipe = make_recipe(dict(settings))
    with torch.device("meta"):  # before anything is followed: thousands of first values would be followed one by one
        network = build_network(recipe.network, classes)
    shapes = network.state_dict()
    # The running mean is as large as what it follows, and is computed with in the same way: not worth walking again.
    mean = sum(_size(tensor) for tensor in shapes.values()) if recipe.ema else 0
    rules = _cpu_temporaries if device_type == "cpu" else _no_temporaries
    with MemoryTracker(rules) as live:
        learner = _learner(recipe, network, shapes, precision)
        example = _example(recipe, boxes)
        group = [example] * min(recipe.accumulate, 2)

        learner.enter("unfreeze")
        frozen_state = _backbone_state(learner)
        before = len(live.moments)
        learner.step(group, 1e-3, 10, stop_at_broken=False)
        unfreeze = live.since(before)
        before = len(live.moments)
        _validate(learner, example)
        if device_type == "cpu":
            plain_state(learner.evaluated)  # as weights are saved; a GPU's are copied to the host
        validation = live.since(before)

        learner.enter("freeze")
        before = len(live.moments)
        learner.step(group, 1e-3, 10, stop_at_broken=False)
        freeze = live.since(before)
    backbone = sum(_size(parameter) for parameter in learner.network.backbone.parameters())
    everything = sum(_size(parameter) for parameter in learner.network.parameters())
    buckets = everything if recipe.parallel == "ddp" else 0
    frozen_buckets = everything - backbone if recipe.parallel == "ddp" else 0
    return MemoryProfile(
        # In the freeze stage the backbone has neither optimizer state nor gradients.
        steps={
            "freeze": _raised(freeze, mean + frozen_buckets - frozen_state),
            "unfreeze": _raised(unfreeze, mean + buckets),
        },
        validation={
            "freeze": _raised(validation, mean + frozen_buckets - frozen_state - backbone),
            "unfreeze": _raised(validation, mean + buckets),
        },
    )


def _learner(recipe: Recipe, network: Detector, shapes: Mapping[str, Tensor], precision: str) -> Learner:
    """A learner, without a running mean, of tensors without content in the `shapes` of `network`."""
    network.load_state_dict({name: _as_trained(tensor) for name, tensor in shapes.items()}, assign=True)
    learner = Learner(recipe.model_copy(update={"ema": False}), network, torch.device("cpu"), precision, 1000)
    # What scales losses for fp16 reads a number from the device, of which there is none, and takes next to nothing.
    learner.scaler = torch.amp.GradScaler("cpu", enabled=False)
    return learner


def _as_trained(tensor: Tensor) -> Tensor:
    layout = torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu", memory_format=layout)


def _backbone_state(learner: Learner) -> int:
    """Bytes of optimizer state that are there only since the backbone learns too."""
    states = (learner.optimizer.state[parameter] for parameter in learner.network.backbone.parameters())
    return sum(_size(tensor) for state in states for tensor in state.values())


def _example(recipe: Recipe, boxes: int) -> _Example:
    height, width = recipe.input_shape
    images = torch.empty(PRIME_BATCH, height, width, 3, dtype=torch.uint8).permute(0, 3, 1, 2)
    return _Example(images, torch.empty(PRIME_BATCH, boxes, 5))


@torch.no_grad()
def _validate(learner: Learner, example: _Example) -> None:
    """What a validation batch computes, on the way to its loss and its detections.

    In inference mode, as a training validates, tensors without content can have no views; what is allocated is the same.
    """
    learner.evaluated.eval()
    raw = learner.predict(example.images)
    terms = learner.loss.terms(raw, example.targets, training=False)
    decoded = decode(raw, learner.evaluated.levels, learner.recipe.input_shape)
    del raw, terms, decoded


def _raised(envelope: Sequence[Bytes], by: int) -> tuple[Bytes, ...]:
    return tuple((always + by, per_image) for always, per_image in envelope)


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _no_temporaries(func: Any, args: Sequence[Any], made: Sequence[Tensor]) -> int:  # noqa: ARG001
    return 0


def _has_bf16_kernels() -> bool:
    """Whether the processor's convolutions do bf16; torch's builds for Macs have no oneDNN to be asked."""
    there = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(there and torch.ops.mkldnn._is_mkldnn_bf16_supported())


_CONVOLUTIONS = (torch.ops.aten.convolution.default, torch.ops.aten.conv2d.default)
"""Where nothing learns, a convolution arrives by its other name."""


def _cpu_temporaries(func: Any, args: Sequence[Any], made: Sequence[Tensor]) -> int:
    """What torch's convolutions on the CPU take inside themselves, as measured for every shape of both networks.

    oneDNN lays the kernel out anew (once its size) and hands its gradient through two more copies. Where it cannot do bf16
    (no AVX-512), torch unfolds every window of every image, and copies what is only a part of another tensor before.
    """
    if func in _CONVOLUTIONS:
        kernel, output, copies, read = args[1], made[0], 1, args[:1]
    elif func is torch.ops.aten.convolution_backward.default:
        kernel, output, copies, read = args[2], args[0], 2, args[:2]
    else:
        return 0
    if kernel.dtype == torch.float32 or _has_bf16_kernels():
        return copies * _size(kernel)
    outside, inside, height, width = kernel.shape
    unfolded = output.numel() // outside * inside * height * width * kernel.element_size() if height * width > 1 else 0
    parts = (tensor for tensor in read if not tensor.is_contiguous(memory_format=torch.channels_last))
    return int(unfolded + sum(_size(tensor) for tensor in parts))
