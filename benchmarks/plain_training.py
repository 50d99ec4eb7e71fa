"""The loop that a tutorial would write, to compare with: same network, same loss, same optimizer, nothing else.

Weights and images in torch's default layout, torch's default implementation of the optimizer, fp32 with torch's default settings
(convolutions may use TF32). No EMA, no limit on the gradient, nothing that an engine needs to resume or to undo a step. Images
are on the device already: a plain program with a perfect data loader.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.network.detector import build_network
from engine.network.precision import autocast
from engine.plan import StageName
from engine.planning.synthetic import synthetic_batch
from engine.recipe import Recipe
from engine.training.loss.losses import build_loss
from engine.training.stages import make_scaler

_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


class PlainTraining:
    """A network, its optimizer and one batch that is used again and again."""

    def __init__(
        self,
        recipe: Recipe,
        device: torch.device,
        stage: StageName,
        batch_size: int,
        boxes: int,
        classes: int,
        precision: str = "fp32",
        wrap: Callable[[nn.Module], nn.Module] = lambda network: network,
    ) -> None:
        """`wrap` returns the module to call in place of the network, for example torch's DistributedDataParallel of it."""
        torch.manual_seed(recipe.seed)
        network = build_network(recipe.network, classes, anchors=recipe.anchors).to(device)
        network.train()
        network.backbone.requires_grad_(stage != "freeze")
        self.forward = wrap(network)
        self.loss = build_loss(recipe, network)
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.optimizer = _OPTIMIZERS[recipe.optimizer_type](trained, lr=1e-4, weight_decay=recipe.weight_decay)
        self.scaler = make_scaler(device, precision)
        self.precision = precision
        self.device = device
        batch = synthetic_batch(batch_size, recipe.input_shape, boxes, classes)
        self.images = batch.images.contiguous().to(device).float() / 255  # (batch, 3, height, width)
        self.targets = batch.targets.to(device)

    def step(self) -> Tensor:
        """One step; the loss, still on the device."""
        self.optimizer.zero_grad()
        with autocast(self.device, self.precision):
            raw = self.forward(self.images)
        loss = self.loss(raw, self.targets).total
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()
