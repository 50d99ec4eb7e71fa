"""TorchScript: a traced network that runs without freezetui, in Python or C++."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.export.deployable import DeployableDetector
from engine.export.metadata import KEY, metadata
from engine.weights.native import WeightsInfo


def write_torchscript(detector: DeployableDetector, info: WeightsInfo, path: Path) -> None:
    """Write `detector` to `path`; it accepts any batch size, and any height and width that are multiples of 32."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises torch.export, whose files older programs do not read
        traced = torch.jit.trace(detector, torch.rand(2, 3, *info.input_shape), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(path), _extra_files={KEY: json.dumps(metadata(info), ensure_ascii=False)})


def torchscript_runner(path: Path) -> Callable[[Tensor], tuple[NDArray[np.float32], ...]]:
    """Runs the file at `path`: a batch in, boxes and scores out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.jit.load(str(path))  # type: ignore[no-untyped-call]

    def run(images: Tensor) -> tuple[NDArray[np.float32], ...]:
        with torch.no_grad():
            return tuple(output.numpy() for output in module(images))

    return run
