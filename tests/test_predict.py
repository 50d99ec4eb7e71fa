"""Prediction on images: sources, boxes in pixels of the image, and the drawn image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engine.dataset.formats import open_dataset
from engine.dataset.image_files import find_images
from engine.dataset.images import UnreadableImage, encode_image, read_image
from engine.dataset.sample_dataset import SAMPLE_CLASSES, draw_sample_dataset
from engine.evaluation.batch_predictor import BatchPredictor, PredictionRow, PredictOptions
from engine.evaluation.detect import Detections
from engine.evaluation.draw import colour_of, draw_detections
from engine.evaluation.evaluate import evaluate
from engine.evaluation.inference import cuda_device
from engine.evaluation.labelling.thresholds import Thresholds
from engine.evaluation.predict import DEFAULT_THRESHOLD, Prediction, predict
from engine.evaluation.sources.words import find_sources
from engine.hardware import Card
from engine.messages import BadInput
from engine.network.detector import Detector, build_network
from engine.weights.native import WeightsInfo, info_of, save_weights
from tests.dataset_on_disk import cut_off, with_orientation
from tests.given_hardware import PROCESSOR_ONLY

CPU = torch.device("cpu")


def network_with_one_box(confidence: float = 0.9) -> tuple[Detector, WeightsInfo]:
    """A network that detects the same box of class 1 in the middle cell of every image, whatever is in it."""
    network = build_network("yolov4-tiny", 2).eval()
    logit = float(np.log(confidence / (1 - confidence)))

    def replace_outputs(_module: torch.nn.Module, _inputs: object, raw: tuple[torch.Tensor, ...]) -> object:
        levels = [torch.zeros_like(level).unflatten(1, (3, 7)) for level in raw]
        for level in levels:
            level[:, :, 4] = -20
        coarse = levels[-1]
        cell = coarse[:, 0, :, coarse.shape[3] // 2, coarse.shape[4] // 2]
        cell[:, 2:4] = -1.0
        cell[:, 4] = 20
        cell[:, 5:] = torch.tensor([-20.0, logit])
        return tuple(level.flatten(1, 2) for level in levels)

    network.register_forward_hook(replace_outputs)
    return network, info_of(network, ("cat", "dog"), (96, 96))


def only(results: list[Prediction | UnreadableImage]) -> Prediction:
    (result,) = results
    assert isinstance(result, Prediction)
    return result


def predict_rows(
    weights: Path, sources: Sequence[Path], *, threshold: float | None = None, save: Path | None = None
) -> list[PredictionRow]:
    predictor = BatchPredictor(weights, PredictOptions(thresholds=Thresholds(threshold), device="cpu", save=save))
    return list(predictor.rows(find_sources([str(source) for source in sources])))


def save_image(path: Path, width: int, height: int) -> Path:
    encode_image(path, np.full((height, width, 3), 90, np.uint8))
    return path


@pytest.mark.parametrize(("width", "height"), [(96, 96), (192, 96), (96, 480), (333, 77)])
def test_boxes_are_in_pixels_of_the_image_whatever_its_shape(tmp_path: Path, width: int, height: int) -> None:
    network, info = network_with_one_box()
    prediction = only(list(predict(network, info, [save_image(tmp_path / "a.png", width, height)], device=CPU)))
    line = prediction.to_json()
    assert (line["width"], line["height"]) == (width, height)
    (detected,) = line["detections"]
    assert (detected["class"], detected["class_id"]) == ("dog", 1)
    assert detected["confidence"] == pytest.approx(0.9, abs=1e-4)
    x1, y1, x2, y2 = detected["box"]
    assert (x1 + x2) / 2 == pytest.approx(width / 2, abs=1.5)
    assert (y1 + y2) / 2 == pytest.approx(height / 2, abs=1.5)
    assert 0 <= x1 < x2 <= width
    assert 0 <= y1 < y2 <= height
    json.dumps(line)


@pytest.mark.parametrize(
    ("threshold", "stored", "count"),
    [(None, None, 1), (0.95, None, 0), (None, 0.95, 0), (0.5, 0.95, 1), (0.0, None, 1)],
)
def test_the_threshold_is_the_given_one_else_that_of_the_weights_else_a_half(
    tmp_path: Path, threshold: float | None, stored: float | None, count: int
) -> None:
    assert DEFAULT_THRESHOLD == 0.5
    network, info = network_with_one_box()
    info = info_of(network, info.classes, info.input_shape, threshold=stored)
    shown = [save_image(tmp_path / "a.png", 96, 96)]
    prediction = only(list(predict(network, info, shown, threshold=threshold, device=CPU)))
    assert sum(score > 0.5 for score in prediction.detections.scores) == count


def test_an_image_that_cannot_be_read_is_reported_and_the_others_are_predicted(tmp_path: Path) -> None:
    network, info = network_with_one_box()
    shown = [save_image(tmp_path / f"{n}.jpg", 100, 80) for n in range(3)]
    cut_off(shown[1])
    results = list(predict(network, info, shown, device=CPU))
    assert [type(result) for result in results] == [Prediction, UnreadableImage, Prediction]


def test_a_rotated_image_is_shown_upright(tmp_path: Path) -> None:
    network, info = network_with_one_box()
    path = save_image(tmp_path / "a.jpg", 100, 60)
    with_orientation(path, 6)
    line = only(list(predict(network, info, [path], device=CPU))).to_json()
    assert (line["width"], line["height"]) == (60, 100)


def test_sources_are_files_and_folders_with_all_their_subfolders(tmp_path: Path) -> None:
    a, b = save_image(tmp_path / "b.jpg", 9, 9), tmp_path / "folder" / "deeper" / "a.PNG"
    b.parent.mkdir(parents=True)
    b.write_bytes(cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes())
    (tmp_path / "folder" / "notes.txt").touch()
    assert find_images([a, tmp_path / "folder"]) == [a, b]
    (tmp_path / "empty").mkdir()
    for source, words in (
        (tmp_path / "gone.jpg", "there is no such image"),
        (tmp_path / "empty", "there is no image in this folder"),
        (tmp_path / "folder" / "notes.txt", "this is no image"),
    ):
        with pytest.raises(BadInput, match=words):
            find_images([source])


def test_images_of_the_same_name_are_saved_with_numbers_and_none_is_overwritten(tmp_path: Path) -> None:
    network = build_network("yolov4-tiny", 2)
    save_weights(tmp_path / "w.pth", network, info_of(network, ("cat", "dog"), (64, 64)))
    for name in ("one", "two", "out"):
        (tmp_path / name).mkdir()
        save_image(tmp_path / name / f"{'own' if name == 'out' else 'a'}.jpg", 40, 30)
    before = (tmp_path / "out" / "own.jpg").read_bytes()
    sources = [tmp_path / name for name in ("one", "two", "out")]
    rows = list(predict_rows(tmp_path / "w.pth", sources, threshold=0.9, save=tmp_path / "out"))
    assert ["(saved as" in str(row.text) for row in rows] == [False, True, True]
    assert "(saved as own_2.jpg)" in str(rows[2].text)
    assert [row.line["saved"] for row in rows if row.line] == [
        str(tmp_path / "out" / name) for name in ("a.jpg", "a_2.jpg", "own_2.jpg")
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg", "a_2.jpg", "own.jpg", "own_2.jpg"]
    assert (tmp_path / "out" / "own.jpg").read_bytes() == before, (
        "saving into the folder of the source keeps the source"
    )


def test_no_source_and_no_existing_file_is_overwritten(tmp_path: Path) -> None:
    """Two folders have an image of one name, and the images are saved into the first: its own was overwritten."""
    network = build_network("yolov4-tiny", 2)
    save_weights(tmp_path / "w.pth", network, info_of(network, ("cat", "dog"), (64, 64)))
    for name, side in (("one", 40), ("two", 50)):
        (tmp_path / name).mkdir()
        save_image(tmp_path / name / "a.jpg", side, 30)
    (tmp_path / "one" / "a_2.jpg").write_bytes(b"mine")
    before = {path: path.read_bytes() for path in tmp_path.glob("*/*.jpg")}
    images = [tmp_path / "two" / "a.jpg", tmp_path / "one" / "a.jpg"]
    for _ in range(2):
        list(predict_rows(tmp_path / "w.pth", images, threshold=0.9, save=tmp_path / "one"))
    assert {path: path.read_bytes() for path in before} == before
    assert {path.name for path in (tmp_path / "one").iterdir()} == {
        "a.jpg", *(f"a_{number}.jpg" for number in range(2, 7))
    }  # fmt: skip


def test_saving_into_a_file_is_one_sentence(tmp_path: Path) -> None:
    network = build_network("yolov4-tiny", 2)
    save_weights(tmp_path / "w.pth", network, info_of(network, ("cat", "dog"), (64, 64)))
    image, file = save_image(tmp_path / "a.jpg", 40, 30), tmp_path / "notes.txt"
    file.write_text("mine")
    with pytest.raises(BadInput, match=r"--save .*notes\.txt: the folder cannot be created"):
        list(predict_rows(tmp_path / "w.pth", [image], save=file))
    assert file.read_text() == "mine"


def detections_at(*boxes: tuple[float, float, float, float], score: float = 0.8) -> Detections:
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(len(boxes), score, np.float32),
        np.arange(len(boxes), dtype=np.int32),
    )


def test_a_box_is_drawn_in_its_class_colour_on_a_copy_of_the_image() -> None:
    pixels = np.zeros((200, 300, 3), np.uint8)
    shown = draw_detections(pixels, detections_at((50, 60, 250, 180)), ("cat",))
    assert pixels.max() == 0
    assert (shown.shape, shown.dtype) == (pixels.shape, np.uint8)
    np.testing.assert_allclose(shown[120, 50], colour_of(0), atol=40)
    assert shown[120, 150].max() == 0, "inside the box nothing changes"
    assert shown[48:60, 50:100].max() > 0, "the name is above the box"


@pytest.mark.parametrize("box", [(0, 0, 300, 200), (290, 190, 300, 200), (-50, -50, 400, 400), (10, 10, 10, 10)])
def test_names_at_any_edge_stay_in_the_image(box: tuple[float, float, float, float]) -> None:
    shown = draw_detections(np.zeros((200, 300, 3), np.uint8), detections_at(box), ("a class with a rather long name",))
    assert shown.shape == (200, 300, 3)
    assert shown.max() > 0


def test_names_in_chinese_and_with_control_characters_are_draw_detections() -> None:
    shown = draw_detections(
        np.zeros((200, 300, 3), np.uint8), detections_at((20, 60, 90, 90), (120, 60, 200, 190)), ("安全帽", "\x1b[31m")
    )
    assert shown[40:60, 20:80].max() > 0


def test_neighbouring_classes_have_colours_far_apart() -> None:
    colours = np.array([colour_of(number) for number in range(20)], float)
    assert np.abs(np.diff(colours, axis=0)).max(axis=1).min() > 80


def test_without_objects_the_image_is_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    np.testing.assert_array_equal(draw_detections(pixels, detections_at(), ("cat",)), pixels)


@pytest.mark.parametrize("seed", [0, 1])
def test_an_untrained_head_scores_under_five_percent_on_the_sample_set(tmp_path: Path, seed: int) -> None:
    dataset = open_dataset(draw_sample_dataset(tmp_path, 30))
    torch.manual_seed(seed)
    network = build_network("yolov4-tiny", len(SAMPLE_CLASSES))
    info = info_of(network, SAMPLE_CLASSES, (320, 320))
    scores = evaluate(network, info, dataset, "train", batch_size=8, device=CPU, workers=0).scores
    assert scores.images == 24
    assert scores.map50 < 0.05


def test_saved_images_keep_their_size(tmp_path: Path) -> None:
    network = build_network("yolov4-tiny", 2)
    save_weights(tmp_path / "w.pth", network, info_of(network, ("cat", "dog"), (64, 64)))
    shown = save_image(tmp_path / "图片.jpg", 123, 45)
    (row,) = predict_rows(tmp_path / "w.pth", [shown], threshold=0.0, save=tmp_path / "out")
    assert row.line is not None
    assert read_image(tmp_path / "out" / "图片.jpg").shape == (45, 123, 3)


def test_predictions_run_on_the_card_that_a_training_would_use() -> None:
    cards = tuple(Card(n, f"card {n}", cuda_index=n, memory_free=free) for n, free in enumerate((2**30, 8 * 2**30)))
    assert cuda_device(replace(PROCESSOR_ONLY, cards=cards)) == torch.device("cuda:1")
    assert cuda_device(PROCESSOR_ONLY) == torch.device("cuda")
