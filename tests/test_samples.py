"""Sample images of a run: what a network in training detects in a few fixed validation images."""

from __future__ import annotations

import errno
import json
import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from engine.dataset.formats import open_dataset
from engine.dataset.images import read_image
from engine.dataset.loader import CachedImages
from engine.dataset.sample_dataset import SAMPLE_CLASSES
from engine.evaluation import samples as samples_module
from engine.evaluation.detect import Detections, TrueBoxes, strongest
from engine.evaluation.evaluate import ImageResult
from engine.evaluation.predict import Prediction
from engine.evaluation.samples import (
    MAX_SIDE,
    pick_samples,
    read_predictions,
    read_samples,
    sample_epochs,
    sample_folder,
    save_samples,
)
from engine.events import Evaluated, Finished, event_from_line
from engine.messages import BadInput
from engine.runs.folder import SAMPLES, read_events
from tests.small_training import copy_run, finished_workspace, prepare, train

CLASSES = ("ball", "crate")


def made(path: Path = Path("image.png"), count: int = 40) -> Prediction:
    """An image with `count` detections and one true box."""
    boxes = np.tile(np.array([[10, 20, 110, 90]], np.float32), (count, 1))
    detections = Detections(boxes, np.linspace(0.9, 0.02, count, dtype=np.float32), np.zeros(count, np.int32))
    truth = TrueBoxes(np.array([[12, 22, 108, 88]], np.float32), np.array([1], np.int32))
    return Prediction(path, np.full((300, 900, 3), 90, np.uint8), detections, CLASSES, truth)


def test_a_training_leaves_samples_and_the_ap_of_each_class(tmp_path: Path) -> None:
    run = copy_run(finished_workspace(), tmp_path)
    evaluated = [event for event in read_events(run) if isinstance(event, Evaluated)]
    assert evaluated
    assert set(evaluated[-1].per_class) <= set(SAMPLE_CLASSES)
    assert sample_epochs(run)[-1] == evaluated[-1].epoch
    stored = read_samples(run, evaluated[-1].epoch)
    assert stored.images
    for index, path in enumerate(stored.images):
        assert max(read_image(path).shape) <= MAX_SIDE
        prediction = stored.prediction(index)
        assert prediction.path.stem in path.stem
        assert prediction.truth is not None
        assert len(prediction.truth.boxes)
    shown = EventAccumulator(str(run)).Reload()
    assert {f"ap50/{name}" for name in evaluated[-1].per_class} <= set(shown.Tags()["scalars"])
    pictures = {f"samples/{path.stem}" for path in stored.images}
    assert set(shown.Tags()["images"]) == pictures


def test_a_log_of_an_older_version_is_read() -> None:
    event = Evaluated(epoch=3, map50=0.5, map50_95=0.25, best=True, per_class={"ball": 0.5})
    assert event_from_line(event.to_line()) == event
    line = json.dumps({name: value for name, value in event.to_json().items() if name != "per_class"})
    assert event_from_line(line) == replace(event, per_class={})
    assert event_from_line(event.to_line().replace('"ball":0.5', '"ball":"x"')) is None


def test_the_images_together_show_every_class_and_are_the_same_each_time(tmp_path: Path) -> None:
    prepare(tmp_path, images=20)
    dataset = open_dataset(tmp_path / "data")
    picked = pick_samples(dataset, "train")
    assert len(picked) == len(set(picked)) == 4
    assert set(picked) <= set(dataset.splits["train"].tolist())
    assert {int(label) for index in picked for label in dataset.boxes_of(index)[1]} == {0, 1, 2}
    assert picked == pick_samples(dataset, "train")


def test_stored_boxes_come_back(tmp_path: Path) -> None:
    prepare(tmp_path, images=6)
    dataset = open_dataset(tmp_path / "data")
    given = made()
    assert given.truth is not None
    boxes = ImageResult(int(dataset.splits["train"][0]), given.detections, given.truth)
    save_samples(tmp_path, 4, None, 0.25, read_predictions(CachedImages(dataset), [boxes]))
    stored = read_samples(tmp_path, 4)
    assert (stored.epoch, stored.threshold) == (4, 0.25)
    read = stored.prediction(0)
    assert read.classes == dataset.classes
    assert read.truth is not None
    np.testing.assert_allclose(read.detections.boxes, given.detections.boxes, atol=0.01)
    np.testing.assert_allclose(read.detections.scores, given.detections.scores, atol=1e-6)
    np.testing.assert_array_equal(read.truth.labels, given.truth.labels)


def test_only_the_first_the_best_and_the_last_epochs_are_kept(tmp_path: Path) -> None:
    for epoch in range(9):
        save_samples(tmp_path, epoch, min(epoch, 3), 0.5, [made()])
    assert sample_epochs(tmp_path) == [0, 3, 6, 7, 8]
    save_samples(tmp_path, 7, 3, 0.5, [made()])  # of a training that was resumed before it
    assert sample_epochs(tmp_path) == [0, 3, 6, 7]
    assert [entry.name for entry in sorted((tmp_path / SAMPLES).iterdir())][:2] == ["epoch_001", "epoch_004"]


def test_at_most_thirty_boxes_are_drawn_and_the_others_are_counted() -> None:
    shown, weaker = strongest(made(count=100).detections, 0.0)
    assert (len(shown.scores), weaker) == (30, 70)
    shown, weaker = strongest(made(count=100).detections, 0.8)
    assert weaker == 0
    assert shown.scores.min() >= 0.8


def test_saving_takes_no_random_number(tmp_path: Path) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1], random.getstate()
    save_samples(tmp_path, 0, None, 0.1, [made()])
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def test_samples_that_cannot_be_written_do_not_stop_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path, images=6)

    def refuse(path: Path, pixels: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(samples_module, "write_jpeg", refuse)
    assert isinstance(train(tmp_path, freeze_epoch=1, unfreeze_epoch=1)[-1], Finished)


def test_a_full_disk_is_reported_as_it_is_for_the_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, pixels: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(samples_module, "write_jpeg", full)
    with pytest.raises(BadInput, match="the disk is full"):
        save_samples(tmp_path, 0, None, 0.5, [made()])
    assert not list((tmp_path / SAMPLES).iterdir())


def test_an_image_whose_name_is_no_text_gets_a_name(tmp_path: Path) -> None:
    save_samples(tmp_path, 0, None, 0.5, [made(Path(os.fsdecode(b"caf\xe9.png"))), made(Path("图" * 200 + ".png"))])
    assert len(read_samples(tmp_path, 0).images) == 2


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"threshold":0.5,"classes":[],"samples":[{"file":"../x"}]}'])
def test_a_damaged_list_is_named(tmp_path: Path, damage: str) -> None:
    save_samples(tmp_path, 0, None, 0.5, [made()])
    (sample_folder(tmp_path, 0) / "samples.json").write_text(damage)
    with pytest.raises(BadInput, match=r"samples\.json: this is not a list of sample images"):
        read_samples(tmp_path, 0)
    with pytest.raises(BadInput, match="does not exist"):
        read_samples(tmp_path, 5)
