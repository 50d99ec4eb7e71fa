"""Predicts how much memory a training needs, without a GPU and without allocating it.

The learner that trains is built of tensors without data, takes a step in each stage and validates a batch, while a tracker sums
up the live storages. What libraries allocate inside an operator is added by measured rules (convolutions on the CPU) or, on a
GPU, is part of the margin (engine/planning/memory/budget.py).
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor

from engine.dataset.loader import PREFETCHED_BATCHES
from engine.network.detector import Detector, build_network
from engine.plan import StageName
from engine.planning.cache import code_version, load_cached, store_cached
from engine.planning.memory.temporaries import cpu_temporaries, no_temporaries
from engine.planning.memory.tracker import PRIME_BATCH_SIZE, Bytes, FakeTracker, MemoryTracker, MetaTracker, peak
from engine.recipe import Recipe, is_read_by, make_recipe
from engine.torch_internals import TORCH_INTERNALS, TorchInternals, has_bf16_convolutions
from engine.training.learner import Learner
from engine.training.oom import is_out_of_memory
from engine.weights.native import plain_state

STAGES: tuple[StageName, ...] = ("freeze", "unfreeze")
_RELEVANT_SETTINGS = (
    *("network", "method", "input_shape", "accumulate", "optimizer_type", "momentum", "ema"),
    *("label_smoothing", "focal_loss", "iou_type", "activation_checkpointing"),
)
"""The settings that memory depends on, besides the batch sizes."""
_LOCK = threading.Lock()
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MemoryProfile:
    """The memory of a training for any batch size: the peaks of each stage's steps and of its validation."""

    steps: dict[StageName, tuple[Bytes, ...]]
    validation: dict[StageName, tuple[Bytes, ...]]

    def peak(self, stage: StageName, batch_size: int, validation_batch_size: int) -> int:
        """The largest number of bytes that torch's allocator hands out at a time in a stage."""
        return max(peak(self.steps[stage], batch_size), peak(self.validation[stage], validation_batch_size))


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """Everything that a memory profile depends on."""

    settings: tuple[tuple[str, Any], ...]
    """The relevant settings of the recipe."""
    classes: int
    boxes: int
    """Most ground truth boxes in one (augmented) image."""
    device_type: str
    precision: str
    bf16_convolutions: bool
    """Whether oneDNN computes convolutions in bf16 on this processor."""


@dataclass(frozen=True, slots=True)
class _Example:
    images: Tensor
    targets: Tensor


def memory_profile(recipe: Recipe, classes: int, boxes: int, device_type: str, precision: str) -> MemoryProfile | None:
    """The memory profile of a training, from the cache if it was predicted before.

    Args:
        recipe: network, input shape, method, optimizer, EMA, accumulation, activation checkpointing ("auto" counts as "off").
        classes: number of classes.
        boxes: most ground truth boxes in one (augmented) image.
        device_type: cpu, cuda or mps.
        precision: fp32, bf16 or fp16.

    Returns:
        None where it cannot be predicted with the installed torch; the log says why.
    """
    request = profile_request(recipe, classes, boxes, device_type, precision)
    with _LOCK:  # a second thread with the same request waits for the result of the first
        return _cached_profile(request)


def profile_request(recipe: Recipe, classes: int, boxes: int, device_type: str, precision: str) -> ProfileRequest:
    """The request of `memory_profile`. Boxes are rounded up to a multiple of 8, so that similar data sets share a profile."""
    settings = {name: getattr(recipe, name) for name in _RELEVANT_SETTINGS if is_read_by(name, recipe.method)}
    settings["accumulate"] = min(recipe.accumulate, 2)  # a third batch takes no more memory than the second
    if recipe.activation_checkpointing == "auto":  # not decided (engine/planning/memory/checkpointing.py)
        settings["activation_checkpointing"] = "off"
    return ProfileRequest(
        tuple(settings.items()), classes, -(-boxes // 8) * 8, device_type, precision, has_bf16_convolutions()
    )


@lru_cache(maxsize=128)
def _cached_profile(request: ProfileRequest) -> MemoryProfile | None:
    key = json.loads(json.dumps({**code_version(), **asdict(request)}))
    stored = load_cached("memory", key)
    if stored is not None:
        return MemoryProfile(
            *({stage: _as_tuples(stored[part][stage]) for stage in STAGES} for part in ("steps", "validation"))
        )
    profile = predict_profile(request)
    if profile is not None:
        store_cached("memory", key, {"steps": profile.steps, "validation": profile.validation})
    return profile


def _as_tuples(stored: Sequence[Sequence[int]]) -> tuple[Bytes, ...]:
    return tuple((fixed, per_image) for fixed, per_image in stored)


def predict_profile(request: ProfileRequest, internals: TorchInternals = TORCH_INTERNALS) -> MemoryProfile | None:
    """Predict a profile with the fast tracker or, if that fails, with torch's `FakeTensorMode`; None if both fail."""
    for tracker, consequence in (
        (MetaTracker, "FakeTensorMode is used instead, which is slower."),
        (FakeTracker, "Plans have no memory estimate."),
    ):
        try:
            return profile_with(tracker, request, internals)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            reason = f"{type(error).__name__}: {error}"
            _log_once(
                f"Memory prediction: {tracker.__name__} failed with torch {torch.__version__} ({reason}). {consequence}"
            )
    return None


@cache
def _log_once(message: str) -> None:
    _log.warning(message)


def profile_with(
    tracker: type[MemoryTracker], request: ProfileRequest, internals: TorchInternals = TORCH_INTERNALS
) -> MemoryProfile:
    """Predict a profile with one tracker.

    Raises:
        Exception: of any kind, where the installed torch differs from those that the tracker was written for.
    """
    recipe = make_recipe(dict(request.settings))
    with torch.device("meta"):  # outside the tracker: initialising thousands of weights need not be tracked
        network = build_network(recipe.network, request.classes)
    network.set_activation_checkpointing(recipe.activation_checkpointing == "on")
    state = network.state_dict()
    # The EMA copy is as large as the state and validates like the network itself, so its size is only added.
    ema = sum(tensor.nbytes for tensor in state.values()) if recipe.ema else 0
    temporaries = cpu_temporaries(request.bf16_convolutions) if request.device_type == "cpu" else no_temporaries
    with tracker(temporaries, internals) as memory:
        learner = _make_learner(recipe, network, state, request.precision)
        example = _make_example(recipe, request.boxes)
        group = [example] * min(recipe.accumulate, 2)

        learner.enter_stage("unfreeze")
        backbone_state = _backbone_optimizer_state(learner)
        start = len(memory.samples)
        learner.step(group, 1e-3, 10, check_loss=False)
        unfreeze = memory.peaks_since(start)
        start = len(memory.samples)
        _validate(learner, example)
        if request.device_type == "cpu":
            plain_state(learner.eval_network)  # the copy that is saved; on a GPU it is made in the host's memory
        validation = memory.peaks_since(start)

        learner.enter_stage("freeze")
        start = len(memory.samples)
        learner.step(group, 1e-3, 10, check_loss=False)
        freeze = memory.peaks_since(start)
        folded = sum(tensor.nbytes for copy in network.frozen_backbone for tensor in copy.parameters())
    backbone = sum(parameter.nbytes for parameter in learner.network.backbone.parameters())
    waiting = waiting_images(recipe, request.device_type)
    validating = waiting_images(recipe.model_copy(update={"accumulate": 1}), request.device_type)
    return MemoryProfile(
        # In the freeze stage the backbone has neither optimizer state nor gradients, but a folded copy.
        steps={"freeze": _shifted(freeze, ema - backbone_state, waiting), "unfreeze": _shifted(unfreeze, ema, waiting)},
        validation={
            "freeze": _shifted(validation, ema - backbone_state - backbone + folded, validating),
            "unfreeze": _shifted(validation, ema, validating),
        },
    )


def _make_learner(recipe: Recipe, network: Detector, state: Mapping[str, Tensor], precision: str) -> Learner:
    """A learner without EMA whose tensors have the shapes of `state` and no data."""
    network.load_state_dict({name: _empty_like_trained(tensor) for name, tensor in state.items()}, assign=True)
    learner = Learner(recipe.model_copy(update={"ema": False}), network, torch.device("cpu"), precision, 1000)
    # The scaler for fp16 reads a number from the device, which has no data here; its memory is negligible.
    learner.scaler = torch.amp.GradScaler("cpu", enabled=False)
    return learner


def _empty_like_trained(tensor: Tensor) -> Tensor:
    memory_format = torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu", memory_format=memory_format)


def _backbone_optimizer_state(learner: Learner) -> int:
    """Bytes of the backbone's optimizer state, which exists from the unfreeze stage on."""
    states = (learner.optimizer.state[parameter] for parameter in learner.network.backbone.parameters())
    return sum(tensor.nbytes for state in states for tensor in state.values())


def waiting_images(recipe: Recipe, device_type: str) -> int:
    """Bytes for each image of a batch that are taken by the batches after the present one.

    The loader prepares them ahead, and a step that accumulates has all of its batches. On a GPU they wait in the host's memory.
    """
    height, width = recipe.input_shape
    return 0 if device_type != "cpu" else (PREFETCHED_BATCHES + recipe.accumulate - 1) * height * width * 3


def _make_example(recipe: Recipe, boxes: int) -> _Example:
    height, width = recipe.input_shape
    images = torch.empty(PRIME_BATCH_SIZE, height, width, 3, dtype=torch.uint8).permute(0, 3, 1, 2)
    return _Example(images, torch.empty(PRIME_BATCH_SIZE, boxes, 5))


@torch.no_grad()
def _validate(learner: Learner, example: _Example) -> None:
    """Compute the loss and the boxes of a validation batch.

    A training validates in inference mode. Tensors without data can have no views there, and the memory is the same.
    """
    learner.eval_network.eval()
    raw = learner.predict(example.images)
    terms = learner.loss.terms(raw, example.targets, training=False)
    decoded = learner.eval_network.decode(raw, learner.recipe.input_shape)
    del raw, terms, decoded


def _shifted(envelope: Sequence[Bytes], offset: int, per_image_offset: int) -> tuple[Bytes, ...]:
    return tuple((fixed + offset, per_image + per_image_offset) for fixed, per_image in envelope)
