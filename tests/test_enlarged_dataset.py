"""The data set of a run and newly labelled images as one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.dataset.formats import open_dataset
from engine.dataset.image_size import read_image_size
from engine.dataset.images import clipped_boxes
from engine.dataset.index import Dataset
from engine.dataset.sample_dataset import SAMPLE_CLASSES
from engine.evaluation.labelling.enlarged_dataset import write_enlarged
from engine.evaluation.labelling.folder_labels import PROPOSED_LIST, read_folder_labels
from engine.messages import BadInput
from tests.small_training import finished_workspace
from tests.test_label import image


@pytest.fixture
def base() -> Dataset:
    """Pascal VOC, with boxes in pixels; one of its images is in no split."""
    dataset = open_dataset(finished_workspace() / "data")
    return replace(dataset, splits={**dataset.splits, "train": dataset.splits["train"][1:]})


def yolo_folder(folder: Path) -> Path:
    """Two labelled images, of which the second is proposed, and one without labels. Their class ids are in another order."""
    for number in range(3):
        image(folder / f"{number}.png", seed=number + 50)
    (folder / "classes.txt").write_text("star\nball\n", encoding="utf-8")
    (folder / "0.txt").write_text("0 0.5 0.5 0.25 0.5\n", encoding="utf-8")
    (folder / "1.txt").write_text("1 0.25 0.25 0.5 0.5\n0 0.5 0.5 0.1 0.1\n", encoding="utf-8")
    (folder / PROPOSED_LIST).write_text("1.png\n", encoding="utf-8")
    return folder


def boxes_by_image(dataset: Dataset) -> dict[str, list[tuple[str, list[int]]]]:
    boxes = {}
    for index, name in enumerate(dataset.images):
        size = read_image_size(dataset.image_path(index), tuple(dataset.sizes[index].tolist()))
        corners, labels = clipped_boxes(dataset, index, size[:2])
        rows = zip(np.round(corners).astype(int).tolist(), labels.tolist(), strict=True)
        boxes[Path(name).name] = sorted((dataset.classes[label], box) for box, label in rows)
    return boxes


def test_labelled_images_become_training_images_and_every_box_stays(base: Dataset, tmp_path: Path) -> None:
    folder = yolo_folder(tmp_path / "new")
    progress: list[tuple[int, int]] = []
    written = write_enlarged(
        base, read_folder_labels(folder, None), tmp_path, "run", lambda *counts: progress.append(counts)
    )
    assert (written.added, written.proposed) == (2, 1)
    enlarged = open_dataset(written.folder)
    counts = base.image_counts()
    assert enlarged.image_counts() == {**counts, "train": counts["train"] + 2}
    assert progress[-1][0] == progress[-1][1] == len(enlarged.images)
    assert set(enlarged.classes) == set(SAMPLE_CLASSES)
    read, before = boxes_by_image(enlarged), boxes_by_image(base)
    assert {name: before[name] for name in read if name in before} == {n: read[n] for n in read if n in before}
    width, height = read_image_size(folder / "0.png")[:2]
    assert read["0.png"] == [("star", [round(w) for w in (0.375 * width, 0.25 * height, 0.625 * width, 0.75 * height)])]
    assert [name for name, _ in read["1.png"]] == ["ball", "star"]


def test_a_second_one_gets_another_folder(base: Dataset, tmp_path: Path) -> None:
    labels = read_folder_labels(yolo_folder(tmp_path / "new"), None)
    folders = [write_enlarged(base, labels, tmp_path, "run").folder.name for _ in range(2)]
    assert folders == ["run", "run_2"]


def test_a_folder_without_new_labels_is_refused(base: Dataset, tmp_path: Path) -> None:
    """Images that the run was trained or measured on are not new."""
    whole = open_dataset(finished_workspace() / "data")
    with pytest.raises(BadInput, match="no labelled image"):
        write_enlarged(whole, read_folder_labels(whole.root, None), tmp_path, "run")
    assert write_enlarged(base, read_folder_labels(whole.root, None), tmp_path, "run").added == 1
