"""YOLO data sets as label tools and people write them: every box is in, or a finding says why not."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.dataset.formats import open_dataset
from engine.dataset.index import Dataset
from engine.messages import BadInput
from tests.dataset_on_disk import SIZE, boxes_of, codes, split_names, write_image, write_text, write_yolo

MIDDLE = [30, 15, 50, 45]
ROW = "1 0.5 0.5 0.25 0.5\n"
NAMES = "names: [cat, dog]\n"


def label(root: Path, image: str, text: str, encoding: str = "utf-8") -> None:
    """An image, and a label file in the parallel folder."""
    write_image(root / image)
    write_text((root / image.replace("images", "labels")).with_suffix(".txt"), text, encoding)


def said(dataset: Dataset, code: str) -> str:
    """The finding with a code, of which there is one."""
    (found,) = [finding for finding in dataset.findings if finding.message.code == code]
    return str(found.message)


def severities(dataset: Dataset) -> dict[str, str]:
    return {finding.message.code: finding.severity for finding in dataset.findings}


def check_middle(dataset: Dataset, *images: str, name: str = "dog") -> None:
    """The images have the box of ROW, and nothing else is in the data set."""
    assert sorted(dataset.images) == sorted(images)
    for image in images:
        assert boxes_of(dataset, image) == [(name, MIDDLE)], image


# Rows


def pose_rows(size: int) -> str:
    """Eight boxes with two keypoints inside each."""
    rows = []
    for n in (0, 1, 2, 3, 0, 1, 3, 3):
        points = " ".join(f"{0.4 + 0.05 * n} {0.5 - 0.05 * k}" + (" 2" if size == 3 else "") for k in range(2))
        rows.append(f"{n % 2} {0.4 + 0.05 * n} 0.5 0.25 0.5 {points}")
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("shape", ["[2, 3]", "[2, 2]"])
def test_rows_with_keypoints_are_the_boxes_before_them_where_the_yaml_says_so(tmp_path: Path, shape: str) -> None:
    rows = pose_rows(int(shape[-2])).splitlines()
    label(tmp_path, "images/a.jpg", rows[2] + "\n")
    label(tmp_path, "images/b.jpg", "0 0.5 0.5 0.25 0.5 9 9 9\n".replace("9", "0.1"))
    write_text(tmp_path / "data.yaml", f"train: images\n{NAMES}kpt_shape: {shape}\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "images/a.jpg") == [("cat", MIDDLE)]
    assert "label.pose" in codes(dataset)


@pytest.mark.parametrize(("size", "severity"), [(3, "info"), (2, "warning")])
def test_keypoints_are_seen_from_all_rows_without_a_yaml(tmp_path: Path, size: int, severity: str) -> None:
    rows = pose_rows(size).splitlines()
    label(tmp_path, "images/a.jpg", rows[2] + "\n")
    label(tmp_path, "images/b.jpg", "\n".join([*rows[:2], *rows[3:]]) + "\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "images/a.jpg") == [("class 0", MIDDLE)]
    assert severities(dataset)["label.pose"] == severity


def test_a_few_rows_that_may_be_either_are_polygons_and_said(tmp_path: Path) -> None:
    label(tmp_path, "images/a.jpg", "".join(line + "\n" for line in pose_rows(2).splitlines()[:3]))
    assert severities(open_dataset(tmp_path))["label.from_polygon"] == "warning"


def test_four_corners_are_not_taken_for_keypoints(tmp_path: Path) -> None:
    corners = "0.375 0.25 0.625 0.25 0.625 0.75 0.375 0.75"
    label(tmp_path, "images/a.jpg", f"1 {corners}\n" * 1)
    label(tmp_path, "images/b.jpg", f"1 {corners} 0.875\n")
    label(tmp_path, "images/c.jpg", f"1 {corners} 0.875 17\n")
    label(tmp_path, "images/d.jpg", "1 0.5 0.25 0.625 0.5 0.5 0.75 0.375 0.5 0.5 0.3\n")
    write_text(tmp_path / "classes.txt", "cat\ndog\n")
    dataset = open_dataset(tmp_path)
    check_middle(dataset, *(f"images/{n}.jpg" for n in "abcd"))
    assert "label.from_polygon" in codes(dataset)


@pytest.mark.parametrize("end", ["0.93", "0.93 4", "17", "1"])
def test_a_confidence_and_a_track_id_behind_the_box_are_dropped_and_said(tmp_path: Path, end: str) -> None:
    for name in "ab":
        label(tmp_path, f"images/{name}.jpg", ROW.strip() + f" {end}\n")
    write_text(tmp_path / "classes.txt", "cat\ndog\n")
    dataset = open_dataset(tmp_path)
    check_middle(dataset, "images/a.jpg", "images/b.jpg")
    assert "rows with a confidence or a track id behind the box: 2;" in said(dataset, "label.scored")


def test_a_box_with_an_angle_is_left_out_and_said(tmp_path: Path) -> None:
    label(tmp_path, "images/a.jpg", "1 0.5 0.5 0.25 0.5 -0.7\n1 0.5 0.5 0.25 0.5 0.3\n")
    label(tmp_path, "images/b.jpg", ROW)
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "images/a.jpg") == []
    assert "an angle: 2, in 1 label files (labels/a.txt)" in said(dataset, "label.rotated")


@pytest.mark.parametrize(
    "row",
    [
        "1,0.5,0.5,0.25,0.5",
        "1, 0.5, 0.5, 0.25, 0.5",
        "1;0.5;0.5;0.25;0.5",
        "1\t0.5\t0.5\t0.25\t0.5  ",
        "1 0,5 0,5 0,25 0,5",
        "1;0,5;0,5;0,25;0,5",
        "1.0 5e-1 .5 2.5E-01 +0.5",
        "\ufeff1 0.5 0.5 0.25 0.5",
    ],
)
def test_separators_and_forms_of_numbers(tmp_path: Path, row: str) -> None:
    label(tmp_path, "images/a.jpg", row + "\r\n\r\n")
    write_text(tmp_path / "classes.txt", "cat\ndog\n")
    check_middle(open_dataset(tmp_path), "images/a.jpg")


def test_corners_instead_of_centre_and_size_are_said(tmp_path: Path) -> None:
    label(tmp_path, "images/a.jpg", "0 0.1 0.1 0.4 0.4\n1 0.6 0.6 0.9 0.9\n0 0.1 0.7 0.4 0.9\n")
    assert "look like corners x1 y1 x2 y2" in said(open_dataset(tmp_path), "label.corners")
    label(tmp_path, "images/a.jpg", "0 0.1 0.1 0.2 0.2\n1 0.3 0.3 0.5 0.5\n0 0.2 0.2 0.4 0.4\n")
    assert "label.corners" not in codes(open_dataset(tmp_path))


def test_words_and_pixels_are_refused_for_the_pixels(tmp_path: Path) -> None:
    """As the OIDv4 toolkit writes them."""
    write_image(tmp_path / "Apple" / "a.jpg")
    write_text(tmp_path / "Apple" / "Label" / "a.txt", "Apple 10.0 20.0 60.0 50.0\n")
    with pytest.raises(BadInput, match="rows in pixels or per cent, not in fractions of the image: 1"):
        open_dataset(tmp_path)


def test_rows_in_pixels_are_left_out_with_their_number(tmp_path: Path) -> None:
    label(tmp_path, "images/a.jpg", "0 30 40 40 40\n1 90 75 40 50\n" + ROW)
    label(tmp_path, "images/b.jpg", "0 10 10 20 10 20 20 10 20\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "images/a.jpg") == [("class 1", MIDDLE)]
    assert "in pixels or per cent, not in fractions of the image: 3, in 2 label files" in said(
        dataset, "label.not_fractions"
    )
    write_text(tmp_path / "labels" / "a.txt", "0 30 40 40 40\n")
    with pytest.raises(BadInput, match=r"no box is left\. .*in pixels or per cent, .*: 2, in 2 label files"):
        open_dataset(tmp_path)


def test_rows_that_cannot_be_used_are_counted_with_their_lines(tmp_path: Path) -> None:
    bad = "0 nan 0.5 0.1 0.1\n0 1e400 0.5 0.1 0.1\nnan 0.5 0.5 0.1 0.1\n7 0.5 0.5 0.1 0.1\n-1 0.5 0.5 0.1 0.1\n0 0.5 0.5\nx\n"
    label(tmp_path, "images/a.jpg", ROW + bad + "0 " + "9" * 5000 + " 0.5 0.1 0.1\n")
    write_text(tmp_path / "classes.txt", "cat\ndog\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "images/a.jpg") == [("dog", MIDDLE)]
    assert "nan or inf: 3 (labels/a.txt:2, labels/a.txt:3, labels/a.txt:9)" in said(dataset, "label.not_a_number")
    assert "do not exist (-1, 7, nan): 3, in 1 label files (labels/a.txt)" in said(dataset, "label.class_out_of_range")
    assert "no boxes: 2 (labels/a.txt:7, labels/a.txt:8)" in said(dataset, "label.unreadable")
    assert dataset.books["box"] == {"seen": 9, "kept": 1, "left_out": 8}


def test_class_names_instead_of_class_ids(tmp_path: Path) -> None:
    label(tmp_path, "images/a.jpg", "traffic light 0.5 0.5 0.25 0.5\n")
    label(tmp_path, "images/b.jpg", "Dog 0.5 0.5 0.25 0.5\ncow 0.5 0.5 0.25 0.5\n")
    dataset = open_dataset(tmp_path)
    assert dataset.classes == ("Dog", "cow", "traffic light")
    assert boxes_of(dataset, "images/a.jpg") == [("traffic light", MIDDLE)]
    write_text(tmp_path / "classes.txt", "traffic light\ndog\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "images/b.jpg") == [("dog", MIDDLE)]
    assert "do not exist (cow): 1" in said(dataset, "label.class_out_of_range")


def test_words_beside_class_ids_that_nothing_names_are_left_out(tmp_path: Path) -> None:
    label(tmp_path, "images/a.jpg", ROW + "cat 0.5 0.5 0.25 0.5\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "images/a.jpg") == [("class 1", MIDDLE)]
    assert "do not exist (cat): 1" in said(dataset, "label.class_out_of_range")


def test_class_ids_from_one_are_said(tmp_path: Path) -> None:
    label(tmp_path, "images/a.jpg", ROW + "2 0.5 0.5 0.5 0.5\n")
    write_text(tmp_path / "classes.txt", "cat\ndog\n")
    assert "class ids of the labels are from 1 to 2" in said(open_dataset(tmp_path), "class.from_one")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "gb18030"])
def test_label_and_class_files_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    label(tmp_path, "images/a.jpg", ROW, encoding)
    write_text(tmp_path / "classes.txt", "猫\n小狗\n", encoding)
    dataset = open_dataset(tmp_path)
    check_middle(dataset, "images/a.jpg", name="小狗")
    assert ("text.encoding" in codes(dataset)) == (encoding == "gb18030")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_a_label_file_that_cannot_be_read_takes_its_image_with_it(tmp_path: Path) -> None:
    label(tmp_path, "images/a.jpg", ROW)
    write_image(tmp_path / "images" / "b.jpg")
    os.mkfifo(tmp_path / "labels" / "b.txt")
    dataset = open_dataset(tmp_path)
    assert dataset.images == ("images/a.jpg",)
    assert "pipe" in said(dataset, "label.unreadable")
    assert dataset.books["image"] == {"seen": 2, "kept": 1, "left_out": 1}


@pytest.mark.parametrize(
    "text", ["1 " + "9" * 100_000 + "x 0.5 0.1 0.1\n", "a.jpg" + " " * 100_000 + "x\n", "\n" * 100_000 + "x"]
)
def test_long_lines_are_read_in_a_moment(tmp_path: Path, text: str) -> None:
    label(tmp_path, "images/a.jpg", ROW + text)
    for name in ("train.txt", "data.yaml", "obj.data"):
        write_text(tmp_path / name, text)
    started = time.perf_counter()
    assert boxes_of(open_dataset(tmp_path), "images/a.jpg") == [("class 1", MIDDLE)]
    assert time.perf_counter() - started < 2


# Where labels are


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("images/a.jpg", "labels/a.txt"),
        ("images/train/x/a.jpg", "labels/train/x/a.txt"),
        ("train/images/a.jpg", "train/labels/a.txt"),
        ("Images/a.jpg", "Labels/a.TXT"),
        ("VOC2007/JPEGImages/a.jpg", "VOC2007/labels/a.txt"),
        ("images/a.jpg", "labels_yolo/a.txt"),
        ("images_train/a.jpg", "labels_train/a.txt"),
        ("train/a.jpg", "train/labels/a.txt"),
        ("train/a.jpg", "labels/train/a.txt"),
        ("images/a.jpg", "images/a.txt"),
        ("data/obj/a.jpg", "data/obj/a.txt"),
        ("img/a.jpg", "yolo_txt/a.txt"),
        ("pics/day 1/a.jpg", "ground truth/a.txt"),
        ("images/a.jpg", "labels/a.jpg.txt"),
        ("images/1a2b3c4d-a.jpg", "labels/a.txt"),
        ("images/a b.jpg", "labels/1a2b3c4d-a%20b.txt"),
        ("images/B\u00e4r.jpg", "labels/Ba\u0308r.txt"),
        ("images/1196.jpg.14.png", "labels/1196.jpg.14.txt"),
    ],
)
def test_labels_in_parallel_folders_beside_or_alone_of_their_name(tmp_path: Path, image: str, text: str) -> None:
    write_image(tmp_path / image)
    write_text(tmp_path / text, ROW)
    write_text(tmp_path / "classes.txt", "cat\ndog\n")
    dataset = open_dataset(tmp_path)
    check_middle(dataset, image)
    assert dataset.books["label_file"] == {"seen": 1, "kept": 1, "left_out": 0}


def test_images_of_one_name_in_two_splits_keep_their_own_labels(tmp_path: Path) -> None:
    for split, row in (("train", ROW), ("val", ROW.replace("1 ", "0 ", 1))):
        write_image(tmp_path / "pics" / split / "0001.jpg")
        write_text(tmp_path / "boxes" / split / "0001.txt", row)
    write_text(tmp_path / "classes.txt", "cat\ndog\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "pics/train/0001.jpg") == [("dog", MIDDLE)]
    assert boxes_of(dataset, "pics/val/0001.jpg") == [("cat", MIDDLE)]


def test_frames_of_many_videos_have_the_labels_of_their_own_video(tmp_path: Path) -> None:
    for n in range(3):
        write_image(tmp_path / f"clips/v{n}/frames/0001.jpg")
        write_text(tmp_path / f"gt/v{n}/0001.txt", f"{n} 0.5 0.5 0.25 0.5\n")
    dataset = open_dataset(tmp_path)
    assert [boxes_of(dataset, f"clips/v{n}/frames/0001.jpg")[0][0] for n in range(3)] == [
        "class 0",
        "class 1",
        "class 2",
    ]
    assert "by their names" in said(dataset, "label.elsewhere")


def test_the_parallel_folder_is_preferred_and_the_other_label_file_is_said(tmp_path: Path) -> None:
    label(tmp_path, "images/a.jpg", ROW)
    write_text(tmp_path / "images" / "a.txt", "0 0.5 0.5 0.1 0.1\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "images/a.jpg") == [("class 1", MIDDLE)]
    assert "1 with 1 boxes (images/a.txt)" in said(dataset, "label.second")


def test_label_files_without_an_image_are_counted(tmp_path: Path) -> None:
    label(tmp_path, "images/a.jpg", ROW)
    write_text(tmp_path / "labels" / "gone.txt", ROW * 2)
    write_text(tmp_path / "labels" / "empty.txt", "")
    write_text(tmp_path / "README.roboflow.txt", "exported\n")
    dataset = open_dataset(tmp_path)
    assert "label files without an image: 2 with 2 boxes (labels/empty.txt, labels/gone.txt)" in said(
        dataset, "label.no_image"
    )
    assert severities(dataset)["label.no_image"] == "warning"


def test_labels_of_images_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    label(tmp_path, "images/a.jpg", ROW)
    write_text(tmp_path / "images" / "b.heic", "x")
    write_text(tmp_path / "labels" / "b.txt", ROW)
    dataset = open_dataset(tmp_path)
    found = [str(f.message) for f in dataset.findings if f.message.code == "image.unread_format"]
    assert any("1 with 1 boxes (labels/b.txt)" in message for message in found)


def test_two_images_that_share_a_label_file_are_said(tmp_path: Path) -> None:
    label(tmp_path, "images/a.jpg", ROW)
    write_image(tmp_path / "images" / "a.png")
    dataset = open_dataset(tmp_path)
    check_middle(dataset, "images/a.jpg", "images/a.png", name="class 1")
    assert "several images of one name: 1 (labels/a.txt)" in said(dataset, "label.shared")


def test_images_without_a_label_are_background_and_counted(tmp_path: Path) -> None:
    label(tmp_path, "images/a.jpg", ROW)
    write_image(tmp_path / "images" / "b.jpg")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "images/b.jpg") == []
    assert "without a label file: 1;" in said(dataset, "image.unlabelled")


@pytest.mark.parametrize("chosen", ["images", "labels", "images/train"])
def test_a_folder_inside_the_data_set_may_be_chosen(tmp_path: Path, chosen: str) -> None:
    write_yolo(tmp_path, "images/train/a.jpg", "images/train/b.jpg")
    write_text(tmp_path / "classes.txt", "cat\ndog\n")
    check_middle(open_dataset(tmp_path / chosen), "images/train/a.jpg", "images/train/b.jpg")


def test_one_split_of_a_data_set_has_the_names_from_above(tmp_path: Path) -> None:
    write_yolo(tmp_path, "train/images/a.jpg")
    write_text(tmp_path / "data.yaml", "train: ../train/images\n" + NAMES)
    dataset = open_dataset(tmp_path / "train")
    check_middle(dataset, "images/a.jpg")
    assert "class.named_above" in codes(dataset)


# Class names


@pytest.mark.parametrize(
    "file",
    [
        *(
            "classes.txt",
            "_classes.txt",
            "_darknet.labels",
            "obj.names",
            "labels/classes.txt",
            "labels/train/classes.txt",
        ),
        *("voc.names", "data/obj.names", "images/classes.txt", "model_data/cls_classes.txt", "predefined_classes.txt"),
    ],
)
def test_files_of_class_names(tmp_path: Path, file: str) -> None:
    write_yolo(tmp_path, "images/train/a.jpg")
    write_text(tmp_path / file, "cat\ndog\n")
    dataset = open_dataset(tmp_path)
    check_middle(dataset, "images/train/a.jpg")
    assert dataset.books["label_file"]["seen"] == 1


def test_files_of_class_names_that_disagree_are_said(tmp_path: Path) -> None:
    write_yolo(tmp_path, "images/train/a.jpg", "images/val/b.jpg")
    write_text(tmp_path / "labels" / "train" / "classes.txt", "cat\ndog\n")
    write_text(tmp_path / "labels" / "val" / "classes.txt", "dog\ncat\n")
    dataset = open_dataset(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert "1 (labels/val/classes.txt)" in said(dataset, "class.files_differ")
    write_text(tmp_path / "labels" / "val" / "classes.txt", "cat\ndog\ncow\n")
    dataset = open_dataset(tmp_path)
    assert dataset.classes == ("cat", "dog", "cow")
    assert "class.files_differ" not in codes(dataset)
    write_text(tmp_path / "data.yaml", "train: images/train\nval: images/val\nnames: [dog, cat]\n")
    assert "class.files_differ" in codes(open_dataset(tmp_path))


def test_numbered_class_names_and_empty_lines(tmp_path: Path) -> None:
    write_yolo(tmp_path, "images/a.jpg")
    for text in ("0 cat\n1 dog\n", "0: cat\n1: dog\n", "0,cat\n1,dog\n"):
        write_text(tmp_path / "classes.txt", text)
        assert open_dataset(tmp_path).classes == ("cat", "dog")
    write_text(tmp_path / "classes.txt", "cat\n\ndog\n\n")
    dataset = open_dataset(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert "empty lines between class names: 1;" in said(dataset, "class.empty_line")


def test_a_stock_yaml_whose_images_are_not_there_does_not_name_the_classes(tmp_path: Path) -> None:
    write_yolo(tmp_path, "images/a.jpg")
    write_text(tmp_path / "classes.txt", "cat\ndog\n")
    write_text(tmp_path / "coco.yaml", "path: ../datasets/coco\ntrain: train2017.txt\nnames: [person, bicycle]\n")
    dataset = open_dataset(tmp_path)
    check_middle(dataset, "images/a.jpg")
    assert {"split.missing", "class.files_differ"} <= set(codes(dataset))


# data.yaml


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        ("[no, yes]", ("no", "yes")),
        ("[010, 1e3]", ("010", "1e3")),
        ("[on, 0x1f]", ("on", "0x1f")),
        ("[null, 1.50]", ("null", "1.50")),
        ("{'0': cat, '1': dog}", ("cat", "dog")),
        ("{cat: 0, dog: 1}", ("cat", "dog")),
        ("{1: dog}", ("class 0", "dog")),
        ("\n  - 0: cat\n  - 1: dog", ("cat", "dog")),
        ("\n  - name: cat\n  - name: dog", ("cat", "dog")),
        ("cat dog", ("cat", "dog")),
        ("cat, big dog", ("cat", "big dog")),
        ("|\n  cat\n  dog", ("cat", "dog")),
        ("obj.names", ("cat", "dog")),
    ],
)
def test_names_stay_as_they_are_written(tmp_path: Path, names: str, classes: Sequence[str]) -> None:
    write_yolo(tmp_path, "images/a.jpg")
    write_text(tmp_path / "obj.names", "cat\ndog\n")
    write_text(tmp_path / "data.yaml", f"train: images\nval: images\nnc: 2\nnames: {names}\n")
    assert open_dataset(tmp_path / "data.yaml").classes == classes


def test_one_class_of_two_words(tmp_path: Path) -> None:
    label(tmp_path, "images/a.jpg", ROW.replace("1 ", "0 ", 1))
    write_text(tmp_path / "data.yaml", "train: images\nnc: 1\nnames: traffic light\n")
    assert open_dataset(tmp_path).classes == ("traffic light",)


def test_counts_duplicates_and_repeated_keys_are_said(tmp_path: Path) -> None:
    write_yolo(tmp_path, "images/a.jpg", "images/b.jpg")
    write_text(tmp_path / "data.yaml", "train: nowhere\ntrain: images\nnc: 3\nnames: [cat, cat]\n")
    dataset = open_dataset(tmp_path)
    assert "nc is 3, but there are 2 names" in said(dataset, "class.count")
    assert "more than once: cat;" in said(dataset, "class.repeated")
    assert "more than once: train;" in said(dataset, "yaml.repeated_key")


@pytest.mark.parametrize(
    "lines",
    [
        "train: images/train\nval: images/val\n",
        "train: ./images/train/\nval: images/val/\n",
        "train: [images/train]\nval: [images/val]\n",
        "train: images/train/*.jpg\nval: images/v*\n",
        "train: train.txt\nval: val.txt\n",
        "train:\n  - images/train/a.jpg\n  - images/train/b.jpg\nval: images/val/c.jpg\n",
        "path: .\ntrain: images/train\nval: images/val\n",
        "path: /content/datasets/animals\ntrain: images/train\nval: images/val\n",
        "train: /content/drive/My Drive/animals/images/train\nval: /content/drive/My Drive/animals/images/val\n",
        "train: ../images/train\nval: ../images/val\n",
        "train: ../../somewhere/images/train\nval: ../../somewhere/images/val\n",
        "path: 'C:\\Users\\me\\data'\ntrain: images\\train\nval: images\\val\n",
        'path: "C:\\Users\\me\\data"\ntrain: images/train\nval: images/val\n',
        'train: "images\\train"\nval: "images\\val"\n',
        'train: "C:\\new\\images\\train"\nval: "D:\\x\\images\\val"\n',
        "path: ../datasets/gone\ntrain: Images/Train\nval: IMAGES/val\n",
        "Train: images/train\nValidation: images/val\n",
        "train_images: images/train\nval_images: images/val\ntrain_labels: labels/train\nval_labels: labels/val\n",
        "train: images/train\nvalidation: images/val\ntest:\n",
        "train: images/train\nval: images/val\ntest: ~  # optional\ndownload: https://example.org/a.zip\n",
    ],
)
def test_places_of_images(tmp_path: Path, lines: str) -> None:
    root = tmp_path / "animals"
    write_yolo(root, "images/train/a.jpg", "images/train/b.jpg", "images/val/c.jpg")
    write_text(root / "train.txt", "./images/train/a.jpg\ndata/images/train/b.jpg\n")
    write_text(root / "val.txt", "D:\\x\\images\\val\\c.jpg\n")
    write_text(root / "data.yaml", lines + NAMES)
    for path in (root, root / "data.yaml"):
        dataset = open_dataset(path)
        check_middle(dataset, "images/train/a.jpg", "images/train/b.jpg", "images/val/c.jpg")
        assert dataset.image_counts() == {"train": 2, "val": 1, "test": 0}
        assert not dataset.splits_drawn
        assert "error" not in severities(dataset).values()


@pytest.mark.parametrize(
    ("file", "lines"),
    [
        ("code/animals.yaml", "path: ../datasets/animals\ntrain: images/train\nval: images/val\n"),
        ("code/animals.yaml", "path: {root}/datasets/animals\ntrain: images/train\nval: images/val\n"),
        ("code/animals.yaml", "train: ../datasets/animals/images/train\nval: ../datasets/animals/images/val\n"),
        ("code/animals.yaml", "train: {root}/lists/train.txt\nval: {root}/datasets/animals/images/val\n"),
        ("code/data/animals.yml", "path: ../datasets/animals  # from code/\ntrain: images/train\nval: images/val\n"),
        ("code/animals.yaml", "path: animals\ntrain: images/train\nval: images/val\n"),
    ],
)
def test_images_elsewhere_are_read(tmp_path: Path, file: str, lines: str) -> None:
    write_yolo(tmp_path / "datasets/animals", "images/train/a.jpg", "images/train/b.jpg", "images/val/c.jpg")
    images = tmp_path / "datasets" / "animals" / "images" / "train"
    write_text(tmp_path / "lists" / "train.txt", f"{images}/a.jpg\n{images}/b.jpg\n")
    write_image(tmp_path / "other" / "unrelated.jpg")
    yaml = write_text(tmp_path / file, lines.format(root=tmp_path) + NAMES)
    dataset = open_dataset(yaml)
    assert sorted(Path(name).name for name in dataset.images) == ["a.jpg", "b.jpg", "c.jpg"]
    assert dataset.image_counts() == {"train": 2, "val": 1, "test": 0}
    assert all(boxes_of(dataset, name) == [("dog", MIDDLE)] for name in dataset.images)
    assert "image.unused" not in codes(dataset)


def test_of_a_home_folder_only_the_data_set_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    write_yolo(tmp_path / "animals", "images/a.jpg")
    write_image(tmp_path / "holidays" / "x.jpg")
    yaml = write_text(tmp_path / "animals.yaml", "path: animals\ntrain: images\n" + NAMES)
    dataset = open_dataset(yaml)
    check_middle(dataset, "images/a.jpg")
    assert dataset.root == tmp_path / "animals"
    assert "image.unused" not in codes(dataset)


def test_splits_inside_and_outside_the_folder_of_the_yaml(tmp_path: Path) -> None:
    write_yolo(tmp_path / "elsewhere", "images/x.jpg")
    write_yolo(tmp_path / "set", "images/a.jpg", "images/b.jpg")
    write_text(tmp_path / "set" / "data.yaml", "train: images\nval: ../elsewhere/images\n" + NAMES)
    dataset = open_dataset(tmp_path / "set")
    check_middle(dataset, "set/images/a.jpg", "set/images/b.jpg", "elsewhere/images/x.jpg")
    assert dataset.root == tmp_path


def test_of_two_places_that_one_inside_is_used_and_the_other_said(tmp_path: Path) -> None:
    write_yolo(tmp_path, "train/images/other.jpg")
    write_yolo(tmp_path / "set", "train/images/a.jpg")
    write_text(tmp_path / "set" / "data.yaml", "train: ../train/images\n" + NAMES)
    dataset = open_dataset(tmp_path / "set")
    check_middle(dataset, "train/images/a.jpg")
    assert "split.two_places" in codes(dataset)


def test_the_same_images_for_training_and_validation_are_said(tmp_path: Path) -> None:
    write_yolo(tmp_path, "images/train/a.jpg", "images/train/b.jpg", "images/train/c.jpg")
    write_text(tmp_path / "data.yaml", "train: images/train\nval: images/train\n" + NAMES)
    dataset = open_dataset(tmp_path)
    check_middle(dataset, *(f"images/train/{name}.jpg" for name in "abc"))
    assert "images in two splits: 3" in said(dataset, "split.twice")
    assert "label.duplicate" not in codes(dataset)


def test_images_with_labels_that_no_split_names_are_counted(tmp_path: Path) -> None:
    write_yolo(tmp_path, "images/train/a.jpg", "images/more/b.jpg", "images/more/c.jpg")
    write_text(tmp_path / "data.yaml", "train: images/train\n" + NAMES)
    dataset = open_dataset(tmp_path)
    check_middle(dataset, "images/train/a.jpg")
    assert "2 with 2 boxes (labels/more/b.txt, labels/more/c.txt)" in said(dataset, "image.not_listed")
    assert dataset.books["image"] == {"seen": 3, "kept": 1, "left_out": 2}


def test_an_unknown_key_that_names_images_is_said(tmp_path: Path) -> None:
    write_yolo(tmp_path, "images/train/a.jpg", "images/extra/b.jpg")
    write_text(tmp_path / "data.yaml", f"train: images/train\nvla: images/extra\nauthor: me/you\n{NAMES}")
    dataset = open_dataset(tmp_path)
    assert "the key vla names 1 images, but is no split; did you mean val?" in said(dataset, "split.unknown_key")
    assert {"split.none"} <= set(codes(dataset))


def test_a_key_that_leads_nowhere_is_said_and_all_images_are_read(tmp_path: Path) -> None:
    write_yolo(tmp_path, "pics/a.jpg", "pics/b.jpg")
    write_text(tmp_path / "data.yaml", "train: img/train\nval: img/val\n" + NAMES)
    dataset = open_dataset(tmp_path)
    check_middle(dataset, "pics/a.jpg", "pics/b.jpg")
    assert codes(dataset).count("split.missing") == 2


def test_a_key_that_names_the_labels_is_said_and_all_images_are_read(tmp_path: Path) -> None:
    write_yolo(tmp_path, "images/train/a.jpg")
    write_text(tmp_path / "data.yaml", "train: labels/train\n" + NAMES)
    dataset = open_dataset(tmp_path)
    check_middle(dataset, "images/train/a.jpg")
    assert "train names this place, but there is no image" in said(dataset, "split.empty")


def test_a_yaml_with_names_only(tmp_path: Path) -> None:
    write_yolo(tmp_path, "train/images/a.jpg", "valid/images/b.jpg")
    write_text(tmp_path / "data.yml", "nc: 2\n" + NAMES)
    dataset = open_dataset(tmp_path)
    check_middle(dataset, "train/images/a.jpg", "valid/images/b.jpg")
    assert split_names(dataset)["val"] == ["valid/images/b.jpg"]


def test_of_two_yaml_files_that_is_used_whose_images_are_there(tmp_path: Path) -> None:
    write_yolo(tmp_path, "images/a.jpg")
    write_text(tmp_path / "coco.yaml", "path: ../datasets/coco\ntrain: train2017.txt\nnames: [person, bicycle]\n")
    write_text(tmp_path / "mine.yaml", "train: images\n" + NAMES)
    write_text(tmp_path / "args.yaml", "data: data.yaml\nval: true\nmodel: yolo11n.pt\n")
    dataset = open_dataset(tmp_path)
    check_middle(dataset, "images/a.jpg")
    write_yolo(tmp_path / "b", "images/b.jpg")
    write_text(tmp_path / "b" / "data.yaml", "train: images\nnames: [cow, pig]\n")
    dataset = open_dataset(tmp_path)
    check_middle(dataset, "images/a.jpg")
    assert "image.not_listed" in codes(dataset)
    assert "the others: coco.yaml, b/data.yaml" in said(dataset, "yaml.several")


@pytest.mark.parametrize("folder", ["animals", "export/animals"])
def test_a_yaml_in_a_folder_below(tmp_path: Path, folder: str) -> None:
    write_yolo(tmp_path / folder, "train/images/a.jpg")
    write_text(tmp_path / folder / "data.yaml", "train: ../train/images\n" + NAMES)
    check_middle(open_dataset(tmp_path), f"{folder}/train/images/a.jpg")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("train: images\nnames: [cat, dog\n", r"line \d: this is not valid YAML"),
        ("train: images\n\tnames: [cat]\n", r"line 2: this is not valid YAML .it begins with a tab"),
        ('train: images\nnames: ["\\q"\n', r"line \d: this is not valid YAML"),
        ("names: " + "[" * 50 + "]" * 50 + "\ntrain: images\n", "not a valid YAML file .more than 20 levels"),
        ("names: [[cat]]\ntrain: images\n", "names must be a list of class names"),
        ("names: {0: cat, x: dog}\ntrain: images\n", "names must be a list of class names"),
        ("names: {99999999: cat}\ntrain: images\n", "names must be a list of class names"),
        ("- names\n", "has no settings"),
        ("names:\n", "has no settings"),
    ],
)
def test_a_yaml_that_cannot_be_used_is_refused_with_the_line(tmp_path: Path, text: str, reason: str) -> None:
    write_yolo(tmp_path, "images/a.jpg")
    with pytest.raises(BadInput, match=reason):
        open_dataset(write_text(tmp_path / "data.yaml", text))


def test_aliases_are_not_multiplied(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
    write_yolo(tmp_path, "images/a.jpg")
    write_text(tmp_path / "data.yaml", f"{bomb}train: *a39\nval: images\n{NAMES}")
    check_middle(open_dataset(tmp_path), "images/a.jpg")


@pytest.mark.parametrize("place", ["/", "~", "/dev/zero", "..\x00", "a" * 5000, "[/dev/zero, images]", "{a: [1]}"])
def test_hostile_places_end_in_a_sentence(tmp_path: Path, place: str) -> None:
    write_yolo(tmp_path, "images/a.jpg")
    write_text(tmp_path / "data.yaml", f"train: {place}\nval: images\n{NAMES}")
    try:
        dataset = open_dataset(tmp_path)
    except BadInput:
        return
    check_middle(dataset, "images/a.jpg")


# Splits without a YAML


def test_cvat_yolo_1_1(tmp_path: Path) -> None:
    write_yolo(tmp_path, "obj_train_data/a.jpg", "obj_train_data/b.jpg", "obj_Validation_data/c.jpg")
    write_text(tmp_path / "obj.names", "cat\ndog\n")
    write_text(tmp_path / "obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n")
    write_text(tmp_path / "train.txt", "data/obj_train_data/a.jpg\ndata/obj_train_data/b.jpg\n")
    write_text(tmp_path / "Validation.txt", "data/obj_Validation_data/c.jpg\n")
    for path in (tmp_path, tmp_path / "obj.data"):
        dataset = open_dataset(path)
        check_middle(dataset, "obj_train_data/a.jpg", "obj_train_data/b.jpg", "obj_Validation_data/c.jpg")
        assert dataset.image_counts() == {"train": 2, "val": 1, "test": 0}
        assert dataset.books["line"] == {"seen": 3, "kept": 3, "left_out": 0}


def test_lists_of_another_machine_give_the_splits(tmp_path: Path) -> None:
    write_yolo(tmp_path, "images/a.jpg", "images/b.jpg", "images/c.jpg")
    write_text(tmp_path / "classes.txt", "cat\ndog\n")
    write_text(tmp_path / "train.txt", "/home/me/images/a.jpg\n/home/me/images/b.jpg\n/home/me/images/gone.jpg\n")
    write_text(tmp_path / "valid.txt", "C:\\me\\images\\c.jpg\n")
    dataset = open_dataset(tmp_path)
    assert dataset.image_counts() == {"train": 2, "val": 1, "test": 0}
    assert "whose image does not exist: 1 (/home/me/images/gone.jpg)" in said(dataset, "image.missing")
    assert "found by their names" in said(dataset, "image.elsewhere")


def test_folders_that_contain_the_word_of_a_split_by_chance(tmp_path: Path) -> None:
    write_yolo(tmp_path, *(f"images/{folder}/{n}.jpg" for folder in ("test_bench", "train_station") for n in range(10)))
    assert open_dataset(tmp_path).splits_drawn
    write_yolo(tmp_path, "images/val2017/x.jpg", "images/train2017/y.jpg")
    assert split_names(open_dataset(tmp_path))["val"] == ["images/val2017/x.jpg"]


def test_a_class_of_boxes_keeps_its_size(tmp_path: Path) -> None:
    """Boxes of several rows and files do not get mixed up."""
    width, height = SIZE
    for n in range(5):
        label(tmp_path, f"images/{n}.jpg", "".join(f"{k} 0.5 0.5 0.{n + 1} 0.{k + 1}\n" for k in range(n)))
    dataset = open_dataset(tmp_path)
    for n in range(5):
        sides = [
            (round((x2 - x1) / width, 3), round((y2 - y1) / height, 3))
            for _, (x1, y1, x2, y2) in boxes_of(dataset, f"images/{n}.jpg")
        ]
        assert sides == [((n + 1) / 10, (k + 1) / 10) for k in range(n)]


def test_a_classes_file_names_the_class_ids_that_no_file_of_the_data_set_names(tmp_path: Path) -> None:
    write_image(tmp_path / "data" / "a.png")
    write_text(tmp_path / "data" / "a.txt", "".join(f"{n} 0.5 0.5 0.{n + 1} 0.2\n" for n in range(3)))
    names = write_text(tmp_path / "other" / "mine.txt", "cat\ndog\n")
    dataset = open_dataset(tmp_path / "data", classes_file=names)
    assert (dataset.classes, dataset.labels.tolist(), codes(dataset)) == (("cat", "dog"), [0, 1], ["class.unknown"])
    by_id = open_dataset(tmp_path / "data", classes_file=names, mapping={"class 2": "cat"})
    assert by_id.labels.tolist() == [0]


def test_the_keys_of_a_data_yaml_in_capitals(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "train" / "a.png")
    write_text(tmp_path / "labels" / "train" / "a.txt", "1 0.5 0.5 0.2 0.2\n")
    write_text(tmp_path / "data.yaml", "Train: images/train\nNC: 2\nNames: [cat, dog]\n")
    assert open_dataset(tmp_path).classes == ("cat", "dog")
