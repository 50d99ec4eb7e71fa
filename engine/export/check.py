"""Runs an exported file on images and compares what it gives with the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.dataset.images import Pixels, UnreadableImage, read_image
from engine.dataset.letterbox import preprocess_image
from engine.dataset.sample_dataset import draw_image
from engine.dataset.stored_splits import StoredSplits
from engine.export.deployable import DeployableDetector
from engine.messages import BadInput, bad_input
from engine.runs.folder import load_dataset_json, load_plan
from engine.weights.native import WeightsInfo

TOLERANCE = 1e-3
"""The largest difference of a score, and of a box as a fraction of the input's sides."""
IMAGES = 4

Runner = Callable[[Tensor], tuple[NDArray[np.float32], ...]]
"""A batch (n, 3, height, width) in; boxes (n, rows, 4) and scores (n, rows, classes) out."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The largest difference of a box in pixels of the input, and of a score."""

    images: int
    pixels: float
    score: float


def check_images(weights: Path, given: Sequence[Path]) -> list[Pixels]:
    """The images to compare on: those given, else some of the data set of the weights' run, else drawn ones.

    Raises:
        BadInput: none of the given images can be read.
    """
    images: list[Pixels] = []
    problem: UnreadableImage | None = None
    for path in given or _images_of_run(weights):
        if len(images) == IMAGES:
            break
        try:
            images.append(read_image(path))
        except UnreadableImage as error:
            problem = error
    if given and not images and problem is not None:
        raise BadInput(problem.message) from problem
    return images or [draw_image(np.random.default_rng(seed)).pixels for seed in range(IMAGES)]


def compare(
    detector: DeployableDetector,
    info: WeightsInfo,
    runner: Runner,
    images: Sequence[Pixels],
    *,
    skips_weak: bool = False,
) -> Comparison:
    """Run both on each image.

    Args:
        detector: in eval mode, on the CPU.
        info: the info of its weights.
        runner: runs the exported file.
        images: (h, w, 3) RGB.
        skips_weak: `runner` gives 0 for scores below its own threshold; they are not compared.
    """
    sides = np.array(info.input_shape[::-1] * 2, np.float32)
    worst_box = worst_score = 0.0
    for pixels in images:
        batch = as_input(pixels, info)
        with torch.no_grad():
            boxes, scores = (output.numpy() for output in detector(batch))
        other_boxes, other_scores = runner(batch)
        # Boxes that no detection could use may be far too large, even infinite, in both.
        usable = np.isfinite(boxes).all(-1) & (np.abs(boxes) < 10 * sides).all(-1)
        compared = usable[..., None] & ((other_scores > 0) if skips_weak else True)
        rows = compared.any(-1)
        worst_box = max(worst_box, float(np.abs(boxes - other_boxes)[rows].max(initial=0)))
        worst_score = max(
            worst_score, float(np.abs(scores - other_scores)[np.broadcast_to(compared, scores.shape)].max(initial=0))
        )
    return Comparison(len(images), worst_box, worst_score)


def require_equal(comparison: Comparison, info: WeightsInfo, path: Path, runtime: str) -> None:
    """Refuse a file that differs.

    Raises:
        BadInput: it does by more than `TOLERANCE`.
    """
    if comparison.score <= TOLERANCE and comparison.pixels <= TOLERANCE * min(info.input_shape):
        return
    raise bad_input(
        "export.differs",
        "{path}: not written, since {runtime} gives other results than the network: boxes differ by up to {pixels} pixels, "
        "scores by up to {score}.",
        path=path,
        runtime=runtime,
        pixels=f"{comparison.pixels:.3g}",
        score=f"{comparison.score:.3g}",
    )


def as_input(pixels: Pixels, info: WeightsInfo) -> Tensor:
    """(1, 3, height, width) from 0 to 1."""
    resized, _ = preprocess_image(pixels, info.input_shape, info.preprocessing)
    return torch.from_numpy(np.ascontiguousarray(resized)).permute(2, 0, 1)[None].float().div(255).contiguous()


def can_run_darknet() -> bool:
    """Whether this OpenCV reads Darknet networks; 5.0 no longer does."""
    return hasattr(cv2.dnn, "readNetFromDarknet")


def darknet_runner(cfg: Path, weights: Path, info: WeightsInfo, rows: Sequence[int]) -> Runner:
    """Runs a Darknet network with OpenCV 4. `rows`: the number of rows of each level, in their order."""
    network = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))  # type: ignore[attr-defined, unused-ignore]
    height, width = info.input_shape

    def run(images: Tensor) -> tuple[NDArray[np.float32], ...]:
        network.setInput(images.numpy())
        by_rows = {len(output): output for output in network.forward(network.getUnconnectedOutLayersNames())}
        outputs = np.concatenate([by_rows[count] for count in rows])[None]
        centres, sizes = outputs[..., :2] * (width, height), outputs[..., 2:4] * (width, height)
        boxes = np.concatenate((centres - sizes / 2, centres + sizes / 2), -1)
        return boxes.astype(np.float32), outputs[..., 5:]

    return run


def _images_of_run(weights: Path) -> list[Path]:
    """Validation images of the run that the weights are from."""
    try:
        plan = load_plan(weights.parent)
        splits = StoredSplits.model_validate(load_dataset_json(weights.parent)).splits
    except (BadInput, ValueError, OSError):
        return []
    root = Path(plan.data.path)
    names = splits.get("val") or splits.get("train") or []
    return [path for name in names[: 2 * IMAGES] if (path := root / name).is_file()]
