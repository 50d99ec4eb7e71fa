"""Evaluates a weights file on a split, and sorts its mistakes: what the command `evaluate` shows and saves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.dataset.images import UnreadableImage
from engine.dataset.index import Dataset
from engine.dataset.splits import SPLITS
from engine.evaluation.evaluate import ImageResult, evaluate
from engine.evaluation.inference import resolve_device
from engine.evaluation.metrics import ClassDetails, Details, Scores, SizeScore
from engine.evaluation.mistakes import Kind, Matches, Mistakes, confusion_matrix, match_boxes, sum_mistakes
from engine.messages import bad_input, did_you_mean
from engine.weights.load import load_network
from engine.weights.native import WeightsInfo

WORST_IMAGES = 10


@dataclass(frozen=True, slots=True)
class ImageMistakes:
    """The mistakes in one image at the threshold of the analysis."""

    path: Path
    result: ImageResult
    mistakes: Mistakes
    matches: Matches

    @property
    def kinds(self) -> Mapping[Kind, int]:
        """The number of mistakes of each kind."""
        return self.matches.count_kinds()

    @property
    def severity(self) -> float:
        """See `Matches.severity`."""
        return self.matches.severity()

    def to_json(self) -> dict[str, Any]:
        """One of `images` in evaluation.json."""
        return {
            "image": str(self.path),
            "found": self.mistakes.found,
            "missed_objects": self.mistakes.missed,
            "wrong_detections": self.mistakes.wrong,
            "mistakes": _kinds_to_json(self.kinds),
            "severity": round(self.severity, 4),
        }


@dataclass(frozen=True, slots=True)
class Analysis:
    """The scores of weights on a split, and their mistakes at `scores.threshold`."""

    split: str
    scores: Scores
    details: Details
    mistakes: Mistakes
    """Of all images."""
    kinds: Mapping[Kind, int]
    """Of all images; so are those of each class, where a missed object counts for its class, a detection for the detected one."""
    class_kinds: Mapping[str, Mapping[Kind, int]]
    confusion: NDArray[np.int64]
    """(classes + 1, classes + 1), see `confusion_matrix`."""
    images: tuple[ImageMistakes, ...]
    """The worst first, see `Matches.severity`; among equals those with the most objects."""
    skipped: tuple[UnreadableImage, ...]
    dataset: Dataset

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the weights."""
        return tuple(self.scores.per_class)

    @property
    def worst_images(self) -> tuple[ImageMistakes, ...]:
        """At most WORST_IMAGES, each with a mistake."""
        return tuple(image for image in self.images[:WORST_IMAGES] if image.mistakes.total)

    def to_json(self) -> dict[str, Any]:
        """The output of `evaluate --json`."""
        scores = self.scores.to_json()
        for name, details in self.details.per_class.items():
            scores["per_class"][name] |= {
                "best_threshold": details.best_threshold,
                "sizes": _sizes_to_json(details.sizes),
                "mistakes": _kinds_to_json(self.class_kinds[name]),
            }
        return {
            "split": self.split,
            **scores,
            "best_threshold": self.details.best_threshold,
            "sizes": _sizes_to_json(self.details.sizes),
            "mistakes": _kinds_to_json(self.kinds),
            "confusion_matrix": {"classes": [*self.classes, "background"], "counts": self.confusion.tolist()},
            "worst_images": [image.to_json() for image in self.worst_images],
            "skipped": [skipped.message.to_json() for skipped in self.skipped],
        }

    def to_full_json(self) -> dict[str, Any]:
        """The content of evaluation.json: also the curves, and every image."""
        return {
            **self.to_json(),
            "curves": {
                "thresholds": _rounded(self.details.thresholds),
                "recalls": _rounded(self.details.recalls),
                "per_class": {name: _curves_to_json(details) for name, details in self.details.per_class.items()},
            },
            "images_worst_first": [image.to_json() for image in self.images],
        }


def analyse_weights(
    weights: Path,
    dataset: Dataset,
    split: str,
    *,
    batch_size: int,
    device: str,
    threshold: float | None = None,
    class_names: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Analysis:
    """Evaluate a weights file on a split.

    Args:
        weights: of any kind that can be read.
        dataset: its boxes are the truth.
        split: train, val or test.
        batch_size: images in a batch.
        device: auto, cpu, cuda or mps.
        threshold: the confidence from which a detection counts as a mistake or not; None: that of the best F1.
        class_names: the classes of the weights in their order, where the file does not name them.
        progress: called with the number of images that are done and their total.

    Raises:
        BadInput: the weights, the split or the device cannot be used.
    """
    if split not in SPLITS:
        raise bad_input(
            "evaluate.split",
            "--split {split}: it is train, val or test{hint}",
            split=split,
            hint=did_you_mean(split, SPLITS),
        )
    network, info = load_network(weights)
    info = _with_names(info, class_names)
    results: list[ImageResult] = []
    evaluation = evaluate(
        network,
        info,
        dataset,
        split,
        batch_size=batch_size,
        device=resolve_device(device),
        progress=progress,
        on_image=results.append,
    )
    scores = evaluation.metrics.result(threshold)
    return analyse(scores, evaluation.metrics.details(), dataset, split, results, evaluation.skipped)


def analyse(
    scores: Scores,
    details: Details,
    dataset: Dataset,
    split: str,
    results: Sequence[ImageResult],
    skipped: Sequence[UnreadableImage] = (),
) -> Analysis:
    """Sort the mistakes in `results`, which are all images of a split, at the threshold of `scores`."""
    classes = tuple(scores.per_class)
    matches = [match_boxes(result.detections, result.truth, scores.threshold) for result in results]
    images = [
        ImageMistakes(dataset.image_path(result.image_index), result, match.count_mistakes(), match)
        for result, match in zip(results, matches, strict=True)
    ]
    images.sort(key=lambda image: (-image.severity, -len(image.result.truth.labels)))
    class_kinds = _count_class_kinds(matches, len(classes))
    return Analysis(
        split=split,
        scores=scores,
        details=details,
        mistakes=sum_mistakes(image.mistakes for image in images),
        kinds=sum(class_kinds, Counter[Kind]()),
        class_kinds=dict(zip(classes, class_kinds, strict=True)),
        confusion=confusion_matrix(matches, len(classes)),
        images=tuple(images),
        skipped=tuple(skipped),
        dataset=dataset,
    )


def _count_class_kinds(matches: Iterable[Matches], classes: int) -> list[Counter[Kind]]:
    counts = [Counter[Kind]() for _ in range(classes)]
    for match in matches:
        for label, kind in zip(match.labels.tolist(), match.kinds, strict=True):
            if kind is not None:
                counts[label][kind] += 1
        for label in match.true_labels[match.missed].tolist():
            counts[label][Kind.MISSED] += 1
    return counts


def _with_names(info: WeightsInfo, class_names: Sequence[str] | None) -> WeightsInfo:
    """The info with these class names, where the file has none of its own and detects as many classes."""
    is_unnamed = any(note.code == "weights.no_names" for note in info.notes)
    if class_names is None or not is_unnamed or len(class_names) != len(info.classes):
        return info
    return replace(info, classes=tuple(class_names), notes=())


def _kinds_to_json(kinds: Mapping[Kind, int]) -> dict[str, int]:
    return {kind.value: kinds.get(kind, 0) for kind in Kind}


def _sizes_to_json(sizes: Mapping[str, SizeScore]) -> dict[str, Any]:
    return {size: {"boxes": score.boxes, "ap50": score.ap50, "ap50_95": score.ap50_95} for size, score in sizes.items()}


def _curves_to_json(details: ClassDetails) -> dict[str, list[float]]:
    return {
        "precision": _rounded(details.precision),
        "recall": _rounded(details.recall),
        "f1": _rounded(details.f1),
        "precision_at_recall": _rounded(details.precision_at_recall),
    }


def _rounded(values: NDArray[np.float64]) -> list[float]:
    rounded: list[float] = values.round(6).tolist()
    return rounded
