"""`predict` from every kind of source, and the files that it writes."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engine.dataset.images import UnreadableImage, encode_image, read_image
from engine.dataset.sample_dataset import draw_image
from engine.evaluation.batch_predictor import find_labels
from engine.evaluation.heatmap import objectness_maps
from engine.evaluation.predict import Prediction, predict
from engine.evaluation.read_ahead import read_ahead
from engine.evaluation.result_files import class_folders
from engine.evaluation.sources.inputs import InputImage
from engine.evaluation.sources.path_list import paths_in
from engine.evaluation.sources.words import CameraSource, FileSource, PathListSource, find_sources
from engine.messages import BadInput
from engine.weights.native import info_of, save_weights
from tests.command import CommandResult, command
from tests.dataset_on_disk import cut_off
from tests.made_once import made_once
from tests.test_export import lively_network

CLASSES = ("crate", "ball", "星/1")


def _make_weights(folder: Path) -> None:
    network = lively_network("yolov4-tiny", 3)
    save_weights(folder / "w.pth", network, info_of(network, CLASSES, (96, 128), threshold=0.6))


@pytest.fixture
def weights() -> Path:
    return made_once("predict_sources", _make_weights) / "w.pth"


def save_drawn_image(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    encode_image(path, draw_image(np.random.default_rng(seed)).pixels)
    return path


def save_video(path: Path, frames: int, fps: float = 12.5, size: tuple[int, int] = (160, 120)) -> Path:
    code = cv2.VideoWriter.fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
    writer = cv2.VideoWriter(str(path), code, fps, size)
    for number in range(frames):
        frame = np.full((size[1], size[0], 3), 200, np.uint8)
        cv2.circle(frame, (20 + 5 * number, 60), 15, (0, 0, 255), -1)
        writer.write(frame)
    writer.release()
    return path


def video_facts(path: Path) -> tuple[int, float, int, int]:
    """Frames that can be read, images per second, width, height."""
    capture = cv2.VideoCapture(str(path))
    facts = capture.get(cv2.CAP_PROP_FPS), int(capture.get(3)), int(capture.get(4))
    count = 0
    while capture.read()[0]:
        count += 1
    return count, *facts


def run(weights: Path, *words: object) -> CommandResult:
    return command("predict", "--weights", str(weights), "--device", "cpu", *map(str, words))


def json_lines(done: CommandResult) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_batches_of_any_size_find_the_same_objects_as_one_image_at_a_time(tmp_path: Path) -> None:
    network = lively_network("yolov4-tiny", 3)
    info = info_of(network, CLASSES, (96, 128))
    paths = [save_drawn_image(tmp_path / f"{n}.png", n) for n in range(7)]
    cut_off(paths[3])
    single, batched = (
        list(predict(network, info, paths, threshold=0.6, device=torch.device("cpu"), batch_size=size))
        for size in (1, 4)
    )
    assert [type(one) for one in single] == [Prediction] * 3 + [UnreadableImage] + [Prediction] * 3
    for one, other in zip(single, batched, strict=True):
        if isinstance(one, Prediction):
            assert isinstance(other, Prediction)
            assert len(one.detections.scores) > 0
            np.testing.assert_array_equal(one.detections.labels, other.detections.labels)
            np.testing.assert_allclose(one.detections.scores, other.detections.scores, atol=1e-4)
            np.testing.assert_allclose(one.detections.boxes, other.detections.boxes, atol=0.05)


def test_words_name_files_folders_patterns_cameras_and_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photos/a.jpg", "photos/deep/er/b.JPG", "other/c.jpg", "7"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("photos/notes.txt").touch()
    Path("photos/film.mp4").touch()
    Path("[1].jpg").touch()
    deep = Path("photos/deep/er/b.JPG")
    inside = [
        FileSource(Path("photos/a.jpg")),
        FileSource(Path("photos/film.mp4")),
        FileSource(deep, Path("deep/er")),
    ]
    assert find_sources(["photos"]) == inside
    assert find_sources(["*/a.jpg", "photos/**/*.JPG"]) == [FileSource(Path("photos/a.jpg")), FileSource(deep)]
    assert {source.path for source in find_sources(["p*/**"]) if isinstance(source, FileSource)} == {
        source.path for source in inside
    }
    assert find_sources(["[1].jpg"]) == [FileSource(Path("[1].jpg"))], "a file that exists is no pattern"
    assert find_sources(["0", "rtsp://host/x", "-"]) == [
        CameraSource(0),
        CameraSource("rtsp://host/x"),
        PathListSource(),
    ]
    for words, said in (
        (["*.png"], "no image or video has a name like this pattern"),
        (["7"], "this is no image"),
        (["-", "-"], "once only"),
        (["gone.mp4"], "there is no such image"),
    ):
        with pytest.raises(BadInput, match=said):
            find_sources(words)


def test_a_folder_keeps_its_structure_below_the_saved_images(weights: Path, tmp_path: Path) -> None:
    save_drawn_image(tmp_path / "in" / "a.png", 1)
    save_drawn_image(tmp_path / "in" / "x" / "y" / "a.png", 2)
    done = run(weights, tmp_path / "in", "--save", tmp_path / "out", "--heatmap")
    assert done.returncode == 0
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png")) == [
        "a.png", "a_heatmap.png", "x/y/a.png", "x/y/a_heatmap.png"
    ]  # fmt: skip
    heat = read_image(tmp_path / "out" / "a_heatmap.png")
    assert heat.shape == read_image(tmp_path / "in" / "a.png").shape


def test_unreadable_images_are_listed_last_with_their_number(weights: Path, tmp_path: Path) -> None:
    for number in range(3):
        save_drawn_image(tmp_path / f"{number}.png", number)
    cut_off(tmp_path / "0.png")
    (tmp_path / "3.mp4").write_bytes(b"no video")
    done = run(weights, tmp_path)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    first, *others = done.stderr.splitlines()
    assert first == "2 of 4 images cannot be read:"
    assert [str(tmp_path / name) in line for name, line in zip(("0.png", "3.mp4"), others, strict=True)] == [True, True]


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_video_is_saved_with_its_size_rate_and_every_frame(weights: Path, tmp_path: Path, suffix: str) -> None:
    videos = [save_video(tmp_path / f"{name}{suffix}", frames) for name, frames in (("a", 11), ("b", 6))]
    before = [path.read_bytes() for path in videos]
    done = run(weights, *videos, "--save", tmp_path, "--heatmap", "--json")
    lines = json_lines(done)
    assert [(line["frame"], line["seconds"]) for line in lines[:3]] == [(0, 0.0), (1, 0.08), (2, 0.16)]
    assert len(lines) == 17
    assert {line["saved"] for line in lines} == {str(tmp_path / f"{name}_2{suffix}") for name in "ab"}
    for name, frames in (("a_2", 11), ("b_2", 6), ("a_2_heatmap", 11)):
        assert video_facts(tmp_path / f"{name}{suffix}") == (frames, 12.5, 160, 120)
    assert [path.read_bytes() for path in videos] == before


def test_a_cut_off_video_is_done_as_far_as_it_goes_and_said(weights: Path, tmp_path: Path) -> None:
    video = save_video(tmp_path / "a.avi", 40)
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    done = run(weights, video, "--json", "--batch-size", 16)
    assert done.returncode == 0
    assert 10 < len(done.stdout.splitlines()) < 30


def test_crops_are_in_a_folder_for_each_class_and_overwrite_nothing(weights: Path, tmp_path: Path) -> None:
    image = save_drawn_image(tmp_path / "a.png", 1)
    for _ in range(2):
        lines = json_lines(run(weights, image, "--crop", tmp_path / "crops", "--json"))
    (line,) = lines
    detections = line["detections"]
    assert isinstance(detections, list)
    assert len(detections) > 0
    crops = list((tmp_path / "crops").rglob("*.png"))
    assert len(crops) == 2 * len(detections)
    assert {path.parent.name for path in crops} == {found["class"].replace("/", "_") for found in detections}
    x1, y1, x2, y2 = detections[0]["box"]
    own = read_image(tmp_path / "crops" / detections[0]["class"].replace("/", "_") / "a_1_2.png")
    assert own.shape[:2] == pytest.approx((y2 - y1, x2 - x1), abs=2)


def test_folders_of_classes_are_possible_on_every_system_and_differ() -> None:
    assert class_folders(("a/b", "..", "CON", "Cat", "cat", "猫", "x. ")) == (
        "a_b", "class_1", "class_2", "Cat", "cat_4", "猫", "x"
    )  # fmt: skip


def test_objects_are_counted_in_each_image_and_in_total(weights: Path, tmp_path: Path) -> None:
    for number in range(3):
        save_drawn_image(tmp_path / "in" / f"{number}.png", number)
    table = tmp_path / "counts.csv"
    lines = json_lines(run(weights, tmp_path / "in", "--count", table, "--json"))
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [str(tmp_path / "in" / f"{n}.png") for n in range(3)] + ["total"]
    for row, line in zip(rows, lines, strict=False):
        assert {name: int(row[name]) for name in CLASSES if row[name] != "0"} == line["counts"]
    total = {name: sum(int(row[name]) for row in rows[:-1]) for name in CLASSES}
    assert {name: int(rows[-1][name]) for name in CLASSES} == total
    again = run(weights, tmp_path / "in", "--count", table)
    assert again.stdout.splitlines()[-1] == f"The counts are saved in {tmp_path / 'counts_2.csv'}"
    assert again.stdout.splitlines()[-2].split() == ["total", str(sum(total.values()))]


def test_only_the_named_classes_are_looked_for(weights: Path, tmp_path: Path) -> None:
    image = save_drawn_image(tmp_path / "a.png", 1)
    every = json_lines(run(weights, image, "--json"))[0]["detections"]
    some = json_lines(run(weights, image, "--json", "--classes", "BALL, 星/1"))[0]["detections"]
    assert isinstance(every, list)
    assert some == [found for found in every if found["class"] != "crate"]
    assert 0 < len(some) < len(every)
    refused = run(weights, image, "--classes", "bal")
    assert (refused.returncode, refused.stderr) == (
        2,
        "--classes bal: the weights have no such class; did you mean ball?\n",
    )


def test_a_class_whose_name_has_a_comma_can_be_named() -> None:
    assert find_labels(["red, round", "cat，dog"], ("cat", "red, round", "dog")) == {0, 1, 2}
    with pytest.raises(BadInput, match="they know cat, dog"):
        find_labels(["zzz"], ("cat", "dog"))


def test_a_smaller_iou_leaves_fewer_boxes_and_conf_is_the_threshold(weights: Path, tmp_path: Path) -> None:
    image = save_drawn_image(tmp_path / "a.png", 1)

    def count(*options: object) -> int:
        detections = json_lines(run(weights, image, "--json", *options))[0]["detections"]
        assert isinstance(detections, list)
        return len(detections)

    assert count("--iou", 0.05) < count("--iou", 0.9)
    assert count("--conf", 0.7) == count("--threshold", 0.7) < count("--conf", 0.5)
    assert count("--conf", "auto") == count() > 0
    only_crates = count("--conf", 0.5, "--classes", "crate")
    assert count("--conf", 1, "--conf", "crate=0.5") == only_crates < count("--conf", 0.5)


def test_the_speed_is_told_without_touching_the_json(weights: Path, tmp_path: Path) -> None:
    image = save_drawn_image(tmp_path / "a.png", 1)
    done = run(weights, image, "--fps", "--json")
    assert len(json_lines(done)) == 1
    assert " images/s: 1 images in " in done.stderr


def test_a_heatmap_needs_a_folder(weights: Path, tmp_path: Path) -> None:
    refused = run(weights, save_drawn_image(tmp_path / "a.png", 1), "--heatmap")
    assert (refused.returncode, "--save FOLDER" in refused.stderr) == (2, True)


def test_objectness_is_highest_where_the_cell_is() -> None:
    decoded = torch.zeros(1, 3 * (4 * 4 + 2 * 2), 6)
    decoded[0, 3 * (4 * 1 + 2) + 1, 4] = 0.9  # the fine level, row 1, column 2, second anchor
    heat = objectness_maps(decoded, (16, 32), (64, 64))[0]
    assert heat.shape == (64, 64)
    assert 0.8 < heat.max() <= 0.9
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert (row // 16, column // 16) == (1, 2)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard input is a pipe; this is its other end."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield writing


def test_a_line_is_a_path_as_soon_as_it_is_there(pipe: int) -> None:
    paths = paths_in()
    os.write(pipe, "a b.jpg\r\n\n图.jpg\nha".encode())
    assert [next(paths), next(paths)] == [Path("a b.jpg"), Path("图.jpg")]
    os.write(pipe, b"lf.jpg")
    os.close(pipe)
    assert list(paths) == [Path("half.jpg")]


def test_an_image_of_a_slow_source_does_not_wait_for_the_next_one(tmp_path: Path) -> None:
    """The second path comes only after the first result: with a full batch to wait for, this would not end."""
    first_is_done = threading.Event()
    image = save_drawn_image(tmp_path / "a.png", 1)

    def slow() -> Iterator[InputImage]:
        yield InputImage(image)
        assert first_is_done.wait(30)
        yield InputImage(image)

    sizes = []
    for batch in read_ahead(slow(), lambda source, pixels: source.path, 8):
        sizes.append(len(batch))
        first_is_done.set()
    assert sizes == [1, 1]


def test_a_failing_source_fails_the_reader() -> None:
    def broken() -> Iterator[InputImage]:
        raise RuntimeError("gone")
        yield

    with pytest.raises(RuntimeError, match="gone"):
        list(read_ahead(broken(), lambda source, pixels: source.path, 2))


def test_ctrl_c_ends_with_what_is_done(weights: Path, tmp_path: Path, pipe: int) -> None:
    """The last line is not written, so that the command waits for it until the signal comes."""
    video, broken, image = save_video(tmp_path / "v.mp4", 5), tmp_path / "broken.png", tmp_path / "last.png"
    broken.write_bytes(b"no image")
    save_drawn_image(image, 1)
    os.write(pipe, f"{video}\n{broken}\n{image}\n".encode())

    def interrupt() -> None:
        saved = tmp_path / "out" / "last.png"
        while not (saved.exists() and saved.stat().st_size):
            if gave_up.wait(0.05):
                return
        gave_up.wait(0.3)  # the row of the image is printed after its file is written
        os.kill(os.getpid(), signal.SIGINT)

    gave_up = threading.Event()
    thread = threading.Thread(target=interrupt)
    # A shell starts background jobs, such as a whole test run, with this signal ignored.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread.start()
    try:
        done = run(weights, "-", "--save", tmp_path / "out", "--count")
    finally:
        os.close(pipe)
        gave_up.set()
        thread.join()
        signal.signal(signal.SIGINT, previous)
    assert done.returncode == 130
    assert "1 video is saved in" in done.stdout
    assert "1 of 7 images cannot be read:" in done.stderr
    assert video_facts(tmp_path / "out" / "v.mp4")[0] == 5
