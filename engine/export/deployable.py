"""The network as other programs run it: an image batch in, boxes and scores out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.network.decode import decode_boxes, split_level
from engine.network.detector import Detector

OUTPUTS = ("boxes", "scores")


class DeployableDetector(nn.Module):
    """A network and its decoding, without `Detector.decode`'s checks, so that the size of the input may vary."""

    def __init__(self, network: Detector) -> None:
        super().__init__()
        self.network = network
        self.levels = network.levels

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Every box of a batch, before non-maximum suppression.

        Args:
            images: (batch, 3, height, width) float32, RGB from 0 to 1; height and width multiples of 32.

        Returns:
            boxes (batch, rows, 4), x1 y1 x2 y2 in pixels of the input, and scores (batch, rows, classes): objectness times the
            probability of the class. Rows run over levels, then y, x, anchor.
        """
        all_boxes, all_scores = [], []
        for raw, level in zip(self.network(images), self.levels, strict=True):
            predicted = split_level(raw, len(level.anchors))  # (batch, anchors, height, width, 5 + classes)
            boxes = decode_boxes(predicted, level)
            scores = predicted[..., 4:5].sigmoid() * predicted[..., 5:].sigmoid()
            all_boxes.append(boxes.permute(0, 2, 3, 1, 4).flatten(1, 3))
            all_scores.append(scores.permute(0, 2, 3, 1, 4).flatten(1, 3))
        boxes = torch.cat(all_boxes, dim=1)
        centres, half_sizes = boxes[..., :2], boxes[..., 2:] / 2
        return torch.cat((centres - half_sizes, centres + half_sizes), dim=-1), torch.cat(all_scores, dim=1)
