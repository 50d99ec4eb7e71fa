"""What learns: a network with its optimizer, running mean, scaler and loss, and one step of it.

The trainer trains with it; planning rehearses and predicts with the very same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from engine.network.precision import autocast, network_input, on_device
from engine.network.yolov4 import Detector
from engine.plan import StageName
from engine.recipe import Recipe
from engine.training.ema import Ema, ema_decay
from engine.training.loss.losses import LossParts, loss_of
from engine.training.stages import enter_stage, init_optimizer_state, make_optimizer, make_scaler, set_learning_rate

GRADIENT_NORM = 10.0
"""The modern method clips the norm of the gradient of all images' losses together here."""


class Example(Protocol):
    """Images and truth of one batch, as the loader's `Batch` has them."""

    @property
    def images(self) -> Tensor:
        """(batch, 3, height, width) uint8 RGB."""

    @property
    def targets(self) -> Tensor:
        """(batch, boxes, 5) cx cy w h class in input pixels, padding with class -1."""


class NotFinite(Exception):
    """The loss of a step is infinite or not a number; nothing was changed by it but batch norm's statistics."""


class Learner:
    """A network in training. `optimizing`: the step that runs has begun to change weights."""

    def __init__(
        self, recipe: Recipe, network: Detector, device: torch.device, precision: str, total_steps: int
    ) -> None:
        """`total_steps` of the whole training set the memory of the running mean."""
        self.recipe = recipe
        self.device = device
        self.precision = precision
        self.network = network
        self.ema = Ema(network, ema_decay(total_steps)) if recipe.ema else None
        self.optimizer = make_optimizer(recipe, network)
        self.scaler = make_scaler(device, precision)
        self.loss = loss_of(recipe, network)
        self.optimizing = False
        self._stepping = False
        self._statistics = _by_dtype(network.buffers())
        self._statistics_before = [[buffer.clone() for buffer in group] for group in self._statistics]

    @property
    def evaluated(self) -> Detector:
        """The network that is measured and kept: the running mean where there is one."""
        return self.network if self.ema is None else self.ema.network

    def enter(self, stage: StageName) -> None:
        """Put the network into training mode for a stage, and give what learns in it its optimizer state.

        Memory that does not suffice for that state thus runs out before the first weight of the stage is changed.
        """
        enter_stage(self.network, stage)
        init_optimizer_state(self.optimizer)

    def step(self, group: Sequence[Example], lr: float, updates: int, *, stop_at_broken: bool) -> Tensor:
        """One gradient update from the batches of `group`.

        Args:
            group: batches whose gradients are added up.
            lr: the learning rate.
            updates: how many updates came before this one.
            stop_at_broken: look at each loss before it is used, which waits for the device.

        Returns:
            (4,) total, box, objectness and class loss, means over the group.

        Raises:
            NotFinite: see the class; only with `stop_at_broken`.
        """
        self._copy_statistics(self._statistics, self._statistics_before)
        self._stepping = True
        set_learning_rate(self.optimizer, lr)
        self.optimizer.zero_grad(set_to_none=True)
        sums = torch.zeros(4, device=self.device)
        for batch in group:
            parts = self._loss_of(batch)
            if stop_at_broken and not parts.total.isfinite():
                raise NotFinite
            self.scaler.scale(parts.total / len(group)).backward()  # type: ignore[no-untyped-call]
            sums += parts.detached() / len(group)
        if self.recipe.method == "modern":
            self.scaler.unscale_(self.optimizer)
            # The loss is a mean over images, the limit one for their sum.
            limit = GRADIENT_NORM / sum(len(batch.images) for batch in group)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), limit)
        self.optimizing = True
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.ema is not None:
            self.ema.update(updates)
        self.optimizing = self._stepping = False
        return sums

    def predict(self, images: Tensor) -> tuple[Tensor, ...]:
        """Raw outputs of the evaluated network, as validation takes them; `images` are (batch, 3, height, width) uint8."""
        with autocast(self.device, self.precision):
            return self.evaluated(network_input(images, self.device))  # type: ignore[no-any-return]

    def rollback(self) -> bool:
        """Let go of a step that failed half way. Whether everything is again as it was before that step."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.optimizing:
            return False
        if self._stepping:  # between two steps nothing is half done
            self._copy_statistics(self._statistics_before, self._statistics)
            self._stepping = False
        return True

    def state(self) -> dict[str, Any]:
        """Everything in it that a checkpoint keeps."""
        return {
            "network": self.network.state_dict(),
            "ema": None if self.ema is None else self.ema.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, network: Any, ema: Any, optimizer: Any, scaler: Any) -> None:
        """Take over what `state` gave."""
        self.network.load_state_dict(network)
        if self.ema is not None and ema is not None:
            self.ema.network.load_state_dict(ema)
        self.optimizer.load_state_dict(dict(optimizer))
        self.scaler.load_state_dict(dict(scaler))
        self._copy_statistics(self._statistics, self._statistics_before)
        self.optimizing = self._stepping = False

    def is_finite(self) -> bool:
        """Whether every weight and statistic is a number. A sum is not finite where one of its terms is not."""
        sums = [tensor.sum() for tensor in self.network.state_dict().values() if tensor.is_floating_point()]
        return bool(torch.stack(sums).isfinite().all())

    @staticmethod
    def _copy_statistics(source: Sequence[Sequence[Tensor]], target: Sequence[Sequence[Tensor]]) -> None:
        for values, places in zip(source, target, strict=True):
            torch._foreach_copy_(list(places), list(values))

    def _loss_of(self, batch: Example) -> LossParts:
        images = network_input(batch.images, self.device)
        with autocast(self.device, self.precision):
            raw = self.network(images)
        return self.loss(raw, on_device(batch.targets, self.device))


def _by_dtype(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    """Lists of one type each: only such a list is copied on a GPU in one go."""
    groups: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault(tensor.dtype, []).append(tensor)
    return list(groups.values())
