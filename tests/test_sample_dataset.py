"""The sample set: its boxes are exact, it is reproducible, and its classes cannot be told by colour or size."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.random import PCG64, Generator, SeedSequence

from engine.dataset import sample_dataset
from engine.dataset.formats import open_dataset
from engine.dataset.images import read_image
from engine.dataset.sample_dataset import (
    HEIGHT,
    MAX_HIDDEN,
    OPAQUE,
    SAMPLE_CLASSES,
    WIDTH,
    DrawnImage,
    draw_image,
    draw_sample_dataset,
)
from engine.dataset.sample_folder import lacks_sample
from engine.files import temporary_name, write_text
from engine.messages import BadInput


@pytest.fixture(scope="module")
def images() -> list[DrawnImage]:
    return [draw_image(Generator(PCG64(SeedSequence([0, number])))) for number in range(80)]


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_draws_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("once", 4), ("again", 4), ("other", 5)):
        draw_sample_dataset(tmp_path / name, 12, seed)
    assert contents(tmp_path / "once") == contents(tmp_path / "again")
    assert contents(tmp_path / "once") != contents(tmp_path / "other")


def test_the_set_opens_without_a_finding_and_is_split_81_9_10(tmp_path: Path) -> None:
    root = draw_sample_dataset(tmp_path)
    assert root == tmp_path / "VOCdevkit" / "VOC2007"
    for path in (tmp_path, root):
        dataset = open_dataset(path)
        assert dataset.format == "voc"
        assert dataset.image_counts() == {"train": 130, "val": 14, "test": 16}
        assert not dataset.splits_drawn
        assert dataset.findings == ()
        assert sorted(dataset.classes) == sorted(SAMPLE_CLASSES)
        assert min(dataset.box_counts().values()) > 100
        assert (np.diff(dataset.offsets) >= 3).all()
    in_val = np.concatenate([dataset.boxes_of(int(i))[1] for i in dataset.splits["val"]])
    assert np.bincount(in_val).min() >= 10


def test_the_labels_on_disk_are_the_boxes_that_were_drawn(tmp_path: Path) -> None:
    dataset = open_dataset(draw_sample_dataset(tmp_path, 6, 9))
    for number in range(6):
        image = draw_image(Generator(PCG64(SeedSequence([9, number]))))
        index = dataset.images.index(f"JPEGImages/{number:06d}.jpg")
        boxes, labels = dataset.boxes_of(index)
        np.testing.assert_array_equal(boxes, image.boxes)
        assert [dataset.classes[label] for label in labels] == [SAMPLE_CLASSES[label] for label in image.labels]
        assert tuple(dataset.sizes[index]) == (WIDTH, HEIGHT)
        on_disk = read_image(dataset.image_path(index)).astype(int)
        assert np.abs(on_disk - image.pixels).mean() < 6


def test_boxes_touch_their_objects_on_all_four_sides(images: list[DrawnImage]) -> None:
    for image in images:
        for box, mask in zip(image.boxes, image.masks, strict=True):
            y, x = np.nonzero(mask > OPAQUE)
            np.testing.assert_array_equal(box, (x.min(), y.min(), x.max() + 1, y.max() + 1))


def test_objects_stand_out_from_their_surroundings(images: list[DrawnImage]) -> None:
    """Just inside its outline an object has another colour than just outside."""
    differences = []
    for image in images:
        over = np.zeros((HEIGHT, WIDTH), np.uint8)
        for mask in image.masks[::-1]:
            body = (mask > OPAQUE).astype(np.uint8)
            free = 1 - over
            inner_edge = (body - cv2.erode(body, np.ones((3, 3), np.uint8))) & free
            outer_edge = (
                cv2.dilate(body, np.ones((7, 7), np.uint8)) - cv2.dilate(body, np.ones((3, 3), np.uint8))
            ) & free
            if inner_edge.sum() > 20 and outer_edge.sum() > 20:
                a, b = (image.pixels[part > 0].astype(float).mean(axis=0) for part in (inner_edge, outer_edge))
                differences.append(np.abs(a - b).max())
            over |= body
    assert np.percentile(differences, 5) > 15
    assert np.median(differences) > 50


def test_there_are_at_least_three_objects_and_each_is_mostly_visible(images: list[DrawnImage]) -> None:
    overlaps = 0
    for image in images:
        assert 3 <= len(image.boxes) <= 7
        over = np.zeros((HEIGHT, WIDTH), bool)
        for mask in image.masks[::-1]:
            body = mask > OPAQUE
            hidden = (body & over).sum() / body.sum()
            assert hidden <= MAX_HIDDEN
            overlaps += hidden > 0
            over |= body
    assert overlaps > 30


def test_widths_are_from_5_to_50_percent_of_the_image(images: list[DrawnImage]) -> None:
    boxes = np.concatenate([image.boxes for image in images])
    widths = (boxes[:, 2] - boxes[:, 0]) / WIDTH
    assert 0.05 <= widths.min() < 0.07
    assert 0.40 < widths.max() <= 0.5
    assert (boxes >= 0).all()
    assert (boxes <= (WIDTH, HEIGHT, WIDTH, HEIGHT)).all()


def test_colour_and_size_do_not_tell_the_class(images: list[DrawnImage]) -> None:
    features, labels = [], []
    for image in images:
        for box, label, mask in zip(image.boxes, image.labels, image.masks, strict=True):
            features.append((*image.pixels[mask > OPAQUE].mean(axis=0), *np.log(box[2:] - box[:2]) * 60))
            labels.append(label)
    known, classes = np.array(features), np.array(labels)
    half = len(known) // 2
    centres = np.stack([known[:half][classes[:half] == label].mean(axis=0) for label in range(len(SAMPLE_CLASSES))])
    guessed = ((known[half:, None] - centres) ** 2).sum(axis=-1).argmin(axis=1)
    assert (guessed == classes[half:]).mean() < 0.5


def test_the_background_is_textured(images: list[DrawnImage]) -> None:
    for image in images[:20]:
        background = np.all([mask == 0 for mask in image.masks], axis=0)
        values = image.pixels[background].astype(float)
        assert values.std(axis=0).max() > 12
        steps = np.abs(np.diff(image.pixels.astype(float), axis=1)).mean(axis=-1)
        assert np.median(steps[background[:, 1:]]) > 1


def test_drawing_again_replaces_a_sample_set_completely(tmp_path: Path) -> None:
    draw_sample_dataset(tmp_path / "twice", 9, 1)
    draw_sample_dataset(tmp_path / "twice", 4, 2)
    draw_sample_dataset(tmp_path / "once", 4, 2)
    assert contents(tmp_path / "twice") == contents(tmp_path / "once")


def test_another_data_set_is_never_overwritten(tmp_path: Path) -> None:
    existing = tmp_path / "VOCdevkit" / "VOC2007" / "Annotations" / "000001.xml"
    existing.parent.mkdir(parents=True)
    existing.write_text("<annotation/>", encoding="utf-8")
    with pytest.raises(BadInput, match="contains another data set"):
        draw_sample_dataset(tmp_path, 4)
    assert contents(tmp_path) == {
        "VOCdevkit/VOC2007/Annotations/000001.xml": hashlib.sha256(b"<annotation/>").hexdigest()
    }


def test_a_file_in_place_of_the_folder_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("x", encoding="utf-8")
    with pytest.raises(BadInput, match="cannot be written to") as refused:
        draw_sample_dataset(tmp_path / "here", 4)
    assert "\n" not in str(refused.value)


def test_an_interrupted_drawing_leaves_no_set_and_the_next_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = 0

    def interrupt(*_: object) -> None:
        nonlocal drawn
        drawn += 1
        if drawn == 5:
            raise KeyboardInterrupt
        write_text(*_)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(sample_dataset, "write_text", interrupt)
        with pytest.raises(KeyboardInterrupt):
            draw_sample_dataset(tmp_path / "data", 12)
    assert contents(tmp_path / "data") == {}
    assert lacks_sample(tmp_path / "data")
    draw_sample_dataset(tmp_path / "data", 4, replace=False)
    draw_sample_dataset(tmp_path / "whole", 4)
    assert not lacks_sample(tmp_path / "data")
    assert contents(tmp_path / "data") == contents(tmp_path / "whole")


def test_a_killed_drawing_is_removed_and_a_half_drawn_set_of_an_earlier_version_is_drawn_again(tmp_path: Path) -> None:
    root = draw_sample_dataset(tmp_path / "data", 4)
    whole = contents(tmp_path / "data")
    (root / "ImageSets" / "Main" / "val.txt").unlink()  # the lists were written last
    killed = root.with_name(temporary_name("VOC2007").replace(f".{os.getpid()}.", ".999999999.")) / "JPEGImages"
    killed.mkdir(parents=True)
    assert lacks_sample(tmp_path / "data")
    draw_sample_dataset(tmp_path / "data", 4, replace=False)
    assert contents(tmp_path / "data") == whole
    assert not killed.exists()


def test_a_whole_sample_set_and_a_folder_of_the_user_are_not_drawn_over(tmp_path: Path) -> None:
    draw_sample_dataset(tmp_path / "data", 4)
    assert not lacks_sample(tmp_path / "data")
    before = contents(tmp_path / "data")
    draw_sample_dataset(tmp_path / "data", 6, 3, replace=False)
    assert contents(tmp_path / "data") == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.jpg").touch()
    assert not lacks_sample(tmp_path / "mine")


def test_files_of_the_user_in_a_sample_set_are_kept(tmp_path: Path) -> None:
    root = draw_sample_dataset(tmp_path, 4)
    (root / "Annotations" / "notes.xml").write_text("mine", encoding="utf-8")
    (root / "more").mkdir()
    (root / "more" / "000001.jpg").write_text("mine", encoding="utf-8")
    draw_sample_dataset(tmp_path, 3, 1)
    assert (root / "Annotations" / "notes.xml").read_text(encoding="utf-8") == "mine"
    assert (root / "more" / "000001.jpg").read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in (root / "JPEGImages").iterdir()) == ["000000.jpg", "000001.jpg", "000002.jpg"]


@pytest.mark.parametrize("replace", [False, True])
def test_several_may_draw_at_once(tmp_path: Path, replace: bool) -> None:
    with ThreadPoolExecutor(4) as pool:
        roots = list(pool.map(lambda _: draw_sample_dataset(tmp_path / "data", 6, replace=replace), range(4)))
    assert len(set(roots)) == 1
    draw_sample_dataset(tmp_path / "alone", 6)
    assert contents(tmp_path / "data") == contents(tmp_path / "alone")
