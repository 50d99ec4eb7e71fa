"""Anchors: k-means on 1 - IoU, how well anchors fit, the command, and the way of other anchors into the weights."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.dataset.anchors import (
    SHAPE_IOU,
    anchor_fit,
    box_sizes,
    k_means,
    shape_iou,
    suggest_anchors,
)
from engine.dataset.formats import open_dataset
from engine.dataset.index import Dataset
from engine.messages import BadInput
from engine.network.detector import build_network
from engine.network.registry import NETWORKS
from engine.recipe import load_recipe
from engine.training.loss import assignment
from engine.weights.load import load_network
from engine.weights.native import info_of, save_weights
from tests.command import command
from tests.dataset_on_disk import write_image, write_text, write_voc

TINY = NETWORKS["yolov4-tiny"].anchors


def data_set(root: Path, sizes: list[tuple[float, float]], images: int = 2) -> Path:
    """Images of 80 x 60 with one box of each size (in pixels) in YOLO format, all of them in train; one empty one in val."""
    for number in range(images):
        write_image(root / "images" / "train" / f"{number}.png")
        rows = (f"0 0.5 0.5 {width / 80:.8f} {height / 60:.8f}" for width, height in sizes)
        write_text(root / "labels" / "train" / f"{number}.txt", "\n".join(rows))
    write_image(root / "images" / "val" / "last.png")
    write_text(root / "labels" / "val" / "last.txt", "0 0.5 0.5 0.9 0.9")
    write_text(root / "data.yaml", "names: [thing]\ntrain: images/train\nval: images/val\n")
    return root


def clusters(rng: np.random.Generator, centres: list[tuple[float, float]], each: int) -> np.ndarray:
    return np.concatenate([np.array(centre) * rng.uniform(0.93, 1.07, (each, 2)) for centre in centres])


def test_the_threshold_is_that_of_the_loss() -> None:
    assert SHAPE_IOU == assignment.SHAPE_IOU


def test_iou_of_shapes() -> None:
    iou = shape_iou(np.array([[2.0, 4.0]]), np.array([[2.0, 4.0], [4.0, 2.0], [1.0, 2.0]]))
    np.testing.assert_allclose(iou, [[1, 4 / 12, 2 / 8]])


def test_how_well_anchors_fit() -> None:
    fit = anchor_fit(np.array([[10.0, 10.0], [10.0, 20.0], [100.0, 1.0]]), ((10, 10),))
    assert fit.mean_iou == pytest.approx((1 + 0.5 + 10 / 190) / 3)
    assert fit.recall == pytest.approx(2 / 3)


def test_k_means_finds_the_centres_it_was_given() -> None:
    centres = [(10.0, 40.0), (40.0, 10.0), (100.0, 100.0)]
    sizes = clusters(np.random.default_rng(0), centres, 200)
    found = k_means(sizes, np.array([[5.0, 80.0], [80.0, 5.0], [50.0, 50.0]]))
    np.testing.assert_allclose(found, centres, rtol=0.03)


def test_a_cluster_without_boxes_stays_where_it_is() -> None:
    found = k_means(np.array([[10.0, 10.0], [12.0, 12.0]]), np.array([[9.0, 9.0], [500.0, 500.0]]))
    np.testing.assert_allclose(found, [[11, 11], [500, 500]])


def test_sizes_are_those_in_the_letterboxed_input(tmp_path: Path) -> None:
    dataset = open_dataset(data_set(tmp_path, [(40, 30)], images=1))
    train = dataset.splits["train"]
    np.testing.assert_allclose(box_sizes(dataset, train, (120, 160)), [[80, 60]], atol=1e-3)
    np.testing.assert_allclose(box_sizes(dataset, train, (480, 160)), [[80, 60]], atol=1e-3)
    np.testing.assert_allclose(box_sizes(dataset, train, (60, 160)), [[40, 30]], atol=1e-3)


CENTRES = [(8.0, 20.0), (20.0, 8.0), (30.0, 30.0), (12.0, 50.0), (60.0, 20.0), (70.0, 55.0)]


@pytest.fixture
def clustered(tmp_path: Path) -> Dataset:
    sizes = clusters(np.random.default_rng(1), CENTRES, 20).tolist()
    return open_dataset(data_set(tmp_path, [(w, h) for w, h in sizes]))


def test_suggested_anchors_are_the_clusters_smallest_first(clustered: Dataset) -> None:
    suggestion = suggest_anchors(clustered, (60, 80), TINY)
    areas = [width * height for width, height in suggestion.after.anchors]
    assert areas == sorted(areas)
    for centre in CENTRES:
        assert shape_iou(np.array([centre]), np.array(suggestion.after.anchors, float)).max() > 0.85
    assert suggestion.box_count == 240
    assert suggestion.after.mean_iou > 0.9 > suggestion.before.mean_iou
    assert suggestion.fits_badly


def test_the_same_seed_finds_the_same_anchors(clustered: Dataset) -> None:
    assert suggest_anchors(clustered, (60, 80), TINY, seed=4) == suggest_anchors(clustered, (60, 80), TINY, seed=4)


def test_anchors_that_fit_are_not_replaced(clustered: Dataset) -> None:
    found = suggest_anchors(clustered, (60, 80), TINY).after.anchors
    again = suggest_anchors(clustered, (60, 80), found)
    assert again.after.mean_iou >= again.before.mean_iou
    assert not again.fits_badly


@pytest.mark.parametrize("sizes", [[(20, 20)], [(20, 20), (21, 20)], [(0.4, 0.4)], [(80, 60)]])
def test_few_different_boxes_still_give_different_anchors(tmp_path: Path, sizes: list[tuple[float, float]]) -> None:
    suggestion = suggest_anchors(open_dataset(data_set(tmp_path, sizes)), (64, 96), TINY)
    assert len(set(suggestion.after.anchors)) == len(TINY)
    assert suggestion.after.mean_iou >= suggestion.before.mean_iou
    assert not suggestion.fits_badly  # a few boxes prove nothing


def test_only_training_images_count_and_unreadable_ones_are_skipped(tmp_path: Path) -> None:
    dataset = open_dataset(data_set(tmp_path, [(40, 30)], images=3))
    (tmp_path / "images" / "train" / "1.png").write_bytes(b"")
    assert suggest_anchors(dataset, (60, 80), TINY).box_count == 2
    empty = replace(dataset, splits={name: np.zeros(0, np.int32) for name in dataset.splits})
    with pytest.raises(BadInput, match="have no box"):
        suggest_anchors(empty, (60, 80), TINY)


def test_many_boxes_take_seconds() -> None:
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.normal(4, 1, (200_000, 2)))
    begun = time.process_time()
    anchor_fit(sizes, TINY)
    k_means(sizes[:10_000], np.array(TINY, float))
    assert time.process_time() - begun < 5


class TestCommand:
    def test_the_recipe_line_can_be_copied(self, tmp_path: Path, clustered: Dataset) -> None:
        words = ("data", "anchors", str(clustered.root), "--set", "input_shape=[64, 96]")
        done = command(*words)
        line = done.stdout.splitlines()[-1]
        recipe = load_recipe(write_text(tmp_path / "recipe.toml", line))
        stored = json.loads(command(*words, "--json").stdout)
        assert [list(anchor) for anchor in recipe.anchors] == stored["after"]["anchors"]
        assert (stored["network"], stored["input_shape"], stored["boxes"]) == ("yolov4-tiny", [64, 96], 240)
        assert stored["before"]["anchors"] == [list(anchor) for anchor in TINY]
        again = json.loads(command(*words, "--set", line.replace(" ", ""), "--json").stdout)
        assert again["before"] == stored["after"]

    def test_the_network_decides_how_many(self, clustered: Dataset) -> None:
        done = command("data", "anchors", str(clustered.root), "--set", "network=yolov4", "--json")
        assert len(json.loads(done.stdout)["after"]["anchors"]) == 9

    def test_wrong_settings_are_one_sentence(self, clustered: Dataset) -> None:
        done = command("data", "anchors", str(clustered.root), "--set", "input_shape=[50, 50]")
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_other_anchors_are_saved_with_the_weights_and_read_again(tmp_path: Path) -> None:
    anchors = tuple((float(8 * n), float(9 * n)) for n in range(1, 7))
    network = build_network("yolov4-tiny", 1, anchors=anchors)
    info = info_of(network, classes=("thing",), input_shape=(64, 64), threshold=0.5)
    save_weights(tmp_path / "w.pth", network, info)
    read, read_info = load_network(tmp_path / "w.pth")
    assert (read.all_anchors, read_info.all_anchors) == (anchors, anchors)
    assert [level.anchors for level in read.levels] == [level.anchors for level in network.levels]
    assert read.levels[0].anchors != build_network("yolov4-tiny", 1).levels[0].anchors


def test_few_boxes_propose_no_anchors_on_the_command_line(tmp_path: Path) -> None:
    write_voc(tmp_path, train=8, val=2)
    done = command("data", "anchors", str(tmp_path))
    assert done.returncode == 0
    assert "8 boxes do not tell what sizes your objects have (100 do): keep the anchors of the network." in done.stdout
    assert "anchors = [" not in done.stdout
    assert json.loads(command("data", "anchors", str(tmp_path), "--json").stdout)["enough_boxes"] is False
