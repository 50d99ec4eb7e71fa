"""Lists of images with their boxes, as the tutorials, Roboflow and people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.dataset.formats import open_dataset
from engine.dataset.formats.list_lines import parse_line
from engine.dataset.index import Dataset
from engine.messages import BadInput
from tests.dataset_on_disk import boxes_of, codes, split_names, with_orientation, write_image, write_text

BOX = (10.0, 20.0, 30.0, 50.0)
CAT = ("cat", list(BOX))


def said(dataset: Dataset, code: str) -> str:
    """The finding with a code, of which there is one."""
    (found,) = [finding for finding in dataset.findings if finding.message.code == code]
    return str(found.message)


@pytest.mark.parametrize(
    "rest",
    [
        *(" 10,20,30,50,0", "\t10,20,30,50,0", "  10,20,30,50,0  ", " 10, 20, 30, 50, 0", " 10.0,2e1,30,+50.,0"),
        *(",10,20,30,50,0", ";10,20,30,50,0", " 10 20 30 50 0", "|10,20,30,50,0"),
    ],
)
def test_separators(rest: str) -> None:
    line = parse_line("dir 1/a, b.JPG" + rest)
    assert line is not None
    assert line.name == "dir 1/a, b.JPG"
    assert line.boxes is not None
    assert [(box.corners, box.class_text) for box in line.boxes] == [(BOX, "0")]


@pytest.mark.parametrize(
    "rest", [" 1,2,3,4", " 1,2,3,4,0,0.9", " 1,2,x,4,0", " 1,2,3,4, 10,20,30,50,0", " hello", " 1,2,3,4 5,6,7,8"]
)
def test_what_follows_a_path_may_be_no_box(rest: str) -> None:
    line = parse_line("a.jpg" + rest)
    assert line is not None
    assert line.boxes is None


@pytest.mark.parametrize("line", ["", "# a comment", "0 0.5 0.5 0.1 0.1", "a.conf 1,2,3,4,0"])
def test_a_line_without_an_image(line: str) -> None:
    assert parse_line(line) is None


def test_a_name_with_a_suffix_inside() -> None:
    line = parse_line("1196.jpg.14.png 10,20,30,50,0")
    assert line is not None
    assert line.name == "1196.jpg.14.png"


def test_roboflow(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        write_image(tmp_path / split / f"{split}.jpg")
        write_text(tmp_path / split / "_annotations.txt", f"{split}.jpg 10,20,30,50,0\n")
        write_text(tmp_path / split / "_classes.txt", "cat\ndog\n")
    dataset = open_dataset(tmp_path)
    assert (dataset.format, dataset.classes) == ("list", ("cat", "dog"))
    assert split_names(dataset) == {"train": ["train/train.jpg"], "val": ["valid/valid.jpg"], "test": ["test/test.jpg"]}
    dataset = open_dataset(tmp_path / "train" / "_annotations.txt")
    assert (dataset.images, boxes_of(dataset, "train.jpg")) == (("train.jpg",), [CAT])


@pytest.mark.parametrize(
    "prefix", ["D:\\yolo\\VOCdevkit/VOC2007/JPEGImages/", "/home/me/yolo/VOCdevkit/VOC2007/JPEGImages/", "JPEGImages/"]
)
def test_paths_of_another_machine(tmp_path: Path, prefix: str) -> None:
    write_image(tmp_path / "VOCdevkit" / "VOC2007" / "JPEGImages" / "a.jpg")
    write_text(tmp_path / "2007_train.txt", f"{prefix}a.jpg 10,20,30,50,0\r\n{prefix}gone.jpg 1,2,3,4,0 1,2,3,4,0\r\n")
    write_text(tmp_path / "model_data" / "cls_classes.txt", "cat\n")
    write_text(tmp_path / "model_data" / "voc_classes.txt", "aeroplane\nbicycle\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "VOCdevkit/VOC2007/JPEGImages/a.jpg") == [CAT]
    assert "found by their names" in said(dataset, "image.elsewhere")
    assert "does not exist: 1 (" in said(dataset, "image.missing")
    assert "class.files_differ" not in codes(dataset)
    assert dataset.books["box"] == {"seen": 3, "kept": 1, "left_out": 2}


def test_a_list_in_a_folder_beside_its_images(tmp_path: Path) -> None:
    write_image(tmp_path / "JPEGImages" / "a.jpg")
    file = write_text(tmp_path / "lists" / "train.txt", "../JPEGImages/a.jpg 10,20,30,50,0\n")
    for path in (tmp_path, file):
        assert open_dataset(path).images == ("JPEGImages/a.jpg",)
    write_text(file, "D:\\voc\\JPEGImages\\a.jpg 10,20,30,50,0\n")
    assert open_dataset(file).images == ("JPEGImages/a.jpg",)


@pytest.mark.parametrize(
    "first", ["a.jpg", "a.jpg 1,2,3,4 10,20,30,50,0", "image boxes", "gone.jpg 1,2,3,4,0", "../x.jpg 1,2,3,4,0"]
)
def test_a_list_whose_first_line_is_odd(tmp_path: Path, first: str) -> None:
    for name in "abc":
        write_image(tmp_path / f"{name}.jpg")
    write_text(tmp_path / "train.txt", f"{first}\n\nb.jpg 10,20,30,50,0\nc.jpg 10,20,30,50,0\n")
    write_text(tmp_path / "classes.txt", "cat\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "b.jpg") == boxes_of(dataset, "c.jpg") == [CAT]
    assert ("a.jpg" in dataset.images) == (first == "a.jpg")


def test_broken_lines_are_said_with_their_numbers(tmp_path: Path) -> None:
    for name in "abcd":
        write_image(tmp_path / f"{name}.jpg")
    write_text(
        tmp_path / "train.txt", "a.jpg 10,20,30,50,0\n\nb.jpg 1,2,3,4 1,2,30,40,0\nc.jpg x\nd.jpg 10,20,30,50,0\n"
    )
    dataset = open_dataset(tmp_path)
    assert dataset.images == ("a.jpg", "d.jpg")
    assert "2 (lines 3, 4) with 3 boxes; left out" in said(dataset, "label.unreadable")
    assert dataset.books["image"] == {"seen": 4, "kept": 2, "left_out": 2}
    assert "image.unused" not in codes(dataset)


def test_boxes_outside_the_image_are_said(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_image(tmp_path / "b.png")
    write_text(tmp_path / "train.txt", "a.png 400,20,430,50,0 10,20,30,50,0\nb.png 70,20,120,50,0\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "a.png") == [("class 0", list(BOX))]
    assert boxes_of(dataset, "b.png") == [("class 0", [70, 20, 80, 50])]
    assert {"label.wholly_outside", "label.outside_image"} <= set(codes(dataset))


def test_boxes_of_a_rotated_photograph_are_measured_on_it_as_it_is_shown(tmp_path: Path) -> None:
    with_orientation(write_image(tmp_path / "a.jpg"), 6)  # 60 wide and 80 high
    write_text(tmp_path / "train.txt", "a.jpg 10,60,30,79,0\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "a.jpg") == [("class 0", [10, 60, 30, 79])]
    assert "label.wholly_outside" not in codes(dataset)


def test_boxes_in_fractions_are_left_out(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    write_text(tmp_path / "train.txt", "a.jpg 0.1,0.2,0.3,0.5,0\n")
    with pytest.raises(BadInput, match="in fractions of the image, not in pixels: 1"):
        open_dataset(tmp_path)


def test_class_names_in_the_place_of_class_ids(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    write_text(tmp_path / "train.txt", "a.jpg 10,20,30,50,cat 1,2,30,40,cow\n")
    assert boxes_of(open_dataset(tmp_path), "a.jpg") == [CAT, ("cow", [1, 2, 30, 40])]
    write_text(tmp_path / "classes.txt", "dog\nCat\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "a.jpg") == [("Cat", list(BOX))]
    assert "do not exist (cow): 1;" in said(dataset, "label.class_out_of_range")


def test_values_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    huge = "9" * 5000
    write_text(
        tmp_path / "train.txt",
        f"a.jpg 10,20,30,50,0 nan,2,3,4,0 1,2,inf,4,0 {huge},2,3,4,0 1,2,3,4,{huge} 1,2,3,4,-1 1,2,3,4,0.5\n",
    )
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "a.jpg") == [("class 0", list(BOX))]
    assert dataset.books["box"] == {"seen": 7, "kept": 1, "left_out": 6}


def test_several_images_elsewhere_of_one_name(tmp_path: Path) -> None:
    for folder in "xyz":
        write_image(tmp_path / folder / "a.jpg")
    write_text(tmp_path / "train.txt", "/home/me/a.jpg 10,20,30,50,0\nx/a.jpg 10,20,30,50,0\n")
    dataset = open_dataset(tmp_path)
    assert dataset.images == ("x/a.jpg",)
    assert "several images elsewhere have its name: 1 (/home/me/a.jpg)" in said(dataset, "image.ambiguous")


def test_a_list_of_whole_paths_elsewhere_on_this_machine(tmp_path: Path) -> None:
    image = write_image(tmp_path / "store" / "a.jpg")
    file = write_text(tmp_path / "code" / "2007_train.txt", f"{image} 10,20,30,50,0\n")
    write_image(tmp_path / "code" / "example.jpg")
    assert open_dataset(file).images == (str(image),)
