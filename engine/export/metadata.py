"""What an exported file says about itself."""

from __future__ import annotations

from typing import Any

from engine.evaluation.detect import NMS_IOU
from engine.evaluation.predict import default_threshold
from engine.weights.native import WeightsInfo

KEY = "freezetui"
"""The entry of the file's metadata that holds this as JSON."""


def metadata(info: WeightsInfo) -> dict[str, Any]:
    """Everything that detecting with the weights needs, as JSON. `input_shape`: height, width; anchors in pixels of the input."""
    return {
        "network": info.network,
        "classes": list(info.classes),
        "input_shape": list(info.input_shape),
        "preprocessing": info.preprocessing,
        "channels": "RGB from 0 to 1",
        "anchors": [list(anchor) for anchor in info.all_anchors],
        "scale_x_y": list(info.scale_x_y),
        "threshold": default_threshold(info),
        "iou": NMS_IOU,
    }
