"""Pictures in, objects out: sources, boxes in the picture's own pixels, what is drawn."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engine.dataset.formats import open_dataset
from engine.dataset.image_files import find_images
from engine.dataset.images import UnreadableImage, encode_image, read_image
from engine.dataset.sample import SAMPLE_CLASSES, draw_sample
from engine.evaluation.detect import Detections
from engine.evaluation.draw import colour_of, drawn
from engine.evaluation.evaluate import evaluate
from engine.evaluation.inference import look
from engine.evaluation.predict import DEFAULT_THRESHOLD, Prediction, predict
from engine.messages import BadInput
from engine.network.yolov4 import Detector, build_network
from engine.weights.native import WeightsInfo, info_of, save_weights
from tests.dataset_on_disk import cut_off, with_orientation

CPU = torch.device("cpu")


def sees_one_box(confidence: float = 0.9) -> tuple[Detector, WeightsInfo]:
    """A network that sees the same one box in the middle cell of every picture, whatever is in it."""
    network = build_network("yolov4-tiny", 2).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    return _Fixed(network, confidence), info_of(network, ("cat", "dog"), (96, 96))  # type: ignore[return-value]


class _Fixed(torch.nn.Module):
    """Raw outputs of a real network of zeros, with one cell of the coarse level that is sure of class 1."""

    def __init__(self, network: Detector, confidence: float) -> None:
        super().__init__()
        self.network, self.levels = network, network.levels
        self.logit = float(np.log(confidence / (1 - confidence)))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        raw = tuple(level.clone() for level in self.network(images))
        for level in raw:
            level.view(level.shape[0], 3, 7, *level.shape[2:])[:, :, 4] = -20
        coarse = min(raw, key=lambda level: level.shape[2])
        height, width = coarse.shape[2:]
        cell = coarse.view(coarse.shape[0], 3, 7, height, width)[:, 0, :, height // 2, width // 2]
        cell[:, 2:4] = -1.0
        cell[:, 4] = 20
        cell[:, 5:] = torch.tensor([-20.0, self.logit])
        return raw


def only(results: list[Prediction | UnreadableImage]) -> Prediction:
    (one,) = results
    assert isinstance(one, Prediction)
    return one


def picture(path: Path, width: int, height: int) -> Path:
    encode_image(path, np.full((height, width, 3), 90, np.uint8))
    return path


@pytest.mark.parametrize(("width", "height"), [(96, 96), (192, 96), (96, 480), (333, 77)])
def test_boxes_are_in_pixels_of_the_picture_whatever_its_shape(tmp_path: Path, width: int, height: int) -> None:
    network, info = sees_one_box()
    found = only(
        list(predict(network, info, [picture(tmp_path / "a.png", width, height)], device=CPU, precision="fp32"))
    )
    line = found.to_json()
    assert (line["width"], line["height"]) == (width, height)
    (seen,) = line["detections"]
    assert (seen["class"], seen["class_id"]) == ("dog", 1)
    assert seen["confidence"] == pytest.approx(0.9, abs=1e-4)
    x1, y1, x2, y2 = seen["box"]
    assert (x1 + x2) / 2 == pytest.approx(width / 2, abs=1.5)
    assert (y1 + y2) / 2 == pytest.approx(height / 2, abs=1.5)
    assert 0 <= x1 < x2 <= width
    assert 0 <= y1 < y2 <= height
    json.dumps(line)


@pytest.mark.parametrize(
    ("asked", "own", "seen"), [(None, None, 1), (0.95, None, 0), (None, 0.95, 0), (0.5, 0.95, 1), (0.0, None, 1)]
)
def test_the_threshold_is_what_was_asked_else_the_weights_own_else_a_half(
    tmp_path: Path, asked: float | None, own: float | None, seen: int
) -> None:
    assert DEFAULT_THRESHOLD == 0.5
    network, info = sees_one_box()
    info = info_of(network.network, info.classes, info.input_shape, threshold=own)  # type: ignore[arg-type]
    shown = [picture(tmp_path / "a.png", 96, 96)]
    found = only(list(predict(network, info, shown, threshold=asked, device=CPU, precision="fp32")))
    sure = [score for score in found.found.scores if score > 0.5]
    assert len(sure) == seen


def test_a_picture_that_cannot_be_read_is_handed_on_and_the_others_are_looked_at(tmp_path: Path) -> None:
    network, info = sees_one_box()
    shown = [picture(tmp_path / f"{n}.jpg", 100, 80) for n in range(3)]
    cut_off(shown[1])
    results = list(predict(network, info, shown, device=CPU, precision="fp32"))
    assert [type(result) for result in results] == [Prediction, UnreadableImage, Prediction]


def test_a_turned_photograph_is_seen_as_people_see_it(tmp_path: Path) -> None:
    network, info = sees_one_box()
    photograph = picture(tmp_path / "a.jpg", 100, 60)
    with_orientation(photograph, 6)
    line = only(list(predict(network, info, [photograph], device=CPU, precision="fp32"))).to_json()
    assert (line["width"], line["height"]) == (60, 100)


def test_sources_are_files_and_folders_with_all_below_them(tmp_path: Path) -> None:
    a, b = picture(tmp_path / "b.jpg", 9, 9), tmp_path / "folder" / "deeper" / "a.PNG"
    b.parent.mkdir(parents=True)
    b.write_bytes(cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes())
    (tmp_path / "folder" / "notes.txt").touch()
    assert find_images([a, tmp_path / "folder"]) == [a, b]
    (tmp_path / "empty").mkdir()
    for source, words in (
        (tmp_path / "gone.jpg", "there is no such picture"),
        (tmp_path / "empty", "there is no picture in this folder"),
        (tmp_path / "folder" / "notes.txt", "this is no picture"),
    ):
        with pytest.raises(BadInput, match=words):
            find_images([source])


def test_pictures_of_one_name_are_saved_beside_each_other_and_none_is_overwritten(tmp_path: Path) -> None:
    network = build_network("yolov4-tiny", 2)
    save_weights(tmp_path / "w.pth", network, info_of(network, ("cat", "dog"), (64, 64)))
    for name in ("one", "two", "out"):
        (tmp_path / name).mkdir()
        picture(tmp_path / name / f"{'own' if name == 'out' else 'a'}.jpg", 40, 30)
    before = (tmp_path / "out" / "own.jpg").read_bytes()
    sources = [tmp_path / name for name in ("one", "two", "out")]
    looks = list(look(tmp_path / "w.pth", find_images(sources), threshold=0.9, device="cpu", save=tmp_path / "out"))
    assert len(looks) == 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg", "a_2.jpg", "own.jpg", "own_2.jpg"]
    assert (tmp_path / "out" / "own.jpg").read_bytes() == before, (
        "saving into the folder of the source keeps the source"
    )


def test_saving_onto_a_file_is_one_sentence(tmp_path: Path) -> None:
    network = build_network("yolov4-tiny", 2)
    save_weights(tmp_path / "w.pth", network, info_of(network, ("cat", "dog"), (64, 64)))
    shown, taken = picture(tmp_path / "a.jpg", 40, 30), tmp_path / "notes.txt"
    taken.write_text("mine")
    with pytest.raises(BadInput, match=r"--save .*notes\.txt: no folder can be made there"):
        list(look(tmp_path / "w.pth", [shown], threshold=None, device="cpu", save=taken))
    assert taken.read_text() == "mine"


def found_at(*boxes: tuple[float, float, float, float], score: float = 0.8) -> Detections:
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(len(boxes), score, np.float32),
        np.arange(len(boxes), dtype=np.int32),
    )


def test_a_box_is_drawn_in_its_class_colour_and_the_picture_itself_stays() -> None:
    pixels = np.zeros((200, 300, 3), np.uint8)
    shown = drawn(pixels, found_at((50, 60, 250, 180)), ("cat",))
    assert pixels.max() == 0
    assert (shown.shape, shown.dtype) == (pixels.shape, np.uint8)
    np.testing.assert_allclose(shown[120, 50], colour_of(0), atol=40)
    assert shown[120, 150].max() == 0, "the inside stays as it is"
    assert shown[48:60, 50:100].max() > 0, "the name stands above"


@pytest.mark.parametrize("box", [(0, 0, 300, 200), (290, 190, 300, 200), (-50, -50, 400, 400), (10, 10, 10, 10)])
def test_names_at_any_edge_stay_in_the_picture(box: tuple[float, float, float, float]) -> None:
    shown = drawn(np.zeros((200, 300, 3), np.uint8), found_at(box), ("a class with a rather long name",))
    assert shown.shape == (200, 300, 3)
    assert shown.max() > 0


def test_names_in_chinese_and_with_control_characters_are_drawn() -> None:
    shown = drawn(
        np.zeros((200, 300, 3), np.uint8), found_at((20, 60, 90, 90), (120, 60, 200, 190)), ("安全帽", "\x1b[31m")
    )
    assert shown[40:60, 20:80].max() > 0


def test_neighbouring_classes_have_colours_far_apart() -> None:
    colours = np.array([colour_of(number) for number in range(20)], float)
    assert np.abs(np.diff(colours, axis=0)).max(axis=1).min() > 80


def test_nothing_found_leaves_the_picture() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    np.testing.assert_array_equal(drawn(pixels, found_at(), ("cat",)), pixels)


@pytest.mark.parametrize("seed", [0, 1])
def test_an_untrained_head_scores_under_five_percent_on_the_sample_set(tmp_path: Path, seed: int) -> None:
    dataset = open_dataset(draw_sample(tmp_path, 30))
    torch.manual_seed(seed)
    network = build_network("yolov4-tiny", len(SAMPLE_CLASSES))
    info = info_of(network, SAMPLE_CLASSES, (320, 320))
    scores = evaluate(network, info, dataset, "train", batch_size=8, device=CPU, workers=0).scores
    assert scores.images == 24
    assert scores.map50 < 0.05


def test_saved_pictures_keep_their_size(tmp_path: Path) -> None:
    network = build_network("yolov4-tiny", 2)
    save_weights(tmp_path / "w.pth", network, info_of(network, ("cat", "dog"), (64, 64)))
    shown = picture(tmp_path / "图片.jpg", 123, 45)
    (seen,) = look(tmp_path / "w.pth", [shown], threshold=0.0, device="cpu", save=tmp_path / "out")
    assert seen.problem is None
    assert read_image(tmp_path / "out" / "图片.jpg").shape == (45, 123, 3)
