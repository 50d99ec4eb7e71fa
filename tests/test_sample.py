"""The drawn data set: exact, reproducible, and a real small problem."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.random import PCG64, Generator, SeedSequence

from engine.dataset.formats import open_dataset
from engine.dataset.images import read_image
from engine.dataset.sample import EDGE, HEIGHT, HIDDEN, SAMPLE_CLASSES, WIDTH, DrawnImage, draw_image, draw_sample
from engine.messages import BadInput


@pytest.fixture(scope="module")
def pictures() -> list[DrawnImage]:
    return [draw_image(Generator(PCG64(SeedSequence([0, number])))) for number in range(80)]


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_draws_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("once", 4), ("again", 4), ("other", 5)):
        draw_sample(tmp_path / name, 12, seed)
    assert contents(tmp_path / "once") == contents(tmp_path / "again")
    assert contents(tmp_path / "once") != contents(tmp_path / "other")


def test_the_set_opens_without_a_finding_divided_81_9_10(tmp_path: Path) -> None:
    root = draw_sample(tmp_path)
    assert root == tmp_path / "VOCdevkit" / "VOC2007"
    for place in (tmp_path, root):
        dataset = open_dataset(place)
        assert dataset.format == "voc"
        assert dataset.image_counts() == {"train": 130, "val": 14, "test": 16}
        assert not dataset.splits_drawn
        assert dataset.findings == ()
        assert sorted(dataset.classes) == sorted(SAMPLE_CLASSES)
        assert min(dataset.box_counts().values()) > 100
        assert (np.diff(dataset.first) >= 3).all()
    in_val = np.concatenate([dataset.boxes_of(int(i))[1] for i in dataset.splits["val"]])
    assert np.bincount(in_val).min() >= 10


def test_the_labels_on_disk_are_the_boxes_that_were_drawn(tmp_path: Path) -> None:
    dataset = open_dataset(draw_sample(tmp_path, 6, 9))
    for number in range(6):
        picture = draw_image(Generator(PCG64(SeedSequence([9, number]))))
        image = dataset.images.index(f"JPEGImages/{number:06d}.jpg")
        boxes, labels = dataset.boxes_of(image)
        np.testing.assert_array_equal(boxes, picture.boxes)
        assert [dataset.classes[label] for label in labels] == [SAMPLE_CLASSES[label] for label in picture.labels]
        assert tuple(dataset.sizes[image]) == (WIDTH, HEIGHT)
        shown = read_image(dataset.path(image)).astype(int)
        assert np.abs(shown - picture.pixels).mean() < 6, "the picture is that of the same number"


def test_boxes_touch_their_objects_on_all_four_sides(pictures: list[DrawnImage]) -> None:
    for picture in pictures:
        for box, mask in zip(picture.boxes, picture.masks, strict=True):
            y, x = np.nonzero(mask > EDGE)
            np.testing.assert_array_equal(box, (x.min(), y.min(), x.max() + 1, y.max() + 1))


def test_objects_stand_out_from_what_is_beside_them(pictures: list[DrawnImage]) -> None:
    """Just inside its outline an object differs from just outside: boxes belong to something that is seen."""
    differences = []
    for picture in pictures:
        over = np.zeros((HEIGHT, WIDTH), np.uint8)
        for mask in picture.masks[::-1]:
            body = (mask > EDGE).astype(np.uint8)
            free = 1 - over
            inside = (body - cv2.erode(body, np.ones((3, 3), np.uint8))) & free
            outside = (cv2.dilate(body, np.ones((7, 7), np.uint8)) - cv2.dilate(body, np.ones((3, 3), np.uint8))) & free
            if inside.sum() > 20 and outside.sum() > 20:
                a, b = (picture.pixels[part > 0].astype(float).mean(axis=0) for part in (inside, outside))
                differences.append(np.abs(a - b).max())
            over |= body
    assert np.percentile(differences, 5) > 15
    assert np.median(differences) > 50


def test_there_are_three_objects_or_more_and_no_more_of_any_is_hidden_than_promised(pictures: list[DrawnImage]) -> None:
    overlaps = 0
    for picture in pictures:
        assert 3 <= len(picture.boxes) <= 7
        over = np.zeros((HEIGHT, WIDTH), bool)
        for mask in picture.masks[::-1]:
            body = mask > EDGE
            share = (body & over).sum() / body.sum()
            assert share <= HIDDEN
            overlaps += share > 0
            over |= body
    assert overlaps > 30


def test_sizes_reach_from_5_to_50_percent_of_the_width(pictures: list[DrawnImage]) -> None:
    boxes = np.concatenate([picture.boxes for picture in pictures])
    shares = (boxes[:, 2] - boxes[:, 0]) / WIDTH
    assert 0.05 <= shares.min() < 0.07
    assert 0.40 < shares.max() <= 0.5
    assert (boxes >= 0).all()
    assert (boxes <= (WIDTH, HEIGHT, WIDTH, HEIGHT)).all()


def test_colour_and_size_do_not_tell_the_class(pictures: list[DrawnImage]) -> None:
    features, labels = [], []
    for picture in pictures:
        for box, label, mask in zip(picture.boxes, picture.labels, picture.masks, strict=True):
            features.append((*picture.pixels[mask > EDGE].mean(axis=0), *np.log(box[2:] - box[:2]) * 60))
            labels.append(label)
    known, classes = np.array(features), np.array(labels)
    half = len(known) // 2
    centres = np.stack([known[:half][classes[:half] == label].mean(axis=0) for label in range(len(SAMPLE_CLASSES))])
    guessed = ((known[half:, None] - centres) ** 2).sum(axis=-1).argmin(axis=1)
    assert (guessed == classes[half:]).mean() < 0.5


def test_the_ground_is_textured(pictures: list[DrawnImage]) -> None:
    for picture in pictures[:20]:
        ground = np.all([mask == 0 for mask in picture.masks], axis=0)
        values = picture.pixels[ground].astype(float)
        assert values.std(axis=0).max() > 12
        steps = np.abs(np.diff(picture.pixels.astype(float), axis=1)).mean(axis=-1)
        assert np.median(steps[ground[:, 1:]]) > 1


def test_drawing_again_replaces_a_sample_set_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    draw_sample(tmp_path / "twice", 9, 1)
    draw_sample(tmp_path / "twice", 4, 2)
    draw_sample(tmp_path / "once", 4, 2)
    assert contents(tmp_path / "twice") == contents(tmp_path / "once")


def test_another_data_set_is_never_drawn_over(tmp_path: Path) -> None:
    theirs = tmp_path / "VOCdevkit" / "VOC2007" / "Annotations" / "000001.xml"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("<annotation/>", encoding="utf-8")
    with pytest.raises(BadInput, match="another data set lies there"):
        draw_sample(tmp_path, 4)
    assert contents(tmp_path) == {
        "VOCdevkit/VOC2007/Annotations/000001.xml": hashlib.sha256(b"<annotation/>").hexdigest()
    }


def test_a_file_where_the_folder_should_be_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("x", encoding="utf-8")
    with pytest.raises(BadInput, match="cannot be drawn into") as refused:
        draw_sample(tmp_path / "here", 4)
    assert "\n" not in str(refused.value)
