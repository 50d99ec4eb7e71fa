"""Reference vectors of the networks and the seeded weights that they were made with."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DATA = Path(__file__).parent / "data"
VECTORS: dict[str, Any] = json.loads((DATA / "network.json").read_text())
TUTORIAL_NAMES: dict[str, list[Any]] = json.loads((DATA / "tutorial_names.json").read_text())
ENTRY = {"yolov4": "yolov4_synthetic", "yolov4-tiny": "yolov4_tiny_synthetic"}
HEADER = np.array([0, 2, 5, 0, 0], "<i4").tobytes()


def names(network: str) -> list[Any]:
    return TUTORIAL_NAMES[network.replace("-", "_")]


@cache
def synthetic_floats(network: str) -> NDArray[np.float32]:
    """The seeded weights in Darknet's file order."""
    rng = np.random.Generator(np.random.PCG64(VECTORS[ENTRY[network]]["seed"]))
    parts: list[NDArray[np.float32]] = []
    for _, norm, (f, c, k, _) in names(network):
        drawn = [0.1 * rng.standard_normal(f)]
        if norm is not None:
            drawn += [rng.uniform(0.5, 1.5, f), 0.1 * rng.standard_normal(f), rng.uniform(0.5, 1.5, f)]
        drawn.append(rng.standard_normal(f * c * k * k) * np.sqrt(1 / (c * k * k)))
        parts += [values.astype("<f4") for values in drawn]
    return np.concatenate(parts)


def write_darknet(path: Path, floats: NDArray[np.float32]) -> Path:
    with path.open("wb") as file:
        file.write(HEADER)
        floats.tofile(file)
    return path


def file_sha256(floats: NDArray[np.float32]) -> str:
    digest = hashlib.sha256(HEADER)
    digest.update(floats.data)
    return digest.hexdigest()


def tutorial_state(network: str, floats: NDArray[np.float32], prefix: str = "") -> dict[str, Tensor]:
    """The same numbers under the tutorials' names, those that begin with `prefix`, without it."""
    values = torch.from_numpy(floats)
    state: dict[str, Tensor] = {}
    offset = 0
    for convolution, norm, shape in names(network):
        norm_names = [f"{norm}.{n}" for n in ("bias", "weight", "running_mean", "running_var")]
        for name in norm_names if norm else [f"{convolution}.bias"]:
            state[name] = values[offset : offset + shape[0]].clone()
            offset += shape[0]
        count = int(np.prod(shape))
        state[f"{convolution}.weight"] = values[offset : offset + count].view(shape).clone()
        offset += count
        if norm:
            state[f"{norm}.num_batches_tracked"] = torch.tensor(7)
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def noise() -> Tensor:
    """The reference input: (1, 3, 96, 128)."""
    image = np.random.Generator(np.random.PCG64(7)).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def heads(entry: str) -> list[dict[str, Any]]:
    """The reference heads in ascending stride: the largest map first."""
    return sorted(VECTORS[entry]["heads"], key=lambda head: -head["shape"][2])


def largest_difference(raw: tuple[Tensor, ...], entry: str) -> float:
    """The largest difference of samples, mean, deviation and extremes; shapes have to be equal."""
    worst = 0.0
    for output, head in zip(raw, heads(entry), strict=True):
        assert list(output.shape) == head["shape"]
        differences = [float(output[tuple(index)]) - value for index, value in head["samples"]]
        differences += [float(output.mean()) - head["mean"], float(output.std(correction=0)) - head["std"]]
        if "min" in head:
            differences += [float(output.min()) - head["min"], float(output.max()) - head["max"]]
        worst = max(worst, *map(abs, differences))
    return worst
