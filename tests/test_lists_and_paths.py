"""The tutorials' lists; odd paths; pictures that are turned, grey or linked; guesses that were wrong."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.dataset.doctor import check
from engine.dataset.formats import open_dataset
from engine.dataset.images import load
from engine.dataset.index import splits_to_json, with_splits
from engine.messages import BadInput
from tests.dataset_on_disk import annotation, with_orientation
from tests.test_formats import SIZE, boxes_of, codes, picture, split_names, text, voc, yolo

MISSES_A_PRIVILEGE = 1314
"""Windows' number for an account that may make no links."""


def test_a_list_of_the_tutorials(tmp_path: Path) -> None:
    pictures = [picture(tmp_path / "img" / f"{name}.jpg") for name in "abc"]
    text(tmp_path / "2007_train.txt", f"{pictures[0]} 10,20,30,50,0 1,2,33,44,1\n{pictures[1]}\n")
    text(tmp_path / "2007_val.txt", f"{pictures[2]} 5,6,70,40,1\n")
    text(tmp_path / "model_data" / "voc_classes.txt", "cat\ndog\n")
    dataset = open_dataset(tmp_path)
    assert (dataset.format, dataset.classes, dataset.splits_drawn) == ("list", ("cat", "dog"), False)
    assert split_names(dataset) == {"train": ["img/a.jpg", "img/b.jpg"], "val": ["img/c.jpg"], "test": []}
    assert boxes_of(dataset, "img/a.jpg") == [("cat", [10, 20, 30, 50]), ("dog", [1, 2, 33, 44])]
    assert boxes_of(dataset, "img/b.jpg") == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_paths_with_spaces_and_chinese_in_the_encodings_they_are_written_in(tmp_path: Path, encoding: str) -> None:
    name = "我的 图片 (1)/照片 2,3.jpg"
    picture(tmp_path / name)
    text(tmp_path / "训练 train.txt", f"{name} 10,20,30,50,0\n", encoding)
    dataset = open_dataset(tmp_path / "训练 train.txt")
    assert boxes_of(dataset, name) == [("class 0", [10, 20, 30, 50])]
    assert len(load(dataset, 0)[1]) == 1


def test_a_list_that_names_what_is_not_there_or_lies_outside(tmp_path: Path) -> None:
    picture(tmp_path / "outside.jpg")
    picture(tmp_path / "set" / "a.jpg")
    text(tmp_path / "set" / "secret.conf", "x")
    lines = ("a.jpg 10,20,30,50,0", "gone.jpg 1,2,3,4,0", "../outside.jpg 1,2,30,40,0", "secret.conf 1,2,3,4,0")
    text(tmp_path / "set" / "train.txt", "\n".join(lines))
    dataset = open_dataset(tmp_path / "set")
    assert dataset.images == ("a.jpg",)
    assert sorted(set(codes(dataset)) - {"class.unnamed"}) == ["image.missing", "label.outside_dataset"]


def test_without_validation_a_list_gives_some_of_its_training(tmp_path: Path) -> None:
    lines = [f"{picture(tmp_path / f'{n:02d}.jpg')} 10,20,30,50,0" for n in range(20)]
    text(tmp_path / "2007_train.txt", "\n".join(lines))
    dataset = open_dataset(tmp_path)
    assert dataset.splits_drawn
    assert len(dataset.splits["val"]) >= 1


# Whatever the format


def test_pictures_added_later_move_no_picture_of_a_run(tmp_path: Path) -> None:
    yolo(tmp_path, *(f"images/{n:02d}.jpg" for n in range(10, 40)))
    begun = open_dataset(tmp_path)
    stored = splits_to_json(begun)
    yolo(tmp_path, *(f"images/{n:02d}.jpg" for n in (0, 1, 25, 26, 90)))
    assert split_names(with_splits(open_dataset(tmp_path), stored)) == split_names(begun)


def test_a_classes_file_gives_the_order_and_leaves_the_rest_out(tmp_path: Path) -> None:
    voc(tmp_path, "a b")
    both = [("dog", (1, 2, 30, 40)), ("cat", (10, 20, 30, 50))]
    text(tmp_path / "Annotations" / "b.xml", annotation("b.jpg", SIZE, both))
    names = text(tmp_path / "names.txt", "zebra\ncat\n")
    dataset = open_dataset(tmp_path, classes_file=names)
    assert dataset.classes == ("zebra", "cat")
    assert dataset.box_counts() == {"zebra": 0, "cat": 2}
    (unknown,) = [finding for finding in dataset.findings if finding.message.code == "class.unknown"]
    assert "boxes of classes that it does not name (dog): 1" in str(unknown.message)
    mapped = open_dataset(tmp_path, classes_file=names, mapping={"dog": "zebra"})
    assert mapped.box_counts() == {"zebra": 1, "cat": 2}


def test_a_mapping_of_a_class_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"--map cow: the labels have no such class; they have cat\."):
        open_dataset(voc(tmp_path, "a b"), mapping={"cow": "cat"})


def test_no_box_left_is_an_error(tmp_path: Path) -> None:
    yolo(tmp_path, "a.jpg", "b.jpg")
    for name in "ab":
        text(tmp_path / f"{name}.txt", "0 0.5 0.5 0 0.5\n")
    with pytest.raises(BadInput, match=r"looks like yolo, but no box is left\."):
        open_dataset(tmp_path)


def test_a_wrong_guess_is_explained(tmp_path: Path) -> None:
    """The first reason found, and the option that decides otherwise."""
    text(tmp_path / "a.xml", "<annotation/>")
    with pytest.raises(BadInput, match=r"looks like voc, but .* no picture of that name.*--format"):
        open_dataset(tmp_path)


def test_a_folder_of_pictures_alone_says_what_was_looked_for(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    text(tmp_path / "notes.md", "nothing")
    with pytest.raises(BadInput, match=r"no labels found. It holds 1 pictures, and besides them 1 \.md; looked for"):
        open_dataset(tmp_path)


def test_a_format_can_be_decided_and_is_refused_where_it_is_not_there(tmp_path: Path) -> None:
    voc(tmp_path, "a b c")
    lines = [f"JPEGImages/{name}.jpg 1,2,30,40,0" for name in "abc"]
    text(tmp_path / "train.txt", "\n".join(lines))
    assert open_dataset(tmp_path).format == "voc"
    assert open_dataset(tmp_path, format="list").format == "list"
    with pytest.raises(BadInput, match=r"no labels found.*looked for a \.json"):
        open_dataset(tmp_path, format="coco")
    with pytest.raises(BadInput, match=r"--format yollo: .* did you mean yolo\?"):
        open_dataset(tmp_path, format="yollo")


def link(path: Path, to: Path) -> None:
    """A symbolic link to a folder; Windows gives the right to make one to developers only."""
    try:
        path.symlink_to(to, target_is_directory=True)
    except OSError as error:
        if getattr(error, "winerror", None) != MISSES_A_PRIVILEGE:
            raise
        pytest.skip("this account may make no links")


def test_links_are_followed_and_a_circle_of_them_ends(tmp_path: Path) -> None:
    yolo(tmp_path / "disk", "images/a.jpg", "images/b.jpg")
    (tmp_path / "set").mkdir()
    for name in ("images", "labels"):
        link(tmp_path / "set" / name, tmp_path / "disk" / name)
    link(tmp_path / "disk" / "images" / "round", tmp_path / "disk" / "images")
    dataset = open_dataset(tmp_path / "set")
    assert dataset.images == ("images/a.jpg", "images/b.jpg")
    assert dataset.box_counts() == {"class 0": 0, "class 1": 2}


@pytest.mark.parametrize("orientation", [6, 8])
@pytest.mark.parametrize("labelled_as_shown", [True, False])
def test_boxes_of_a_turned_picture_lie_where_they_were_drawn(
    tmp_path: Path, orientation: int, labelled_as_shown: bool
) -> None:
    """EXIF is honoured, unless the label's own size is that of the unturned picture."""
    voc(tmp_path, "a b")
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    pixels[5:25, 50:75] = 255
    photograph = tmp_path / "JPEGImages" / "a.jpg"
    cv2.imwrite(str(photograph), pixels)
    with_orientation(photograph, orientation)
    turned = {6: (SIZE[1] - 25, 50, SIZE[1] - 5, 75), 8: (5, SIZE[0] - 75, 25, SIZE[0] - 50)}[orientation]
    size, box = (SIZE[::-1], turned) if labelled_as_shown else (SIZE, (50, 5, 75, 25))
    text(tmp_path / "Annotations" / "a.xml", annotation("a.jpg", size, [("cat", box)]))
    dataset = open_dataset(tmp_path)
    shown, boxes, _ = load(dataset, 0)
    assert shown.shape[:2] == size[::-1]
    x1, y1, x2, y2 = boxes[0].astype(int)
    assert shown[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > 200
    assert shown.mean() < 50
    (finding,) = [f for f in check(dataset).findings if f.message.code == "image.turned"]
    assert ("drawn on the turned one" in str(finding.message)) == labelled_as_shown


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".PNG", ".bmp"])
def test_grey_and_deep_pictures_become_three_channels_of_a_byte(tmp_path: Path, suffix: str) -> None:
    yolo(tmp_path, f"a{suffix}", f"b{suffix}")
    deep = suffix.lower() == ".png"
    grey = np.full((SIZE[1], SIZE[0]), 40_000 if deep else 156, np.uint16 if deep else np.uint8)
    (tmp_path / f"a{suffix}").write_bytes(cv2.imencode(suffix.lower(), grey)[1].tobytes())
    pixels, boxes, _ = load(open_dataset(tmp_path), 0)
    assert (pixels.shape, pixels.dtype, len(boxes)) == ((SIZE[1], SIZE[0], 3), np.uint8, 1)
    assert abs(int(pixels.mean()) - 156) <= 1
    assert (pixels[..., 0] == pixels[..., 2]).all()


def test_the_same_picture_in_two_splits_is_a_warning(tmp_path: Path) -> None:
    voc(tmp_path, "a b c d", train="a b", val="c", test="d")
    photos = tmp_path / "JPEGImages"
    for number, name in enumerate("abd"):
        cv2.imwrite(str(photos / f"{name}.jpg"), np.full((SIZE[1], SIZE[0], 3), 40 * number, np.uint8))
    (photos / "c.jpg").write_bytes((photos / "a.jpg").read_bytes())
    (twin,) = [f for f in check(open_dataset(tmp_path)).findings if f.message.code == "image.twin"]
    assert twin.severity == "warning"
    assert "the same picture as JPEGImages/a.jpg (train and val)" in str(twin.message)


@pytest.mark.parametrize(("train", "few"), [("a", True), ("a b", False)])
def test_one_training_image_is_found_too_few_before_a_step_fails(tmp_path: Path, train: str, few: bool) -> None:
    voc(tmp_path, "a b c", train=train, val="c")
    said = [str(f.message) for f in check(open_dataset(tmp_path)).findings if f.message.code == "split.too_few"]
    assert bool(said) == few
    assert all("too few training images (1)" in sentence for sentence in said)


def test_a_box_that_stands_twice_is_taken_once_and_the_order_stays(tmp_path: Path) -> None:
    name = picture(tmp_path / "a.jpg").name
    picture(tmp_path / "b.jpg")
    boxes = "9,9,30,30,1 1,2,30,40,0 9,9,30,30,1 9,9,30,30,0"
    text(tmp_path / "train.txt", f"{name} {boxes}\nb.jpg 1,2,30,40,0\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "a.jpg") == [
        ("class 1", [9, 9, 30, 30]),
        ("class 0", [1, 2, 30, 40]),
        ("class 0", [9, 9, 30, 30]),
    ]
    assert codes(dataset).count("label.duplicate") == 1
