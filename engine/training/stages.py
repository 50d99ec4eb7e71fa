"""The two stages: which parameters learn in each, and what turns gradients into steps."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import unwrap
from typing import TypeVar, cast

import torch
from torch import nn

from engine.network.yolov4 import Detector
from engine.plan import StageName
from engine.recipe import Recipe

_WRAPPED_METHODS = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
_Kind = TypeVar("_Kind", bound=type[torch.optim.Optimizer])


def enter_stage(network: Detector, stage: StageName) -> None:
    """Put the network into training mode for a stage.

    Frozen means frozen: in the freeze stage the backbone takes no gradient and its batch norm statistics stand still.
    """
    frozen = stage == "freeze"
    network.train()
    network.backbone.train(not frozen)
    network.backbone.requires_grad_(not frozen)


def make_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimizer over all parameters; weight decay pulls on convolution weights only.

    It lives through both stages: a frozen parameter has no gradient and is passed over. Fused, it reads and writes each value
    once and keeps no copies between: on a CPU 1.5 (SGD) to 4 times as fast as torch's own choice (benchmarks/optimizer.py).
    """
    decayed, free = _decayed_and_free(network)
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": free, "weight_decay": 0.0}]
    match recipe.optimizer_type:
        case "sgd":
            return _uncompiled(torch.optim.SGD)(
                groups, lr=recipe.init_lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True
            )
        case "adam":
            return _uncompiled(torch.optim.Adam)(groups, lr=recipe.init_lr, betas=(recipe.momentum, 0.999), fused=True)
        case "adamw":
            return _uncompiled(torch.optim.AdamW)(groups, lr=recipe.init_lr, betas=(recipe.momentum, 0.999), fused=True)


def _uncompiled(kind: _Kind) -> _Kind:
    """The optimizer without the wrappers around its methods that import torch's compiler when they are first called.

    Nothing is compiled here, and that import takes a second and brings nine hundred modules.
    """
    plain = {name: unwrap(getattr(kind, name)) for name in _WRAPPED_METHODS}
    return cast("_Kind", type(kind.__name__, (kind,), {**plain, "step": torch.no_grad()(unwrap(kind.step))}))


def init_optimizer_state(optimizer: torch.optim.Optimizer) -> None:
    """Give each parameter that learns and has none yet the state that its first step would make, all zeros."""
    for group in optimizer.param_groups:
        momentum_only = "momentum" in group
        for parameter in group["params"]:
            if not parameter.requires_grad:
                continue
            state = optimizer.state[parameter]
            if momentum_only:
                names: tuple[str, ...] = ("momentum_buffer",) if group["momentum"] else ()
            else:
                state.setdefault("step", torch.zeros((), device=parameter.device))
                names = ("exp_avg", "exp_avg_sq")
            for name in names:
                if state.get(name) is None:
                    state[name] = torch.zeros_like(parameter, memory_format=torch.preserve_format)


def make_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
    """Scales losses up and gradients down again for fp16, whose small values vanish; does nothing for the other formats."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """The same learning rate for every group."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def _decayed_and_free(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for module in network.modules():
        for name, parameter in _own(module):
            (decayed if isinstance(module, nn.Conv2d) and name == "weight" else free).append(parameter)
    return decayed, free


def _own(module: nn.Module) -> Iterable[tuple[str, nn.Parameter]]:
    return module.named_parameters(recurse=False)
