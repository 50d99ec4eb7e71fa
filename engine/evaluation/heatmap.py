"""Where a network sees objects at all: its objectness as a map, and as colours over an image."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from engine.dataset.images import Pixels
from engine.dataset.letterbox import Letterbox

_OPACITY = 0.5


def objectness_maps(decoded: Tensor, strides: tuple[int, ...], input_shape: tuple[int, int]) -> NDArray[np.float32]:
    """The largest objectness at each pixel of the input.

    Args:
        decoded: (batch, rows, 5 + classes), what `Detector.decode` returned: rows run over levels, then y, x, anchor.
        strides: pixels per cell of each level, in the order of the rows.
        input_shape: height and width of the input in pixels.

    Returns:
        (batch, height, width) from 0 to 1.
    """
    grids = [(input_shape[0] // stride, input_shape[1] // stride) for stride in strides]
    cells = [height * width for height, width in grids]
    per_cell = decoded.shape[1] // sum(cells)
    levels = torch.split(decoded[..., 4].float(), [count * per_cell for count in cells], dim=1)
    largest = decoded.new_zeros((len(decoded), 1, *input_shape)).float()
    for level, grid in zip(levels, grids, strict=True):
        cell_maps = level.reshape(len(decoded), *grid, per_cell).amax(-1)[:, None]  # (batch, 1, rows, columns)
        largest = largest.maximum(F.interpolate(cell_maps, size=input_shape, mode="bilinear", align_corners=False))
    maps: NDArray[np.float32] = largest[:, 0].cpu().numpy()
    return maps


def draw_heatmap(pixels: Pixels, objectness: NDArray[np.float32], letterbox: Letterbox) -> Pixels:
    """An image (h, w, 3) under its objectness in colours, blue for none and red for certain.

    `objectness`: (height, width) of the input, which the letterbox puts the image into.
    """
    top, left = letterbox.top, letterbox.left
    own = objectness[top : top + letterbox.height, left : left + letterbox.width]
    scaled = cv2.resize(own, (pixels.shape[1], pixels.shape[0]), interpolation=cv2.INTER_LINEAR)
    levels = np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_JET), cv2.COLOR_BGR2RGB)
    return cv2.addWeighted(pixels, 1 - _OPACITY, colours, _OPACITY, 0)  # type: ignore[return-value]  # OpenCV says any array
