"""Weights from a file, on a device, at work: what the commands `evaluate` and `predict` do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.dataset.images import UnreadableImage, encode_image
from engine.dataset.index import SPLITS, Dataset
from engine.evaluation.draw import drawn
from engine.evaluation.evaluate import Evaluation, evaluate
from engine.evaluation.predict import Prediction, predict
from engine.messages import BadInput, bad_input, nearest, printable
from engine.weights.load import network_of_weights

_WRITABLE = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


@dataclass(frozen=True, slots=True)
class Look:
    """What was found in one picture: a JSON line and a text; or the `problem` with it."""

    line: dict[str, Any]
    text: str
    problem: str | None = None


def score(
    weights: Path,
    dataset: Dataset,
    split: str,
    *,
    batch_size: int,
    device: str,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Evaluate a weights file on a split.

    Raises:
        BadInput: the weights, the split or the device cannot be used.
    """
    if split not in SPLITS:
        raise bad_input(
            "evaluate.split",
            "--split {split}: there is no such split; did you mean {nearest}?",
            split=split,
            nearest=nearest(split, SPLITS) or "val",
        )
    network, info = network_of_weights(weights)
    return evaluate(
        network, info, dataset, split, batch_size=batch_size, device=device_named(device), progress=progress
    )


def look(
    weights: Path, pictures: Sequence[Path], *, threshold: float | None, device: str, save: Path | None
) -> Iterator[Look]:
    """Predict on pictures; with `save`, write each picture with its boxes there.

    Raises:
        BadInput: the weights or the device cannot be used.
    """
    network, info = network_of_weights(weights)
    taken: set[Path] = set()
    if save is not None:
        _make_folder(save)
    for found in predict(network, info, pictures, threshold=threshold, device=device_named(device), precision="fp32"):
        if isinstance(found, UnreadableImage):
            yield Look({}, "", str(found.message))
            continue
        if save is not None:
            encode_image(_free_name(save, found.path, taken), drawn(found.pixels, found.found, found.classes))
        yield Look(found.to_json(), _text(found))


class Predictor:
    """Weights kept ready at work, for pictures that are asked for one by one."""

    def __init__(self, weights: Path, device: str = "auto") -> None:
        """Load the weights.

        Raises:
            BadInput: the weights or the device cannot be used.
        """
        self._network, self._info = network_of_weights(weights)
        self._device = device_named(device)

    def look_at(self, picture: Path) -> Prediction:
        """What is in a picture, at the weights' own threshold.

        Raises:
            BadInput: the picture cannot be read.
        """
        found = next(predict(self._network, self._info, [picture], device=self._device, precision="fp32"))
        if isinstance(found, UnreadableImage):
            raise BadInput(found.message) from found
        return found


def device_named(device: str) -> torch.device:
    """The torch device that auto, cpu, cuda or mps means here.

    Raises:
        BadInput: there is no such device.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    if not there.get(device, False):
        possible = [name for name, is_there in there.items() if is_there]
        raise bad_input(
            "command.device",
            "--device {device}: not possible here; possible are {possible}.",
            device=device,
            possible=", ".join(["auto", *possible]),
        )
    return torch.device(device)


def _text(found: Prediction) -> str:
    counts = Counter(found.classes[label] for label in found.found.labels)
    objects = ", ".join(f"{count} {printable(name)}" for name, count in counts.items()) or "nothing"
    return f"{printable(found.path)}: {objects}"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise bad_input(
            "predict.save",
            "--save {path}: no folder can be made there ({reason}).",
            path=folder,
            reason=error.strerror,
        ) from error


def _free_name(folder: Path, picture: Path, taken: set[Path]) -> Path:
    """Where to write a picture: its own name; a number is added where two sources share it or it would overwrite one."""
    suffix = picture.suffix if picture.suffix.lower() in _WRITABLE else ".png"
    number = 1
    path = folder / f"{picture.stem}{suffix}"
    while path in taken or path.resolve() == picture.resolve():
        number += 1
        path = folder / f"{picture.stem}_{number}{suffix}"
    taken.add(path)
    return path
