"""The command `predict`: from any sources, through the network in batches, to rows of text and JSON, and files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from engine.dataset.images import UnreadableImage
from engine.evaluation.detect import NMS_IOU, above, preload_nms
from engine.evaluation.draw import missing_font
from engine.evaluation.forward import DTYPES, Precision
from engine.evaluation.inference import resolve_device
from engine.evaluation.labelling.thresholds import Thresholds
from engine.evaluation.object_counts import ObjectCounts
from engine.evaluation.predict import Prediction, WorkTimes, default_threshold, predict_batches
from engine.evaluation.result_files import ResultFiles, WrittenFiles
from engine.evaluation.sources.inputs import images_of
from engine.evaluation.sources.words import Source
from engine.messages import Message, bad_input, did_you_mean, join_names, nearest, phrase
from engine.weights.load import load_network


@dataclass(frozen=True, slots=True)
class PredictionRow:
    """The objects in one image, as text and as a JSON line.

    If the image cannot be read, `text` says why, and `line` is None.
    """

    text: Message
    line: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """What to look for, and where to write it."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    """Smallest confidence of each class."""
    iou: float = NMS_IOU
    class_names: tuple[str, ...] = ()
    """Only objects of these classes, names separated by commas; empty: of all."""
    batch_size: int | None = None
    """None: 8, on a card 32."""
    device: str = "auto"
    precision: str = "fp32"
    """fp32, bf16 or fp16."""
    save: Path | None = None
    """The folder for images and videos with boxes."""
    crop: Path | None = None
    """The folder for a cut-out of each object."""
    heatmaps: bool = False
    """Whether a heatmap is saved beside each image in `save`."""
    with_counts: bool = False
    """Whether each JSON line has the number of objects of each class."""


class BatchPredictor:
    """Loaded weights that detect objects in the images of any sources.

    `counts` and `times` hold what was found and how long it took, up to the last row.
    """

    def __init__(
        self, weights: Path, options: PredictOptions, on_remark: Callable[[Message], None] = lambda _: None
    ) -> None:
        """Load the weights. `on_remark` is told once what holds for all images.

        Raises:
            BadInput: the weights, the device or a class name cannot be used.
        """
        if options.heatmaps and options.save is None:
            raise bad_input("predict.heatmap", "--heatmap: name the folder for the heatmaps with --save FOLDER.")
        self._network, self._info = load_network(weights)
        self._options = options
        self._device = resolve_device(options.device)
        self._precision = _parse_precision(options.precision, self._device)
        self._thresholds = options.thresholds.of_classes(self._info.classes, default_threshold(self._info))
        self._labels = find_labels(options.class_names, self._info.classes) if options.class_names else None
        labels = range(len(self._info.classes)) if self._labels is None else sorted(self._labels)
        self.counts = ObjectCounts(self._info.classes, tuple(labels))
        self.times = WorkTimes()
        preload_nms()
        if options.save is not None and (remark := missing_font(self._info.classes)) is not None:
            on_remark(remark)

    def rows(self, sources: Sequence[Source]) -> Generator[PredictionRow, None, None]:
        """A row for each image, in order, once its files are written. Closing the generator ends open videos.

        No file that exists is overwritten: where a name is taken, the file gets a number.

        Raises:
            BadInput: a folder or a file cannot be written.
        """
        options = self._options
        files = ResultFiles(
            self._info.classes, save=options.save, crop=options.crop, heatmaps=options.heatmaps, times=self.times
        )
        batches = predict_batches(
            self._network,
            self._info,
            images_of(sources),
            threshold=float(self._thresholds.min()),
            iou=options.iou,
            labels=self._labels,
            device=self._device,
            batch_size=options.batch_size,
            precision=self._precision,
            with_heat=options.heatmaps,
            times=self.times,
        )
        with files, closing(batches):
            for found in batches:
                batch = [self._sure(item) if isinstance(item, Prediction) else item for item in found]
                written = iter(files.write([item for item in batch if isinstance(item, Prediction)]))
                for item in batch:
                    if isinstance(item, UnreadableImage):
                        yield PredictionRow(item.message, None)
                    else:
                        yield self._row(item, next(written))

    def _sure(self, prediction: Prediction) -> Prediction:
        """With the objects from the threshold of their class on."""
        return replace(prediction, detections=above(prediction.detections, self._thresholds))

    def _row(self, prediction: Prediction, written: WrittenFiles) -> PredictionRow:
        counts = self.counts.add(prediction)
        text, line = _text(prediction, counts), prediction.to_json()
        if self._options.with_counts:
            line["counts"] = counts
        if written.saved is not None:
            line["saved"] = str(written.saved)
            if not _is_frame(prediction) and written.saved.stem != prediction.path.stem:
                text = Message("", "{text} (saved as {name})", {"text": text, "name": written.saved.name})
        if written.heatmap is not None:
            line["heatmap"] = str(written.heatmap)
        if self._options.crop is not None:
            line["crops"] = [str(path) for path in written.crops]
        return PredictionRow(text, line)


def _parse_precision(precision: str, device: torch.device) -> Precision:
    """The word of --precision.

    Raises:
        BadInput: there is no such format, or the device does not compute in it.
    """
    if precision not in DTYPES:
        raise bad_input(
            "predict.precision",
            "--precision {word}: it is fp32, bf16 or fp16{hint}",
            word=precision,
            hint=did_you_mean(precision, DTYPES),
        )
    if precision == "fp16" and device.type == "cpu":
        raise bad_input("predict.fp16", "--precision fp16: only for a graphics card; use bf16 or fp32.")
    return precision  # type: ignore[return-value]  # a key of DTYPES


def find_labels(names: Collection[str], classes: tuple[str, ...]) -> frozenset[int]:
    """The numbers of classes by their names; each of `names` is one, or several separated by commas.

    Raises:
        BadInput: there is no class of such a name.
    """
    labels: set[int] = set()
    for text in names:
        for name in [text] if text in classes else [part.strip() for part in text.replace("，", ",").split(",")]:
            if name:
                labels.add(_label_of(name, classes))
    if not labels:
        raise bad_input(
            "predict.no_class", "--classes: no class is named; the weights know {classes}.", classes=join_names(classes)
        )
    return frozenset(labels)


def _label_of(name: str, classes: tuple[str, ...]) -> int:
    if name in classes:
        return classes.index(name)
    folded = [label for label, known in enumerate(classes) if known.casefold() == name.casefold()]
    if len(folded) == 1:
        return folded[0]
    if (similar := nearest(name, classes)) is not None:
        raise bad_input(
            "predict.unknown_class",
            "--classes {name}: the weights have no such class; did you mean {nearest}?",
            name=name,
            nearest=similar,
        )
    raise bad_input(
        "predict.unknown_class",
        "--classes {name}: the weights have no such class; they know {classes}.",
        name=name,
        classes=join_names(classes),
    )


def _text(prediction: Prediction, counts: dict[str, int]) -> Message:
    objects = ", ".join(f"{count} {name}" for name, count in counts.items()) or phrase("no objects detected")
    if _is_frame(prediction) and prediction.source is not None:
        return Message(
            "",
            "{video}, frame {frame}: {objects}",
            {"video": prediction.path, "frame": prediction.source.frame, "objects": objects},
        )
    return Message("", "{image}: {objects}", {"image": prediction.path, "objects": objects})


def _is_frame(prediction: Prediction) -> bool:
    return prediction.source is not None and prediction.source.video is not None
