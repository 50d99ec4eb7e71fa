"""The memory of gradients that several devices exchange."""

from __future__ import annotations

from functools import lru_cache

import torch

from engine.network.detector import build_network
from engine.plan import StageName

_BYTES = 4
"""Gradients are fp32 whatever the precision."""


@lru_cache(maxsize=32)
def gradient_bytes(network: str, classes: int, stage: StageName) -> int:
    """Bytes of all gradients of a stage. In the freeze stage the backbone has none."""
    with torch.device("meta"):
        built = build_network(network, classes)
    parameters = sum(parameter.numel() for parameter in built.parameters())
    frozen = sum(parameter.numel() for parameter in built.backbone.parameters()) if stage == "freeze" else 0
    return _BYTES * (parameters - frozen)
