"""What the Data screen finds out about a data set: its labels first, then every image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.dataset.index import Dataset, Finding, require_training_images
from engine.plan import DEFAULT_SPLIT_SEED, DataSource, open_source
from engine.planning.request import DatasetReader
from tui.wizard.data_source import draw_sample_if_missing

if TYPE_CHECKING:
    from engine.dataset.class_mapping import ClassNames
    from engine.evaluation.thumbnail import Thumbnail


@dataclass(frozen=True, slots=True)
class DatasetInspection:
    """What is known about the data set at `source`."""

    source: DataSource
    dataset: Dataset
    colours: tuple[tuple[int, int, int], ...]
    """RGB of each class, as its boxes are drawn."""
    conflicting_names: tuple[str, ...] = ()
    """Names of a classes file beside the labels that differ from the labels' names, where the user chose neither."""
    classes_file: Path | None = None
    """The file with the conflicting names."""
    findings: tuple[Finding, ...] | None = None
    """None: the images are not checked yet."""
    readable: Mapping[str, int] | None = None
    """Number of images in each split that can be read; None: they are not checked yet."""


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One image of a data set, at most `max_width` x `max_height` pixels."""

    dataset: Dataset
    image_index: int
    max_width: int
    max_height: int


def inspect_dataset(
    source: DataSource,
    workspace: Path,
    datasets: DatasetReader,
    on_progress: Callable[[int, int], None] | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> DatasetInspection | None:
    """Read the labels at `source`; None where it was cancelled. The sample set is drawn first if it does not exist yet.

    Args:
        source: the data set.
        workspace: where the sample set is.
        datasets: keeps what is read.
        on_progress: called with the number of files that are read, and of all files (0: not known yet).
        is_cancelled: asked as often.

    Raises:
        BadInput: see `open_source`; or there are too few images to train.
    """
    from engine.dataset.class_mapping import FORMATS_WITH_CLASS_IDS, target_names
    from engine.dataset.classes_file import find_classes_file_near
    from engine.evaluation.colours import colour_of

    draw_sample_if_missing(source, workspace)

    def report_progress(done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(done, total)
        if is_cancelled():
            raise _CancelledError

    try:
        dataset = datasets.open(source, DEFAULT_SPLIT_SEED, report_progress)
    except _CancelledError:
        return None
    require_training_images(dataset)
    inspection = DatasetInspection(source, dataset, tuple(colour_of(index) for index in range(len(dataset.classes))))
    if source.classes_file is None and not source.mapping and dataset.format not in FORMATS_WITH_CLASS_IDS:
        classes_file = find_classes_file_near(dataset.root)
        names = target_names(classes_file)
        if set(dataset.classes) - set(names):
            return replace(inspection, conflicting_names=names, classes_file=classes_file)
    return inspection


def check_images(
    inspection: DatasetInspection, on_progress: Callable[[int, int], None], is_cancelled: Callable[[], bool]
) -> DatasetInspection | None:
    """`inspection` with the doctor's findings, after every image was read; None where it was cancelled.

    Args:
        inspection: the data set.
        on_progress: called with the number of images that are checked, and of all images.
        is_cancelled: asked after every image.
    """
    from engine.dataset.doctor import check_dataset

    def report_progress(done: int, total: int) -> None:
        on_progress(done, total)
        if is_cancelled():
            raise _CancelledError

    try:
        report = check_dataset(inspection.dataset, report_progress)
    except _CancelledError:
        return None
    return replace(inspection, findings=report.findings, readable=report.readable_counts())


class _CancelledError(Exception):
    """Ends the reading of labels or the doctor's check early."""


def render_image(request: ImageRequest) -> Thumbnail:
    """The image with its boxes.

    Raises:
        BadInput: the image cannot be read.
    """
    from engine.evaluation.thumbnail import labelled_thumbnail

    return labelled_thumbnail(request.dataset, request.image_index, request.max_width, request.max_height)


def read_class_names(source: DataSource, datasets: DatasetReader) -> ClassNames:
    """The class names in the labels at `source`, and those of its classes file, if that exists.

    Raises:
        BadInput: see `open_source`.
    """
    from engine.dataset.class_mapping import ClassNames, target_names

    classes_file = None if source.classes_file is None else Path(source.classes_file)
    if classes_file is not None and not classes_file.is_file():
        classes_file = None
    unmapped = DataSource(source.path, source.format)
    # The dataset that is kept for the other screens is not replaced by one with other class names.
    dataset = datasets.open(source, DEFAULT_SPLIT_SEED) if source == unmapped else open_source(unmapped)
    return ClassNames(dataset.box_counts(), target_names(classes_file))
