"""`data convert` and `data check --fix`: what was read is what is written, and the originals stay as they are."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from engine.dataset.formats import open_dataset
from engine.dataset.images import encode_image, load_image
from engine.dataset.index import Dataset
from engine.dataset.loader import CachedImages, training_batches
from engine.dataset.splits import SPLITS
from engine.dataset.writers.convert import ConversionReport, Target, convert_dataset
from engine.dataset.writers.file_names import FileNames
from engine.dataset.writers.split_shares import with_splits
from engine.messages import BadInput
from engine.recipe import make_recipe
from tests.command import command
from tests.dataset_on_disk import (
    SIZE,
    annotation,
    cut_off,
    red_box,
    with_orientation,
    write_cat_voc,
    write_image,
    write_text,
    write_voc,
    write_yolo,
)

ODD_NAMES = ("no", "yes", "010", "小猫", "with, comma", "two words", "null", "1.5", "a: b # c", "~", "<&>")
FORMATS = ("voc", "yolo", "coco")


def convert(source: Path | Dataset, format: str, out: Path, images: str = "copy") -> ConversionReport:
    dataset = open_dataset(source) if isinstance(source, Path) else source
    return convert_dataset(dataset, Target(format, out, images))  # type: ignore[arg-type]


def content(dataset: Dataset) -> dict[str, tuple[str | None, list[Any]]]:
    """By the stem of each image its split, and its boxes in pixels with the names of their classes."""
    split_of = {int(index): split for split in SPLITS for index in dataset.splits[split]}
    found = {}
    for index, name in enumerate(dataset.images):
        _, boxes, labels = load_image(dataset, index)
        rows = [(dataset.classes[label], *box) for label, box in zip(labels, boxes.round(2).tolist(), strict=True)]
        found[Path(name).stem] = split_of.get(index), sorted(rows)
    return found


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below `root` with its content and the time of its last change."""
    return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(root.rglob("*")) if p.is_file()}


def yolo_with_classes(root: Path, classes: tuple[str, ...]) -> Path:
    """Three images in train, one in val, one in test; each has one box of every class but the last."""
    for number, split in enumerate(("train", "train", "train", "val", "test")):
        write_image(root / "images" / split / f"{number}.png")
        rows = (f"{c} {0.3 + 0.01 * c} 0.5 0.{number + 1}1 0.25" for c in range(len(classes) - 1))
        write_text(root / "labels" / split / f"{number}.txt", "\n".join(rows))
    settings = {split: f"images/{split}" for split in SPLITS} | {"names": list(classes)}
    write_text(root / "data.yaml", yaml.safe_dump(settings, allow_unicode=True))
    return root


@pytest.mark.parametrize("format", FORMATS)
def test_boxes_classes_and_splits_survive_a_round_trip(tmp_path: Path, format: str) -> None:
    source = open_dataset(yolo_with_classes(tmp_path / "source", (*ODD_NAMES, "unused")))
    convert(source, format, tmp_path / "there")
    there = open_dataset(tmp_path / "there")
    assert there.format == format
    assert there.classes == source.classes
    assert content(there) == content(source)
    convert(there, "yolo", tmp_path / "back")
    back = open_dataset(tmp_path / "back")
    assert (back.classes, content(back)) == (source.classes, content(source))


@pytest.mark.parametrize("format", FORMATS)
def test_whole_pixels_stay_whole(tmp_path: Path, format: str) -> None:
    source = open_dataset(write_voc(tmp_path / "source", train=5, val=2, size=(97, 61)))
    convert(source, format, tmp_path / "there")
    there = open_dataset(tmp_path / "there")
    for index, name in enumerate(there.images):
        same = next(i for i, other in enumerate(source.images) if Path(other).stem == Path(name).stem)
        np.testing.assert_allclose(load_image(there, index).boxes, load_image(source, same).boxes, atol=1e-4)


def test_one_coco_file_holds_every_image_once_in_pixels(tmp_path: Path) -> None:
    source = open_dataset(write_yolo(tmp_path / "source", "images/train/a.png", "images/val/b.png"))
    report = convert(source, "coco", tmp_path / "out.json")
    stored = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert [image["file_name"] for image in stored["images"]] == [
        "source/images/train/a.png",
        "source/images/val/b.png",
    ]
    assert [(image["width"], image["height"]) for image in stored["images"]] == [SIZE, SIZE]
    assert [a["bbox"] for a in stored["annotations"]] == [[30, 15, 20, 30]] * 2
    assert [c["name"] for c in stored["categories"]] == ["class 0", "class 1"]
    assert {a["category_id"] for a in stored["annotations"]} == {stored["categories"][1]["id"]}
    assert dict(report.placements) == {"refer": 2}


def test_one_coco_file_elsewhere_names_images_absolutely_and_is_read_again(tmp_path: Path) -> None:
    source = open_dataset(write_cat_voc(tmp_path / "source", "a b c"))
    (tmp_path / "elsewhere").mkdir()
    convert(source, "coco", tmp_path / "elsewhere" / "out.json")
    stored = json.loads((tmp_path / "elsewhere" / "out.json").read_text("utf-8"))
    assert stored["images"][0]["file_name"] == str(tmp_path / "source" / "JPEGImages" / "a.jpg")
    assert len(open_dataset(tmp_path / "elsewhere" / "out.json").images) == 3


def rotated_voc(root: Path, *, stated: tuple[int, int]) -> Path:
    """Images of 96 x 64 with EXIF orientation 6, and a red rectangle where the label says, if it is not rotated."""
    write_voc(root, train=4, size=(96, 64))
    for number in range(4):
        with_orientation(root / "JPEGImages" / f"{number:03d}.jpg", 6)
        label = root / "Annotations" / f"{number:03d}.xml"
        sides = f"<width>{stated[0]}</width><height>{stated[1]}</height>"
        label.write_text(label.read_text("utf-8").replace("<width>96</width><height>64</height>", sides), "utf-8")
    return root


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("images", ["copy", "link"])
def test_boxes_drawn_on_the_unrotated_image_stay_on_their_objects(tmp_path: Path, format: str, images: str) -> None:
    source = open_dataset(rotated_voc(tmp_path / "source", stated=(96, 64)))
    before = snapshot(tmp_path / "source")
    convert(source, format, tmp_path / "there", images)
    there = open_dataset(tmp_path / "there")
    assert {stem: boxes for stem, (_, boxes) in content(there).items()} == {
        stem: boxes for stem, (_, boxes) in content(source).items()
    }
    for index in range(4):
        image = load_image(there, index)
        np.testing.assert_allclose(red_box(image.pixels), image.boxes[0], atol=2)
    assert snapshot(tmp_path / "source") == before


def test_sizes_are_those_after_exif_rotation(tmp_path: Path) -> None:
    source = open_dataset(rotated_voc(tmp_path / "source", stated=(64, 96)))
    convert(source, "coco", tmp_path / "out.json")
    images = json.loads((tmp_path / "out.json").read_text("utf-8"))["images"]
    assert {(image["width"], image["height"]) for image in images} == {(64, 96)}


def test_other_tools_find_the_layout_they_know(tmp_path: Path) -> None:
    source = open_dataset(write_voc(tmp_path / "source", train=3, val=2))
    for known in FORMATS:
        convert(source, known, tmp_path / known)
    settings = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text("utf-8"))
    assert settings["path"] == str(tmp_path / "yolo")
    assert (settings["train"], settings["val"], settings["names"]) == ("images/train", "images/val", {0: "thing"})
    assert (tmp_path / "yolo" / "images" / "train" / "000.jpg").is_file()
    assert (tmp_path / "yolo" / "labels" / "train" / "000.txt").read_text("utf-8").startswith("0 0.2083")
    main = tmp_path / "voc" / "ImageSets" / "Main"
    assert (main / "trainval.txt").read_text("utf-8").split() == ["000", "001", "002", "003", "004"]
    assert (main / "val.txt").read_text("utf-8").split() == ["003", "004"]
    assert "<xmin>5</xmin>" in (tmp_path / "voc" / "Annotations" / "000.xml").read_text("utf-8")
    stored = json.loads((tmp_path / "coco" / "annotations" / "instances_val.json").read_text("utf-8"))
    assert [image["file_name"] for image in stored["images"]] == ["003.jpg", "004.jpg"]
    assert (tmp_path / "coco" / "images" / "val" / "003.jpg").is_file()


@pytest.mark.parametrize("format", FORMATS)
def test_images_of_one_name_in_two_folders_do_not_collide(tmp_path: Path, format: str) -> None:
    names = ("front/1.jpg", "back/1.jpg", "back/1.png", "back/front_1.jpg")
    write_yolo(tmp_path / "source", *names)
    source = open_dataset(tmp_path / "source")
    convert(with_splits(source, "100/0/0", 0), format, tmp_path / "there")
    there = open_dataset(tmp_path / "there")
    assert len(set(there.images)) == len(names)
    assert len(there.boxes) == len(names)
    assert len({path.read_bytes() for path in (tmp_path / "there").rglob("*.[jp][pn]g")}) > 1


class TestFileNames:
    def test_case_and_unicode_form_do_not_tell_names_apart(self) -> None:
        names = FileNames()
        assert [names.add(name) for name in ("a/\u00e9.jpg", "b/e\u0301.jpg", "b/\u00c9.jpg")] == [
            "\u00e9.jpg",
            "b_e\u0301.jpg",
            "\u00c9_2.jpg",
        ]

    def test_what_a_text_file_cannot_hold_is_replaced(self) -> None:
        assert FileNames().add("a/b\udcff\n c .jpg") == "b__ c.jpg"

    def test_long_names_stay_short_enough_for_every_suffix(self) -> None:
        names = FileNames()
        given = [names.add(f"{'x' * 250}/{'字' * 83}.jpg") for _ in range(3)]
        assert len(set(given)) == 3
        assert all(len(name.encode()) < 250 for name in given)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    source = open_dataset(write_cat_voc(tmp_path / "source", "a b"))
    write_text(tmp_path / "taken" / "notes.txt", "mine")
    write_text(tmp_path / "taken.json", "{}")
    for known, path in (("yolo", "taken"), ("coco", "taken.json"), ("voc", "taken.json"), ("voc", "source")):
        with pytest.raises(BadInput, match="exists already"):
            convert(source, known, tmp_path / path)
    (tmp_path / "empty").mkdir()
    convert(source, "yolo", tmp_path / "empty")
    assert len(open_dataset(tmp_path / "empty").images) == 2


@pytest.mark.parametrize("out", ["there", "there.json"])
def test_an_interrupted_conversion_leaves_nothing(tmp_path: Path, out: str) -> None:
    source = open_dataset(write_voc(tmp_path / "source", train=4))
    before = snapshot(tmp_path)

    def interrupt(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_dataset(source, Target("coco", tmp_path / out), on_written=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
    assert snapshot(tmp_path) == before


def test_unreadable_images_are_left_out_and_said(tmp_path: Path) -> None:
    write_voc(tmp_path / "source", train=5)
    cut_off(tmp_path / "source" / "JPEGImages" / "001.jpg")
    (tmp_path / "source" / "JPEGImages" / "003.jpg").write_bytes(b"\xff\xd8 no image \xff\xd9")
    report = convert(tmp_path / "source", "yolo", tmp_path / "there")
    assert [finding.file for finding in report.findings] == ["JPEGImages/001.jpg", "JPEGImages/003.jpg"]
    assert sum(report.images.values()) == 3
    assert sorted(content(open_dataset(tmp_path / "there"))) == ["000", "002", "004"]


def test_an_image_that_is_damaged_in_the_middle_is_left_out(tmp_path: Path) -> None:
    write_voc(tmp_path / "source", train=4, val=2, size=(320, 240))
    image = tmp_path / "source" / "JPEGImages" / "001.jpg"
    content = image.read_bytes()
    image.write_bytes(content[: len(content) // 2] + b"\xff\xd9")
    report = convert(tmp_path / "source", "voc", tmp_path / "there")
    assert [finding.file for finding in report.findings] == ["JPEGImages/001.jpg"]
    assert not (tmp_path / "there" / "JPEGImages" / "001.jpg").exists()


@pytest.mark.parametrize("split", ["own", "50/25/25"])
def test_drawn_splits_are_drawn_from_the_images_that_can_be_read(tmp_path: Path, split: str) -> None:
    source = open_dataset(write_cat_voc(tmp_path / "source", "a b c d e f g h i j k l"))
    assert source.splits_drawn
    lost = [source.images[index] for name in ("val", "test") for index in source.splits[name]]
    for name in lost:
        (source.root / name).write_bytes(b"")
    report = convert_dataset(source, Target("voc", tmp_path / "there"), split=split)
    assert report.images["val"] > 0
    assert sum(report.images.values()) == 12 - len(lost)
    assert sorted(finding.file for finding in report.findings) == sorted(lost)


def test_a_split_of_the_data_set_of_which_nothing_is_left_is_said(tmp_path: Path) -> None:
    write_voc(tmp_path / "source", train=4, val=1)
    (tmp_path / "source" / "JPEGImages" / "004.jpg").write_bytes(b"")
    report = convert(tmp_path / "source", "yolo", tmp_path / "there")
    assert "split.unreadable" in [finding.message.code for finding in report.findings]
    assert (report.images["train"], report.images["val"]) == (4, 0)


def test_a_data_set_without_a_readable_image_is_refused(tmp_path: Path) -> None:
    write_voc(tmp_path / "source", train=2)
    dataset = open_dataset(tmp_path / "source")
    for path in (tmp_path / "source" / "JPEGImages").iterdir():
        path.write_bytes(b"")
    with pytest.raises(BadInput, match="none of its images can be read"):
        convert(dataset, "voc", tmp_path / "there")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_links_are_hard_where_the_disk_allows_them_else_symbolic_else_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_dataset(write_cat_voc(tmp_path / "source", "a"))
    original = tmp_path / "source" / "JPEGImages" / "a.jpg"

    def refuse(*_args: object) -> None:
        raise OSError

    assert dict(convert(source, "voc", tmp_path / "hard", "link").placements) == {"hard_link": 1}
    assert (tmp_path / "hard" / "JPEGImages" / "a.jpg").samefile(original)
    monkeypatch.setattr(os, "link", refuse)
    assert dict(convert(source, "voc", tmp_path / "soft", "link").placements) == {"symbolic_link": 1}
    assert (tmp_path / "soft" / "JPEGImages" / "a.jpg").is_symlink()
    monkeypatch.setattr(os, "symlink", refuse)
    assert dict(convert(source, "voc", tmp_path / "copy", "link").placements) == {"copy": 1}
    assert not (tmp_path / "copy" / "JPEGImages" / "a.jpg").samefile(original)


def test_coco_may_leave_images_where_they_are(tmp_path: Path) -> None:
    source = open_dataset(write_voc(tmp_path / "source", train=3, val=1))
    report = convert(source, "coco", tmp_path / "there", "refer")
    assert dict(report.placements) == {"refer": 4}
    assert not list((tmp_path / "there").rglob("*.jpg"))
    assert content(open_dataset(tmp_path / "there")) == content(source)


@pytest.mark.parametrize("format", FORMATS)
def test_images_in_no_split_are_kept_apart(tmp_path: Path, format: str) -> None:
    source = open_dataset(write_cat_voc(tmp_path / "source", "a b c d", train="a b", val="c"))
    report = convert(source, format, tmp_path / "there")
    assert report.images == {"train": 2, "val": 1, "test": 0, "nosplit": 1}
    splits = {stem: split for stem, (split, _) in content(open_dataset(tmp_path / "there")).items()}
    assert splits | {"d": None} == {"a": "train", "b": "train", "c": "val", "d": None}


class TestSplits:
    @pytest.mark.parametrize(
        ("word", "sizes"),
        [("80/10/10", (16, 2, 2)), ("8/1/1", (16, 2, 2)), ("70/30/0", (14, 6, 0)), ("0.98/0.01/0.01", (18, 1, 1))],
    )
    def test_shares_draw_new_ones(self, tmp_path: Path, word: str, sizes: tuple[int, ...]) -> None:
        source = open_dataset(write_voc(tmp_path, train=15, val=5))
        drawn = with_splits(source, word, 3)
        assert tuple(len(drawn.splits[name]) for name in SPLITS) == sizes
        assert Counter(np.concatenate([drawn.splits[name] for name in SPLITS]).tolist()) == Counter(range(20))
        again = with_splits(source, word, 3)
        assert all((drawn.splits[name] == again.splits[name]).all() for name in SPLITS)

    @pytest.mark.parametrize("word", ["80/20", "a/b/c", "0/50/50", "-1/1/1", "nan/1/1", "", "owned"])
    def test_anything_else_is_refused(self, tmp_path: Path, word: str) -> None:
        source = open_dataset(write_cat_voc(tmp_path, "a b"))
        with pytest.raises(BadInput, match="such as 80/10/10"):
            with_splits(source, word, 0)

    def test_its_own_ones_stay(self, tmp_path: Path) -> None:
        source = open_dataset(write_cat_voc(tmp_path, "a b"))
        assert with_splits(source, "own", 0) is source


def test_boxes_beyond_the_image_are_cut_and_said(tmp_path: Path) -> None:
    source = open_dataset(write_voc(tmp_path / "source", train=2))
    boxes = source.boxes.copy()
    boxes[0], boxes[1] = (90, 60, 200, 200), (300, 300, 310, 310)
    report = convert(replace(source, boxes=boxes), "coco", tmp_path / "out.json")
    stored = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert [a["bbox"] for a in stored["annotations"]] == [[90, 60, 6, 4]]
    assert [f.message.code for f in report.findings] == ["label.outside_image"]


def test_xml_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    source = replace(open_dataset(write_cat_voc(tmp_path / "source", "a b")), classes=("a\x07b",))
    with pytest.raises(BadInput, match="control characters"):
        convert(source, "voc", tmp_path / "there")


class TestCommands:
    def test_convert_prints_counts(self, tmp_path: Path) -> None:
        write_voc(tmp_path / "source", train=3, val=1)
        before = snapshot(tmp_path / "source")
        done = command("data", "convert", str(tmp_path / "source"), "--to", "yolo", str(tmp_path / "a"), "--json")
        printed = json.loads(done.stdout)
        assert printed["images"] == {"train": 3, "val": 1, "test": 0}
        assert (printed["boxes"], printed["files"], printed["findings"]) == ({"thing": 4}, {"copy": 4}, [])
        words = ("--to", "voc", str(tmp_path / "b"), "--split", "50/25/25", "--link", "--map", "thing=box")
        done = command("data", "convert", str(tmp_path / "a"), *words)
        assert "train 2 · val 1 · test 1 · 4 boxes" in done.stdout
        assert "hard links: 4" in done.stdout
        assert open_dataset(tmp_path / "b").classes == ("box",)
        assert snapshot(tmp_path / "source") == before

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (("--to", "yollo", "out"), "did you mean yolo?"),
            (("--to", "yolo", "out", "--copy", "--link"), "give one of them"),
            (("--to", "coco", "out.json", "--link"), "one file holds no images"),
            (("--to", "yolo", "source"), "exists already"),
            (("--to", "yolo", "out", "--split", "80"), "such as 80/10/10"),
        ],
    )
    def test_what_cannot_be_is_one_sentence(self, tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
        write_cat_voc(tmp_path / "source", "a b")
        paths = [str(tmp_path / word) if word in ("out", "out.json", "source") else word for word in words]
        done = command("data", "convert", str(tmp_path / "source"), *paths)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["source"]

    def test_what_was_done_differently_is_said(self, tmp_path: Path) -> None:
        write_voc(tmp_path / "source", train=5)
        cut_off(tmp_path / "source" / "JPEGImages" / "001.jpg")
        done = command("data", "convert", str(tmp_path / "source"), "--to", "yolo", str(tmp_path / "source" / "out"))
        assert "YOLO cannot name images elsewhere, so they were copied" in done.stdout
        assert "1 image cannot be read and was left out:" in done.stdout
        assert "001.jpg" in done.stdout
        assert "inside the folder of the original" in done.stdout

    def test_check_writes_a_cleaned_copy(self, tmp_path: Path) -> None:
        write_voc(tmp_path / "source", train=5, val=2)
        cut_off(tmp_path / "source" / "JPEGImages" / "002.jpg")
        flat = annotation("003.jpg", (96, 64), [("thing", (5, 5, 30, 5)), ("thing", (5, 5, 30, 30))])
        write_text(tmp_path / "source" / "Annotations" / "003.xml", flat)
        before = snapshot(tmp_path / "source")
        done = command("data", "check", str(tmp_path / "source"), "--fix", str(tmp_path / "clean"), "--json")
        fixed = json.loads(done.stdout)["fixed"]
        assert (fixed["format"], fixed["images"]) == ("voc", {"train": 4, "val": 2, "test": 0})
        assert [item["file"] for item in fixed["findings"]] == ["JPEGImages/002.jpg"]
        clean = open_dataset(tmp_path / "clean")
        assert clean.findings == ()
        assert len(clean.boxes) == 6
        assert snapshot(tmp_path / "source") == before


@pytest.mark.parametrize("format", FORMATS)
def test_a_converted_data_set_trains_on_the_same_batches(tmp_path: Path, format: str) -> None:
    root = write_voc(tmp_path / "source", train=9, size=(97, 61))
    for split, numbers in (("train", (1, 2, 4, 5, 7, 8)), ("val", (0, 3, 6))):
        write_text(root / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{number:03d}\n" for number in numbers))
    source = open_dataset(root)
    convert(source, format, tmp_path / "there", "link")
    recipe = make_recipe({"input_shape": [64, 64]})
    for ours, theirs in zip(
        *(
            list(training_batches(CachedImages(dataset), recipe, epoch=1, batch_size=3, start=0, workers=0))
            for dataset in (source, open_dataset(tmp_path / "there"))
        ),
        strict=True,
    ):
        assert torch.equal(ours.images, theirs.images)
        assert torch.equal(ours.targets, theirs.targets)


@pytest.mark.skipif("FREEZETUI_BCCD" not in os.environ, reason="FREEZETUI_BCCD does not name the BCCD folder")
@pytest.mark.parametrize("format", FORMATS)
def test_bccd_keeps_every_box(tmp_path: Path, format: str) -> None:
    source = open_dataset(Path(os.environ["FREEZETUI_BCCD"]))
    convert(source, format, tmp_path / "there", "link")
    convert(tmp_path / "there", "voc", tmp_path / "back", "link")
    back = open_dataset(tmp_path / "back")
    assert (back.classes, content(back)) == (source.classes, content(source))


def test_images_are_told_apart_by_their_pixels_after_a_conversion(tmp_path: Path) -> None:
    """Every label stands beside its own image, whatever the images are called."""
    for number, folder in enumerate(("x", "y", "z")):
        encode_image(write_image(tmp_path / "source" / folder / "1.png"), np.full((60, 80, 3), 50 * number, np.uint8))
        write_text(tmp_path / "source" / folder / "1.txt", f"{number} 0.5 0.5 0.25 0.5\n")
    write_text(tmp_path / "source" / "classes.txt", "dark\ngrey\nlight\n")
    source = with_splits(open_dataset(tmp_path / "source"), "100/0/0", 0)
    convert(source, "voc", tmp_path / "there")
    there = open_dataset(tmp_path / "there")
    for index in range(3):
        pixels, _, labels = load_image(there, index)
        assert there.classes[labels[0]] == ("dark", "grey", "light")[int(pixels[0, 0, 0]) // 50]
