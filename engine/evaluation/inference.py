"""Prediction in one image at a time, for the wizard's dialog, and the device that weights run on."""

from __future__ import annotations

from pathlib import Path

import torch

from engine.dataset.images import UnreadableImage
from engine.evaluation.detect import EVALUATION_CONFIDENCE
from engine.evaluation.predict import Prediction, default_threshold, predict
from engine.hardware import Hardware, probe
from engine.messages import BadInput, bad_input
from engine.network.folding import fold_batch_norm
from engine.weights.load import load_network


class Predictor:
    """Loaded weights that detect objects in one image at a time. `threshold`: that of their best F1."""

    def __init__(self, weights: Path, device: str = "auto") -> None:
        """Load the weights.

        Raises:
            BadInput: the weights or the device cannot be used.
        """
        network, self._info = load_network(weights)
        self._network = fold_batch_norm(network)
        self._device = resolve_device(device)
        self.threshold = default_threshold(self._info)

    def predict(self, image: Path) -> Prediction:
        """The objects in an image, all with a confidence of 0.01 or more.

        Raises:
            BadInput: the image cannot be read.
        """
        prediction = next(
            predict(
                self._network, self._info, [image], threshold=EVALUATION_CONFIDENCE, device=self._device, batch_size=1
            )
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
