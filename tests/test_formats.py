"""The formats of data sets, one by one: what is recognised, which boxes and classes it gives, which splits it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.dataset.formats import open_dataset
from engine.dataset.images import encode_image
from engine.dataset.index import SPLITS, Dataset
from tests.dataset_on_disk import annotation

SIZE = (80, 60)


def picture(path: Path) -> Path:
    """A grey picture of SIZE, its folders with it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encode_image(path, np.full((SIZE[1], SIZE[0], 3), len(path.name), np.uint8))
    return path


def text(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding=encoding)
    return path


def boxes_of(dataset: Dataset, image: str) -> list[tuple[str, list[float]]]:
    """Class names and boxes in pixels of one image."""
    boxes, labels = dataset.boxes_of(dataset.images.index(image))
    scale = np.array([*SIZE, *SIZE]) if dataset.unit == "fraction" else np.ones(4)
    return [(dataset.classes[n], np.round(b * scale, 3).tolist()) for n, b in zip(labels, boxes, strict=True)]


def split_names(dataset: Dataset) -> dict[str, list[str]]:
    return {name: [dataset.images[i] for i in dataset.splits[name]] for name in SPLITS}


def codes(dataset: Dataset) -> list[str]:
    return [finding.message.code for finding in dataset.findings]


# Pascal VOC


def voc(root: Path, names: str, **lists: str) -> Path:
    """A picture with one cat for each word of `names`; `lists` are the files of ImageSets/Main."""
    for name in names.split():
        picture(root / "JPEGImages" / f"{name}.jpg")
        text(root / "Annotations" / f"{name}.xml", annotation(f"{name}.jpg", SIZE, [("cat", (10, 20, 30, 50))]))
    for name, lines in lists.items():
        text(root / "ImageSets" / "Main" / f"{name}.txt", lines.replace(" ", "\n"))
    return root


def test_voc_is_found_from_every_level_of_its_tree(tmp_path: Path) -> None:
    root = voc(tmp_path / "VOCdevkit" / "VOC2007", "a b c", train="a b", val="c")
    for level in (tmp_path, tmp_path / "VOCdevkit", root, root / "JPEGImages", root / "Annotations"):
        dataset = open_dataset(level)
        assert (dataset.format, dataset.root) == ("voc", root)
        assert boxes_of(dataset, "JPEGImages/a.jpg") == [("cat", [10, 20, 30, 50])]


def test_voc_takes_its_own_splits(tmp_path: Path) -> None:
    dataset = open_dataset(voc(tmp_path, "a b c d", train="a b", val="c", test="d"))
    assert not dataset.splits_drawn
    assert split_names(dataset) == {
        "train": ["JPEGImages/a.jpg", "JPEGImages/b.jpg"],
        "val": ["JPEGImages/c.jpg"],
        "test": ["JPEGImages/d.jpg"],
    }


def test_voc_without_imagesets_is_divided_by_the_seed(tmp_path: Path) -> None:
    voc(tmp_path, " ".join(f"{n:03d}" for n in range(100)))
    dataset, again, other = (open_dataset(tmp_path, seed=seed) for seed in (11, 11, 12))
    assert dataset.splits_drawn
    assert dataset.image_counts() == {"train": 81, "val": 9, "test": 10}
    assert split_names(dataset) == split_names(again) != split_names(other)


def test_voc_with_only_trainval_listed_draws_its_validation(tmp_path: Path) -> None:
    names = " ".join(f"{n:02d}" for n in range(20))
    dataset = open_dataset(voc(tmp_path, names, train=names))
    assert dataset.splits_drawn
    assert len(dataset.splits["val"]) >= 1
    assert len(dataset.splits["train"]) + len(dataset.splits["val"]) == 20


def test_voc_with_pictures_beside_their_labels_in_any_spelling(tmp_path: Path) -> None:
    for name in ("a.JPG", "b.png", "c.JpEg"):
        picture(tmp_path / name)
        text(tmp_path / f"{name[0]}.xml", annotation(name, SIZE, [("dog", (1, 2, 30, 40))]))
    assert open_dataset(tmp_path).images == ("a.JPG", "b.png", "c.JpEg")


def test_voc_written_on_a_chinese_windows_keeps_its_names(tmp_path: Path) -> None:
    voc(tmp_path, "a b")
    label = tmp_path / "Annotations" / "a.xml"
    header = '<?xml version="1.0" encoding="utf-8"?>'
    text(label, header + annotation("a.jpg", SIZE, [("安全帽", (10, 20, 30, 50))]), "gb18030")
    assert open_dataset(tmp_path).classes == ("cat", "安全帽")


def test_a_name_listed_twice_and_one_without_label_are_findings(tmp_path: Path) -> None:
    dataset = open_dataset(voc(tmp_path, "a b c", train="a b gone", val="c a"))
    assert {"split.twice", "label.missing"} <= set(codes(dataset))
    assert split_names(dataset)["val"] == ["JPEGImages/c.jpg"]


# YOLO


def yolo(root: Path, *names: str) -> Path:
    """A picture and its label, one box of class 1, for each path; `images` in it becomes `labels`."""
    for name in names:
        picture(root / name)
        label = (root / name.replace("images", "labels")).with_suffix(".txt")
        text(label, "1 0.5 0.5 0.25 0.5\n")
    return root


MIDDLE = [30, 15, 50, 45]


@pytest.mark.parametrize(
    "names", ["[cat, dog]", "{0: cat, 1: dog}", "\n- cat\n- dog"], ids=["a list", "numbered", "one a line"]
)
def test_yolo_with_data_yaml(tmp_path: Path, names: str) -> None:
    yolo(tmp_path, "images/train/a.jpg", "images/train/b.jpg", "images/val/c.jpg")
    text(tmp_path / "data.yaml", f"train: images/train\nval: images/val\nnc: 2\nnames: {names}\n")
    for path in (tmp_path, tmp_path / "data.yaml"):
        dataset = open_dataset(path)
        assert (dataset.format, dataset.classes, dataset.splits_drawn) == ("yolo", ("cat", "dog"), False)
        assert dataset.image_counts() == {"train": 2, "val": 1, "test": 0}
        assert boxes_of(dataset, "images/train/a.jpg") == [("dog", MIDDLE)]


def test_yolo_as_exporters_write_it_with_one_dot_too_many(tmp_path: Path) -> None:
    yolo(tmp_path, "train/images/a.jpg", "train/images/b.jpg", "valid/images/c.jpg", "test/images/d.jpg")
    places = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    text(tmp_path / "data.yaml", places + "names: ['cat', 'dog']\n")
    assert open_dataset(tmp_path).image_counts() == {"train": 2, "val": 1, "test": 1}


def test_yolo_with_lists_of_pictures(tmp_path: Path) -> None:
    yolo(tmp_path, "images/a.jpg", "images/b.jpg", "images/c.jpg")
    text(tmp_path / "train.txt", "images/a.jpg\nimages/b.jpg\nimages/gone.jpg\n../../outside.jpg\n")
    text(tmp_path / "val.txt", "images/c.jpg\n")
    text(tmp_path / "data.yaml", "train: train.txt\nval: val.txt\nnames: [cat, dog]\n")
    dataset = open_dataset(tmp_path)
    assert dataset.image_counts() == {"train": 2, "val": 1, "test": 0}
    assert {"image.missing", "label.outside_dataset"} <= set(codes(dataset))


def test_yolo_with_a_classes_file_and_no_splits(tmp_path: Path) -> None:
    yolo(tmp_path, *(f"images/{n:02d}.jpg" for n in range(20)))
    text(tmp_path / "classes.txt", "cat\ndog\n")
    dataset = open_dataset(tmp_path)
    assert (dataset.classes, dataset.splits_drawn) == (("cat", "dog"), True)
    assert dataset.image_counts() == {"train": 16, "val": 2, "test": 2}


def test_yolo_with_folders_that_name_the_split(tmp_path: Path) -> None:
    yolo(tmp_path, "images/train2017/a.jpg", "images/train2017/b.jpg", "images/val2017/c.jpg")
    dataset = open_dataset(tmp_path)
    assert (dataset.image_counts(), dataset.splits_drawn) == ({"train": 2, "val": 1, "test": 0}, False)
    assert dataset.classes == ("class 0", "class 1")
    assert "class.unnamed" in codes(dataset)


def test_yolo_polygons_become_the_box_around_them(tmp_path: Path) -> None:
    yolo(tmp_path, "a.jpg", "b.jpg")
    text(tmp_path / "a.txt", "0 0.25 0.5 0.5 0.25 0.75 0.5 0.5 0.75\n")
    assert boxes_of(open_dataset(tmp_path), "a.jpg") == [("class 0", [20, 15, 60, 45])]


def test_a_data_yaml_that_leads_out_of_the_data_set_is_not_followed(tmp_path: Path) -> None:
    yolo(tmp_path / "elsewhere", "images/x.jpg")
    yolo(tmp_path / "set", "images/a.jpg", "images/b.jpg")
    text(tmp_path / "set" / "data.yaml", "train: images\nval: ../elsewhere/images\nnames: [cat, dog]\n")
    dataset = open_dataset(tmp_path / "set")
    assert dataset.images == ("images/a.jpg", "images/b.jpg")
    assert "label.outside_dataset" in codes(dataset)


# COCO


def coco(path: Path, *names: str, folder: str = "", **changes: Any) -> Path:
    """A label file with one box of category 7 on each picture."""
    for name in names:
        picture(path.parent.parent / folder / name if folder else path.parent / name)
    width, height = SIZE
    content = {
        "images": [{"id": n, "file_name": name, "width": width, "height": height} for n, name in enumerate(names)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 7, "bbox": [10, 20, 20, 30], "iscrowd": 0}
            for n in range(len(names))
        ],
        "categories": [{"id": 7, "name": "cat"}, {"id": 90, "name": "dog"}],
        **changes,
    }
    return text(path, json.dumps(content))


def test_coco_as_published_with_a_file_for_each_split(tmp_path: Path) -> None:
    coco(tmp_path / "annotations" / "instances_train2017.json", "a.jpg", "b.jpg", folder="train2017")
    coco(tmp_path / "annotations" / "instances_val2017.json", "c.jpg", folder="val2017")
    dataset = open_dataset(tmp_path)
    assert (dataset.format, dataset.classes, dataset.splits_drawn) == ("coco", ("cat",), False)
    assert split_names(dataset) == {
        "train": ["train2017/a.jpg", "train2017/b.jpg"],
        "val": ["val2017/c.jpg"],
        "test": [],
    }
    assert boxes_of(dataset, "train2017/a.jpg") == [("cat", [10, 20, 30, 50])]


def test_coco_as_exporters_write_it_a_folder_for_each_split(tmp_path: Path) -> None:
    for split, names in (("train", ["a.jpg", "b.jpg"]), ("valid", ["c.jpg"]), ("test", ["d.jpg"])):
        coco(tmp_path / split / "_annotations.coco.json", *names)
    assert open_dataset(tmp_path).image_counts() == {"train": 2, "val": 1, "test": 1}


def test_one_coco_file_is_divided_here(tmp_path: Path) -> None:
    path = coco(tmp_path / "labels.json", *(f"{n:02d}.jpg" for n in range(20)))
    for place in (tmp_path, path):
        dataset = open_dataset(place)
        assert (dataset.splits_drawn, dataset.image_counts()["train"]) == (True, 16)


def test_what_coco_cannot_mean_is_left_out_and_said(tmp_path: Path) -> None:
    boxes = [
        {"image_id": 0, "category_id": 7, "bbox": [10, 20, 20, 30]},
        {"image_id": 0, "category_id": 7, "bbox": [0, 0, 80, 60], "iscrowd": 1},
        {"image_id": 0, "category_id": 8, "bbox": [1, 1, 5, 5]},
        {"image_id": 0, "category_id": 7, "bbox": "wide"},
        {"image_id": 0, "category_id": 7, "bbox": [70, 50, 40, 40]},
        {"image_id": 0, "category_id": 7, "bbox": [5, 5, 0, 9]},
    ]
    coco(tmp_path / "labels.json", "a.jpg", "b.jpg", annotations=boxes)
    content = json.loads((tmp_path / "labels.json").read_text())
    content["images"] += [{"id": 8, "file_name": "gone.jpg"}, {"id": 9, "file_name": "../../etc/passwd"}]
    text(tmp_path / "labels.json", json.dumps(content))
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "a.jpg") == [("cat", [10, 20, 30, 50]), ("cat", [70, 50, 80, 60])]
    assert boxes_of(dataset, "b.jpg") == []
    assert sorted(codes(dataset)) == [
        "image.missing", "label.crowd", "label.outside_dataset", "label.outside_image", "label.unreadable",
        "label.zero_size",
    ]  # fmt: skip
