"""Proposed labels: which images get them, where they lie, that our readers read them back, and that no file is overwritten."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from engine.dataset.formats import open_dataset
from engine.dataset.image_size import read_image_size
from engine.dataset.images import clipped_boxes, encode_image
from engine.dataset.near_duplicates import distinct, fingerprint
from engine.dataset.sample_dataset import draw_image
from engine.evaluation.labelling import label_files, propose
from engine.evaluation.labelling.doubt import doubt_of
from engine.evaluation.labelling.label_files import PROPOSED_MARK, write_new
from engine.evaluation.predict import predict
from engine.weights.load import load_network
from engine.weights.native import info_of, save_weights
from tests.command import CommandResult, command
from tests.dataset_on_disk import annotation, cut_off, with_orientation
from tests.made_once import made_once
from tests.test_export import lively_network
from tests.test_help import parse
from tests.test_predict import CPU
from tui.wizard.stored_run import StoredRun, label_command, pick_command, train_again_command

CLASSES = ("crate", "ball", "星")


def _save(folder: Path) -> None:
    network = lively_network("yolov4-tiny", 3)
    save_weights(folder / "best.pth", network, info_of(network, CLASSES, (96, 128), threshold=0.65))


@pytest.fixture(scope="module")
def weights() -> Path:
    """Weights that find a few objects in every image."""
    return made_once("label_weights", _save) / "best.pth"


def image(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    encode_image(path, draw_image(np.random.default_rng(seed)).pixels)
    return path


def label(weights: Path, folder: Path, *words: str) -> CommandResult:
    return command("label", "--weights", str(weights), str(folder), "--device", "cpu", *words)


def label_json(weights: Path, folder: Path, *words: str) -> dict:
    done = label(weights, folder, "--json", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def voc_label(path: Path, image_name: str, name: str = "crate") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(annotation(image_name, (160, 120), [(name, (10, 10, 60, 60))]))
    return path


def boxes_read(folder: Path) -> dict[str, list[tuple[str, list[float]]]]:
    """The boxes that a data set has on disk, in pixels, by the names of the images."""
    dataset = open_dataset(folder)
    read = {}
    for index, name in enumerate(dataset.images):
        size = read_image_size(dataset.image_path(index), tuple(dataset.sizes[index].tolist()))
        boxes, labels = clipped_boxes(dataset, index, size[:2])
        read[Path(name).name] = [
            (dataset.classes[label], box) for box, label in zip(boxes.tolist(), labels.tolist(), strict=True)
        ]
    return read


def assert_same_boxes(folder: Path, weights: Path, images: list[Path]) -> None:
    """`folder`, read as a data set, has the boxes that the network detects in `images`."""
    network, info = load_network(weights)
    read = boxes_read(folder)
    for prediction in predict(network, info, images, device=CPU):
        height, width = prediction.pixels.shape[:2]
        expected = [
            (CLASSES[label], np.clip(box, 0, [width, height, width, height]))
            for box, label in zip(prediction.detections.boxes, prediction.detections.labels, strict=True)
        ]
        expected = [(name, box) for name, box in expected if (box[2:] - box[:2] > 1.5).all()]
        found = read[prediction.path.name]
        assert len(expected) > 3
        for name, box in expected:
            assert any(other == name and np.abs(np.array(corners) - box).max() <= 0.51 for other, corners in found)


LAYOUTS = {
    "flat": ("{name}.png", {"voc": "{name}.xml", "yolo": "{name}.txt"}),
    "JPEGImages": ("JPEGImages/{name}.png", {"voc": "Annotations/{name}.xml", "yolo": "JPEGImages/{name}.txt"}),
    "images": ("images/{name}.png", {"voc": "images/{name}.xml", "yolo": "labels/{name}.txt"}),
    "splits": ("images/train/{name}.png", {"voc": "images/train/{name}.xml", "yolo": "labels/train/{name}.txt"}),
    "roboflow": ("train/images/{name}.png", {"voc": "train/images/{name}.xml", "yolo": "train/labels/{name}.txt"}),
}


@pytest.mark.parametrize("to", ["voc", "yolo"])
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_labels_lie_where_the_readers_find_them_and_have_the_boxes_of_the_network(
    tmp_path: Path, weights: Path, layout: str, to: str
) -> None:
    image_name, label_names = LAYOUTS[layout]
    images = [image(tmp_path / "set" / image_name.format(name=name), seed) for seed, name in enumerate(("a", "猫 1"))]
    result = label_json(weights, tmp_path / "set", "--to", to)
    expected = {str(tmp_path / "set" / label_names[to].format(name=path.stem)) for path in images}
    assert {item["label_file"] for item in result["written"]} == expected
    assert result["thresholds"] == dict.fromkeys(CLASSES, 0.65)
    assert_same_boxes(tmp_path / "set", weights, images)
    checked = json.loads(command("data", "check", str(tmp_path / "set"), "--json").stdout)
    assert {found["code"] for found in checked["findings"] if found["severity"] == "error"} <= {"split.too_few"}


def test_the_folder_may_be_that_of_the_images_alone(tmp_path: Path, weights: Path) -> None:
    images = [image(tmp_path / "one" / "JPEGImages" / "a.png"), image(tmp_path / "two" / "images" / "train" / "b.png")]
    label_json(weights, images[0].parent, "--to", "voc")
    label_json(weights, images[1].parent, "--to", "yolo")
    assert (tmp_path / "one" / "Annotations" / "a.xml").is_file()
    assert (tmp_path / "two" / "labels" / "train" / "b.txt").is_file()


@pytest.mark.parametrize("to", ["voc", "yolo"])
def test_labels_go_where_those_of_the_same_folder_are(tmp_path: Path, weights: Path, to: str) -> None:
    image(tmp_path / "images" / "a.png")
    image(tmp_path / "images" / "b.png", 1)
    if to == "voc":
        voc_label(tmp_path / "xmls" / "a.xml", "a.png")
    else:
        (tmp_path / "images" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
        (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    (item,) = label_json(weights, tmp_path, "--to", to)["written"]
    assert item["label_file"] == str(tmp_path / ("xmls/b.xml" if to == "voc" else "images/b.txt"))
    assert len(open_dataset(tmp_path).images) == 2


@pytest.mark.parametrize("to", ["voc", "yolo"])
def test_no_existing_file_changes_and_a_second_run_labels_only_what_is_new(
    tmp_path: Path, weights: Path, to: str
) -> None:
    for seed, name in enumerate("abc"):
        image(tmp_path / f"{name}.png", seed)
    if to == "voc":
        voc_label(tmp_path / "a.xml", "a.png")
        (tmp_path / "b.xml").write_text("not XML")
    else:
        (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
        (tmp_path / "b.txt").write_text("")  # somebody says that there is nothing
        (tmp_path / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    before = files_below(tmp_path)
    first = label_json(weights, tmp_path, "--to", to)
    assert [Path(item["image"]).name for item in first["written"]] == ["c.png"]
    assert first["labelled_before"] == 2
    after = files_below(tmp_path)
    assert {path: after[path] for path in before} == before
    assert label_json(weights, tmp_path, "--to", to)["written"] == []
    assert files_below(tmp_path) == after
    image(tmp_path / "d.png", 5)
    assert [Path(item["image"]).name for item in label_json(weights, tmp_path, "--to", to)["written"]] == ["d.png"]


def test_voc_proposals_are_marked_and_have_whole_pixels(tmp_path: Path, weights: Path) -> None:
    image(tmp_path / "a.png")
    label_json(weights, tmp_path, "--to", "voc")
    text = (tmp_path / "a.xml").read_text()
    assert f"<source><database>Unknown</database><annotation>{PROPOSED_MARK}</annotation></source>" in text
    corners = [part.partition("<")[0] for part in text.split("<xmin>")[1:]]
    assert corners
    assert all(corner.isdecimal() for corner in corners)


def test_yolo_proposals_are_listed_and_rows_have_five_numbers(tmp_path: Path, weights: Path) -> None:
    for seed, name in enumerate(("a", "b c")):
        image(tmp_path / "images" / "train" / f"{name}.png", seed)
    label_json(weights, tmp_path / "images" / "train", "--to", "yolo")
    assert (tmp_path / "proposed.txt").read_text() == "images/train/a.png\nimages/train/b c.png\n"
    assert (tmp_path / "labels" / "train" / "classes.txt").read_text() == "crate\nball\n星\n"
    rows = (tmp_path / "labels" / "train" / "a.txt").read_text().splitlines()
    assert all(len(row.split()) == 5 for row in rows)
    image(tmp_path / "images" / "train" / "d.png", 4)
    label_json(weights, tmp_path, "--to", "yolo")
    assert (tmp_path / "proposed.txt").read_text().splitlines()[2:] == ["images/train/d.png"]


def test_class_ids_are_those_of_the_data_sets_own_names(tmp_path: Path, weights: Path) -> None:
    shown = image(tmp_path / "images" / "train" / "a.png")
    names = ["星", "other", "ball", "crate"]
    (tmp_path / "data.yaml").write_text(json.dumps({"train": "images/train", "val": "images/train", "names": names}))
    result = label_json(weights, tmp_path, "--to", "yolo")
    assert result["in_no_split"] == 0
    assert (tmp_path / "labels" / "train" / "classes.txt").read_text().split() == names
    assert_same_boxes(tmp_path, weights, [shown])


@pytest.mark.parametrize("file", ["classes.txt", "obj.names", "data.yaml"])
@pytest.mark.parametrize("labelled", [False, True])
def test_other_class_names_are_refused_in_one_sentence(
    tmp_path: Path, weights: Path, file: str, labelled: bool
) -> None:
    image(tmp_path / "a.png")
    image(tmp_path / "b.png", 1)
    if labelled:
        (tmp_path / "b.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    content = "train: .\nnames: [cat, crate]\n" if file == "data.yaml" else "cat\ncrate\n"
    (tmp_path / file).write_text(content)
    before = files_below(tmp_path)
    done = label(weights, tmp_path, "--to", "yolo")
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(str(tmp_path / file))
    assert "cat, crate" in sentence
    assert "ball, 星" in sentence
    assert files_below(tmp_path) == before


def test_the_classes_txt_of_voc_labels_counts_too(tmp_path: Path, weights: Path) -> None:
    image(tmp_path / "JPEGImages" / "a.png")
    (tmp_path / "classes.txt").write_text("cat\n")
    done = label(weights, tmp_path, "--to", "voc")
    assert done.returncode == 2
    assert "classes.txt: the classes there are cat" in done.stderr
    (tmp_path / "classes.txt").write_text("\n".join(reversed(CLASSES)))
    assert label_json(weights, tmp_path, "--to", "voc")["written"]
    assert open_dataset(tmp_path).classes == tuple(reversed(CLASSES))


def test_labels_with_ids_that_nothing_names_are_not_mixed_with_names(tmp_path: Path, weights: Path) -> None:
    image(tmp_path / "a.png")
    image(tmp_path / "b.png", 1)
    (tmp_path / "b.txt").write_text("1 0.5 0.5 0.2 0.2\n")
    done = label(weights, tmp_path, "--to", "yolo")
    assert done.returncode == 2
    assert "class 0, class 1" in done.stderr
    assert not (tmp_path / "a.txt").exists()


def test_labels_of_another_format_are_not_mixed(tmp_path: Path, weights: Path) -> None:
    image(tmp_path / "a.png")
    image(tmp_path / "b.png", 1)
    voc_label(tmp_path / "b.xml", "b.png")
    done = label(weights, tmp_path, "--to", "yolo")
    assert done.returncode == 2
    assert "the labels in" in done.stderr
    assert "give --to voc" in done.stderr
    assert not (tmp_path / "a.txt").exists()
    (tmp_path / "b.xml").unlink()
    coco = {
        "images": [{"id": 1, "file_name": "b.png", "width": 160, "height": 120}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 50, 50], "area": 2500, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "crate"}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(coco))
    done = label(weights, tmp_path, "--to", "voc")
    assert done.returncode == 2
    assert "freezetui data convert" in done.stderr
    picked = label_json(weights, tmp_path, "--pick", "5")["picked"]
    assert [Path(item["image"]).name for item in picked] == ["a.png"]


def test_images_that_cannot_be_read_are_listed_with_a_count(tmp_path: Path, weights: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        image(tmp_path / name, ord(name[0]))
    cut_off(tmp_path / "b.jpg")
    done = label(weights, tmp_path, "--to", "voc")
    assert done.returncode == 0
    assert "b.jpg: the image is cut off" in done.stderr
    assert done.stderr.splitlines()[-1] == "1 image cannot be read."
    assert sorted(path.name for path in tmp_path.glob("*.xml")) == ["a.xml", "c.xml"]
    for name in ("a", "c"):
        (tmp_path / f"{name}.jpg").unlink()
    assert label(weights, tmp_path, "--to", "voc").returncode == 2


def test_an_image_in_which_nothing_is_found_gets_no_label_file(tmp_path: Path, weights: Path) -> None:
    shown = image(tmp_path / "a.png")
    result = label_json(weights, tmp_path, "--to", "yolo", "--threshold", "1")
    assert (result["written"], result["without_objects"]) == ([], [str(shown)])
    assert set(files_below(tmp_path)) == {shown}


def test_images_of_one_name_and_names_with_a_meaning_are_left_out(tmp_path: Path, weights: Path) -> None:
    for seed, name in enumerate(("a.png", "a.jpg", "classes.png", "proposed.png", "b.png")):
        image(tmp_path / name, seed)
    result = label_json(weights, tmp_path, "--to", "yolo")
    assert [Path(item["image"]).name for item in result["written"]] == ["b.png"]
    assert len(result["skipped"]) == 4
    assert {path.name for path in tmp_path.glob("*.txt")} == {"b.txt", "classes.txt", "proposed.txt"}


def test_a_file_called_proposed_txt_that_is_no_list_is_left_alone(tmp_path: Path, weights: Path) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "proposed.txt").write_text("my plan\n")
    done = label(weights, tmp_path, "--to", "yolo")
    assert done.returncode == 2
    assert "proposed.txt" in done.stderr
    assert label_json(weights, tmp_path, "--pick", "1")["picked"]
    assert (tmp_path / "proposed.txt").read_text() == "my plan\n"
    assert not (tmp_path / "a.txt").exists()


@pytest.mark.parametrize("to", ["voc", "yolo"])
def test_boxes_of_an_image_that_exif_rotates_are_read_back(tmp_path: Path, weights: Path, to: str) -> None:
    with_orientation(image(tmp_path / "a.jpg"), 6)
    label_json(weights, tmp_path, "--to", to)
    assert_same_boxes(tmp_path, weights, [tmp_path / "a.jpg"])


@pytest.mark.parametrize("to", ["voc", "yolo"])
def test_ctrl_c_keeps_what_is_written_and_the_next_run_does_the_rest(
    tmp_path: Path, weights: Path, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(4):
        image(tmp_path / f"{seed}.png", seed)

    def interrupted(*values: object, **options: object) -> Iterator[object]:
        yield from islice(predict(*values, **options), 2)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(propose, "predict", interrupted)
    done = label(weights, tmp_path, "--to", to)
    assert done.returncode == 130
    assert "2 label files are written" in done.stdout
    assert f"They are in {tmp_path.resolve()}" in done.stdout
    monkeypatch.undo()
    assert len(label_json(weights, tmp_path, "--to", to)["written"]) == 2
    assert len(boxes_read(tmp_path)) == 4
    assert not list(tmp_path.glob(".*"))


def test_a_file_that_another_program_writes_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.txt"
    sync = os.fsync

    def write_first(descriptor: int) -> None:
        target.write_text("theirs")
        sync(descriptor)

    monkeypatch.setattr(label_files.os, "fsync", write_first)
    assert not write_new(target, ["ours"])
    assert target.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [target]


def test_images_that_no_list_names_are_counted(tmp_path: Path, weights: Path) -> None:
    image(tmp_path / "JPEGImages" / "a.png")
    image(tmp_path / "JPEGImages" / "b.png", 1)
    voc_label(tmp_path / "Annotations" / "a.xml", "a.png")
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    assert label_json(weights, tmp_path, "--to", "voc")["in_no_split"] == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "--to is missing"),
        (("--to", "yol"), "did you mean yolo?"),
        (("--to", "coco"), "it is voc or yolo"),
    ],
)
def test_bad_formats_are_one_sentence(tmp_path: Path, weights: Path, words: tuple[str, ...], sentence: str) -> None:
    image(tmp_path / "a.png")
    done = label(weights, tmp_path, *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "sentence"), [("gone", "no such folder"), ("empty", "no image"), ("a.png", "no folder")]
)
def test_bad_folders_are_one_sentence(tmp_path: Path, weights: Path, name: str, sentence: str) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    done = label(weights, tmp_path / name, "--to", "voc")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_doubt_is_greatest_at_the_threshold_and_zero_at_the_ends() -> None:
    def of(*scores: float) -> float:
        return doubt_of(np.array(scores, np.float32), np.full(len(scores), 0.4, np.float32))

    assert of(0.4) == pytest.approx(1)
    assert (of(0.0), of(1.0), of()) == pytest.approx((0, 0, 0))
    assert of(0.2) == pytest.approx(of(0.7)) == pytest.approx(0.25)
    assert of(*[0.97] * 20) < of(0.42), "many boxes of which it is sure are less than one of which it is not"
    assert of(0.4, 0.4) == pytest.approx(2)
    for threshold in (0.0, 1.0):
        assert np.isfinite(doubt_of(np.array([0.0, 0.5, 1.0], np.float32), np.full(3, threshold, np.float32)))


def test_a_class_may_have_a_threshold_of_its_own(tmp_path: Path, weights: Path) -> None:
    for name in ("one", "other"):
        image(tmp_path / name / "a.png")
    label_json(weights, tmp_path / "one", "--to", "voc", "--threshold", "0.6")
    words = ("--threshold", "0.6", "--threshold", "ball=0.8", "--threshold", "星=1")
    result = label_json(weights, tmp_path / "other", "--to", "voc", *words)
    assert result["thresholds"] == {"crate": 0.6, "ball": 0.8, "星": 1.0}
    every, fewer = ((tmp_path / name / "a.xml").read_text() for name in ("one", "other"))
    assert fewer.count("<name>crate") == every.count("<name>crate") > 0
    assert 0 < fewer.count("<name>ball") < every.count("<name>ball")
    assert fewer.count("<name>星") < every.count("<name>星")


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("2", "such as 1"),
        ("half", "a number from 0 to 1"),
        ("nan", "a number from 0 to 1"),
        ("ball=-1", "CLASS=0"),
        ("bal=0.5", "did you mean ball?"),
        ("cow=0.5", "the weights have no such class. They have crate, ball, 星."),
    ],
)
def test_bad_thresholds_are_one_sentence(tmp_path: Path, weights: Path, word: str, sentence: str) -> None:
    image(tmp_path / "a.png")
    done = label(weights, tmp_path, "--to", "voc", "--threshold", word)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_of_images_that_look_nearly_the_same_one_is_picked(tmp_path: Path, weights: Path) -> None:
    pixels = draw_image(np.random.default_rng(0)).pixels
    for number in range(4):
        encode_image(tmp_path / f"frame{number}.png", np.clip(pixels.astype(int) + number, 0, 255).astype(np.uint8))
    image(tmp_path / "other.png", 7)
    before = files_below(tmp_path)
    result = label_json(weights, tmp_path, "--pick", "5")
    names = [Path(item["image"]).name for item in result["picked"]]
    assert len(names) == 2
    assert "other.png" in names
    values = [item["doubt"] for item in result["picked"]]
    assert values == sorted(values, reverse=True)
    done = label(weights, tmp_path, "--pick", "5")
    assert "The other images look nearly the same" in done.stdout
    assert "choose from" not in done.stdout
    assert "There are only 5 images to choose from." in label(weights, tmp_path, "--pick", "500").stdout
    assert files_below(tmp_path) == before, "nothing is written"


@pytest.mark.parametrize("to", ["voc", "yolo"])
def test_picked_are_images_without_labels_and_with_proposed_ones(tmp_path: Path, weights: Path, to: str) -> None:
    image(tmp_path / "a.png", 1)
    label_json(weights, tmp_path, "--to", to)
    image(tmp_path / "b.png", 2)
    image(tmp_path / "c.png", 3)
    if to == "voc":
        voc_label(tmp_path / "c.xml", "c.png")
    else:
        (tmp_path / "c.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    picked = label_json(weights, tmp_path, "--pick", "9")["picked"]
    assert {Path(item["image"]).name for item in picked} == {"a.png", "b.png"}


def test_distinct_takes_the_first_of_each_look() -> None:
    drawn = [draw_image(np.random.default_rng(seed)).pixels for seed in (0, 1, 2)]
    prints = [fingerprint(pixels) for pixels in (drawn[0], drawn[0] // 2, drawn[1], drawn[1], drawn[2])]
    assert distinct(prints, 10) == [0, 2, 4]
    assert distinct(prints, 2) == [0, 2]
    assert distinct([None, None, prints[0]], 10) == [0, 1, 2]
    assert distinct([], 3) == []


def test_labels_of_other_images_in_a_folder_above_do_not_count(tmp_path: Path, weights: Path) -> None:
    image(tmp_path / "old" / "b.png", 1)
    coco = {
        "images": [{"id": 1, "file_name": "b.png", "width": 160, "height": 120}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 50, 50], "area": 2500, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "crate"}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(coco))
    image(tmp_path / "new" / "a.png")
    for to in ("voc", "yolo"):
        image(tmp_path / "new" / f"images_{to}" / "a.png")
        assert len(label_json(weights, tmp_path / "new" / f"images_{to}", "--to", to)["written"]) == 1


def test_the_wizards_next_steps_are_commands_that_parse(tmp_path: Path) -> None:
    run = StoredRun(tmp_path / "a run", None, None, "")  # type: ignore[arg-type]
    assert parse(label_command(run)) == parse(pick_command(run)) == "label"
    assert parse(train_again_command(run)) == "train"
