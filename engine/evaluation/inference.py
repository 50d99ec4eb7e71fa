"""Evaluation and prediction with a weights file: the commands `evaluate` and `predict`, and the wizard's prediction dialog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.dataset.images import UnreadableImage
from engine.dataset.index import Dataset
from engine.dataset.splits import SPLITS
from engine.evaluation.detect import EVALUATION_CONFIDENCE
from engine.evaluation.draw import missing_font, save_drawn
from engine.evaluation.evaluate import Evaluation, evaluate
from engine.evaluation.predict import Prediction, default_threshold, predict
from engine.files import error_reason
from engine.hardware import Hardware, probe
from engine.messages import BadInput, Message, bad_input, nearest, phrase
from engine.weights.load import load_network


@dataclass(frozen=True, slots=True)
class PredictionRow:
    """The objects in one image, as text and as a JSON line.

    If the image cannot be read, `text` says why, and `line` is None.
    """

    text: Message
    line: dict[str, Any] | None


def evaluate_weights(
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
    network, info = load_network(weights)
    return evaluate(
        network, info, dataset, split, batch_size=batch_size, device=resolve_device(device), progress=progress
    )


def predict_files(
    weights: Path,
    images: Sequence[Path],
    *,
    threshold: float | None,
    device: str,
    save: Path | None,
    on_remark: Callable[[Message], None] = lambda _: None,
) -> Iterator[PredictionRow]:
    """Detect objects in images; with `save`, write each image with its boxes into that folder.

    No file that exists is overwritten: where a name is taken, the image gets a number. `on_remark` is told once what holds for
    all images.

    Raises:
        BadInput: the weights, the device or the folder cannot be used.
    """
    network, info = load_network(weights)
    if save is not None:
        make_save_folder(save)
        if (remark := missing_font(info.classes)) is not None:
            on_remark(remark)
    predictions = predict(network, info, images, threshold=threshold, device=resolve_device(device))
    for prediction in predictions:
        if isinstance(prediction, UnreadableImage):
            yield PredictionRow(prediction.message, None)
            continue
        text, line = _text(prediction), prediction.to_json()
        if save is not None:
            saved = save_drawn(save, prediction.path, prediction.pixels, prediction.detections, prediction.classes)
            line["saved"] = str(saved)
            if saved.stem != prediction.path.stem:
                text = Message("", "{text} (saved as {name})", {"text": text, "name": saved.name})
        yield PredictionRow(text, line)


class Predictor:
    """Loaded weights that detect objects in one image at a time. `threshold`: that of their best F1."""

    def __init__(self, weights: Path, device: str = "auto") -> None:
        """Load the weights.

        Raises:
            BadInput: the weights or the device cannot be used.
        """
        self._network, self._info = load_network(weights)
        self._device = resolve_device(device)
        self.threshold = default_threshold(self._info)

    def predict(self, image: Path) -> Prediction:
        """The objects in an image, all with a confidence of 0.01 or more.

        Raises:
            BadInput: the image cannot be read.
        """
        prediction = next(
            predict(self._network, self._info, [image], threshold=EVALUATION_CONFIDENCE, device=self._device)
        )
        if isinstance(prediction, UnreadableImage):
            raise BadInput(prediction.message) from prediction
        return prediction


def resolve_device(device: str) -> torch.device:
    """The torch device for auto, cpu, cuda or mps.

    Raises:
        BadInput: there is no such device.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        device = next(name for name in ("cuda", "mps", "cpu") if available[name])
    if not available.get(device, False):
        possible = [name for name, is_available in available.items() if is_available]
        raise bad_input(
            "command.device",
            "--device {device}: not available here; available are {possible}.",
            device=device,
            possible=", ".join(["auto", *possible]),
        )
    return cuda_device(probe(Path())) if device == "cuda" else torch.device(device)


def cuda_device(hardware: Hardware) -> torch.device:
    """The card that a training would use; torch's own first card where the driver tells nothing about the cards."""
    card = hardware.best_card()
    return torch.device("cuda" if card is None else f"cuda:{card.cuda_index}")


def _text(prediction: Prediction) -> Message:
    counts = Counter(prediction.classes[label] for label in prediction.detections.labels)
    objects = ", ".join(f"{count} {name}" for name, count in counts.items()) or phrase("no objects detected")
    return Message("", "{image}: {objects}", {"image": prediction.path, "objects": objects})


def make_save_folder(folder: Path) -> None:
    """Create a folder for images with boxes.

    Raises:
        BadInput: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise bad_input(
            "predict.save",
            "--save {path}: the folder cannot be created ({reason}).",
            path=folder,
            reason=error_reason(error),
        ) from error
