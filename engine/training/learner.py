"""A network in training with its optimizer, EMA, gradient scaler and loss, and one optimizer step.

The trainer uses it, and planning predicts memory and does its dry run with the same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor

from engine.network.detector import Detector
from engine.network.precision import autocast, network_input, to_device
from engine.parallel.group import SINGLE, CommunicationError, ProcessGroup, is_communication_error
from engine.plan import StageName
from engine.recipe import Recipe
from engine.torch_internals import foreach_copy_
from engine.training.ema import Ema, ema_decay
from engine.training.loss.losses import build_loss
from engine.training.loss.terms import LossParts, StepCounts
from engine.training.oom import release_memory
from engine.training.peers import PeerFailure, guarded, without_frames
from engine.training.replica import Replica
from engine.training.stages import (
    enter_stage,
    fold_frozen_backbone,
    init_optimizer_state,
    make_optimizer,
    make_scaler,
    set_learning_rate,
)
from engine.training.step_exchange import NonFiniteParts, StepExchange

MAX_GRADIENT_NORM = 10.0
"""The modern method clips the norm of the gradient of the sum of all images' losses to this."""


class TrainingBatch(Protocol):
    """Images and targets of one batch, as in the loader's `Batch`."""

    @property
    def images(self) -> Tensor:
        """(batch, 3, height, width) uint8 RGB."""

    @property
    def targets(self) -> Tensor:
        """(batch, boxes, 5) cx cy w h class in input pixels, padding with class -1."""


class NonFiniteLoss(Exception):
    """The loss of a step, or a weight after it, is infinite or NaN. `indices`: the step's images in the data set."""

    def __init__(self, indices: Iterable[int] = ()) -> None:
        super().__init__("the loss is not finite")
        self.indices = tuple(indices)


class Learner:
    """A network in training. `is_updating`: the current step has begun to change weights."""

    def __init__(
        self,
        recipe: Recipe,
        network: Detector,
        device: torch.device,
        precision: str,
        total_steps: int,
        group: ProcessGroup = SINGLE,
        devices: Sequence[torch.device] = (),
    ) -> None:
        """One process of `group`, or with `devices` one process for all of these.

        `total_steps` of the whole training determines the decay of the EMA.
        """
        self.recipe = recipe
        self.group = group
        self.device = device
        self.precision = precision
        self.network = network
        self.replica = Replica(network, group, devices, sync_bn=recipe.sync_bn)
        self.ema = Ema(network, ema_decay(total_steps)) if recipe.ema else None
        self.optimizer = make_optimizer(recipe, network)
        self.scaler = make_scaler(device, precision)
        self.loss = build_loss(recipe, network)
        # The copies of DataParallel would all compute on the first device; Apple's GPUs have no float64, in which it is folded.
        self._folds_backbone = len(devices) < 2 and device.type != "mps"
        self.is_updating = False
        self._is_stepping = False
        self._buffers = _by_dtype(network.buffers())
        self._saved_buffers = [[buffer.clone() for buffer in group] for group in self._buffers]

    @property
    def eval_network(self) -> Detector:
        """The network that is evaluated and saved: the EMA if there is one."""
        return self.network if self.ema is None else self.ema.network

    def enter_stage(self, stage: StageName) -> None:
        """Put the network into training mode for a stage, and allocate the optimizer state of its trained parameters.

        If memory does not suffice for that state, it runs out before the first weight of the stage is changed.

        Raises:
            PeerFailure: another process failed; so does `step`.
        """
        with guarded(self.group):
            enter_stage(self.network, stage)
            if self._folds_backbone:
                fold_frozen_backbone(self.network, stage, self.precision)
            init_optimizer_state(self.optimizer)
        self.replica.enter_stage()

    def step(self, batches: Sequence[TrainingBatch], lr: float, step_index: int, *, check_loss: bool) -> Tensor:
        """One optimizer step.

        Args:
            batches: of this process; the step has as many in each. Their gradients are added up.
            lr: the learning rate.
            step_index: how many steps came before this one.
            check_loss: check each loss before backward, which synchronises with the device.

        Returns:
            (4,) total, box, objectness and class loss of the step, over the batches of all processes (`StepCounts`).

        Raises:
            NonFiniteLoss: only with `check_loss`. The step has changed nothing but the statistics of batch norm.
        """
        self._copy_buffers(self._buffers, self._saved_buffers)
        self._is_stepping = True
        set_learning_rate(self.optimizer, lr)
        self.optimizer.zero_grad(set_to_none=True)
        sums = self._compute_gradients(batches, check_loss=check_loss)
        with guarded(self.group):
            self._update(batches, step_index)
        return sums

    def _update(self, batches: Sequence[TrainingBatch], step_index: int) -> None:
        """Change the weights by the gradients."""
        if self.recipe.method == "modern":
            self.scaler.unscale_(self.optimizer)
            # The loss is a mean over the images, the limit is for their sum.
            max_norm = MAX_GRADIENT_NORM / (sum(len(batch.images) for batch in batches) * self.group.world_size)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), max_norm)
        self.is_updating = True
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.ema is not None:
            self.ema.update(step_index)
        self.is_updating = self._is_stepping = False

    def predict(self, images: Tensor) -> tuple[Tensor, ...]:
        """Raw outputs of `eval_network` for validation; `images` are (batch, 3, height, width) uint8.

        In fp32 whatever the training computes in: so the saved weights have the same scores wherever they are evaluated.
        """
        outputs: tuple[Tensor, ...] = self.eval_network(network_input(images, self.device))
        return outputs

    def rollback(self) -> bool:
        """After an error in a step, restore the state before that step. False if weights may have changed already."""
        self.optimizer.zero_grad(set_to_none=True)
        self.replica.reset()
        if self.is_updating:
            return False
        if self._is_stepping:  # between two steps there is nothing to restore
            self._copy_buffers(self._saved_buffers, self._buffers)
            self._is_stepping = False
        return True

    def state(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        return {
            "network": self.network.state_dict(),
            "ema": None if self.ema is None else self.ema.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, network: Any, ema: Any, optimizer: Any, scaler: Any) -> None:
        """Load what `state` returned."""
        self.network.use_frozen_backbone(None)  # the next `enter_stage` makes it of the weights that are loaded now
        self.network.load_state_dict(network)
        if self.ema is not None and ema is not None:
            self.ema.network.load_state_dict(ema)
        self.optimizer.load_state_dict(dict(optimizer))
        self.scaler.load_state_dict(dict(scaler))
        self._copy_buffers(self._buffers, self._saved_buffers)
        self.is_updating = self._is_stepping = False

    def has_finite_weights(self) -> bool:
        """Whether all weights and buffers are finite. Checked by sums: a sum is not finite if one of its terms is not."""
        sums = [tensor.sum() for tensor in self.network.state_dict().values() if tensor.is_floating_point()]
        return bool(torch.stack(sums).isfinite().all())

    @staticmethod
    def _copy_buffers(source: Sequence[Sequence[Tensor]], target: Sequence[Sequence[Tensor]]) -> None:
        for sources, targets in zip(source, target, strict=True):
            foreach_copy_(targets, sources)

    def _compute_gradients(self, batches: Sequence[TrainingBatch], *, check_loss: bool) -> Tensor:
        """The gradients of a step; returns its loss parts (4,)."""
        exchange = StepExchange(self.group, self.replica, len(batches), checks=check_loss)
        if self.group.is_single:  # an error is raised as it is, with its traceback
            return self._run_passes(batches, exchange, check_loss=check_loss)
        try:
            return self._run_passes(batches, exchange, check_loss=check_loss)
        except (CommunicationError, NonFiniteLoss, PeerFailure):
            raise
        except Exception as error:
            if is_communication_error(error):
                raise CommunicationError(str(error).partition("\n")[0]) from error
            failure = without_frames(error)
        self.optimizer.zero_grad(set_to_none=True)
        release_memory(self.device)
        exchange.abandon(failure, self._no_counts())
        raise failure

    def _run_passes(self, batches: Sequence[TrainingBatch], exchange: StepExchange, *, check_loss: bool) -> Tensor:
        sums = torch.zeros(4, device=self.device)
        counts = exchange.step_counts(self._target_counts(batches))
        for number, batch in enumerate(batches, start=1):
            with nullcontext() if number == len(batches) else self.replica.accumulating():
                parts = self._compute_loss(batch, counts)
                if check_loss:
                    try:
                        sums += exchange.check(parts.detached())
                    except NonFiniteParts:
                        raise NonFiniteLoss from None
                else:
                    sums += parts.detached()
                self.scaler.scale(parts.total).backward()  # type: ignore[no-untyped-call]
        return exchange.commit(sums)

    def _target_counts(self, batches: Sequence[TrainingBatch]) -> list[Tensor | None]:
        """For each batch what the targets tell about the step's counts; nothing where it is alone."""
        if len(batches) == self.group.world_size == 1:
            return [None]
        return [
            self.loss.target_counts(
                to_device(batch.targets, self.device), (batch.images.shape[2], batch.images.shape[3])
            )
            for batch in batches
        ]

    def _no_counts(self) -> Tensor | None:
        """Counts of no targets, in the form of `_target_counts`."""
        padding = torch.tensor([[[0.0, 0.0, 0.0, 0.0, -1.0]]], device=self.device)
        counts = self.loss.target_counts(padding, self.recipe.input_shape)
        return None if counts is None else torch.zeros_like(counts)

    def _compute_loss(self, batch: TrainingBatch, counts: StepCounts | None) -> LossParts:
        images = network_input(batch.images, self.device)
        with autocast(self.device, self.precision):
            raw = self.replica(images)
        return self.loss(raw, to_device(batch.targets, self.device), counts)


def _by_dtype(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    """Groups of one dtype each: a GPU copies such a list with few kernels."""
    groups: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault(tensor.dtype, []).append(tensor)
    return list(groups.values())
