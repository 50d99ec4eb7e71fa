"""The formats of data sets, one by one: what is recognised, its boxes, its classes, its splits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.dataset.formats import open_dataset
from engine.dataset.images import load_image
from tests.dataset_on_disk import (
    SIZE,
    annotation,
    boxes_of,
    codes,
    split_names,
    write_cat_voc,
    write_image,
    write_text,
    write_yolo,
)

# Pascal VOC


def test_voc_is_recognised_from_every_level_of_its_tree(tmp_path: Path) -> None:
    root = write_cat_voc(tmp_path / "VOCdevkit" / "VOC2007", "a b c", train="a b", val="c")
    for level in (tmp_path, tmp_path / "VOCdevkit", root, root / "JPEGImages", root / "Annotations"):
        dataset = open_dataset(level)
        assert (dataset.format, dataset.root) == ("voc", root)
        assert boxes_of(dataset, "JPEGImages/a.jpg") == [("cat", [10, 20, 30, 50])]


def test_voc_uses_its_own_splits(tmp_path: Path) -> None:
    dataset = open_dataset(write_cat_voc(tmp_path, "a b c d", train="a b", val="c", test="d"))
    assert not dataset.splits_drawn
    assert split_names(dataset) == {
        "train": ["JPEGImages/a.jpg", "JPEGImages/b.jpg"],
        "val": ["JPEGImages/c.jpg"],
        "test": ["JPEGImages/d.jpg"],
    }


def test_splits_of_voc_without_imagesets_are_drawn_by_the_seed(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, " ".join(f"{n:03d}" for n in range(100)))
    dataset, again, other = (open_dataset(tmp_path, seed=seed) for seed in (11, 11, 12))
    assert dataset.splits_drawn
    assert dataset.image_counts() == {"train": 81, "val": 9, "test": 10}
    assert split_names(dataset) == split_names(again) != split_names(other)


def test_voc_with_only_trainval_listed_draws_its_validation(tmp_path: Path) -> None:
    names = " ".join(f"{n:02d}" for n in range(20))
    dataset = open_dataset(write_cat_voc(tmp_path, names, train=names))
    assert dataset.splits_drawn
    assert len(dataset.splits["val"]) >= 1
    assert len(dataset.splits["train"]) + len(dataset.splits["val"]) == 20


def test_voc_with_images_beside_their_labels_and_suffixes_in_any_case(tmp_path: Path) -> None:
    for name in ("a.JPG", "b.png", "c.JpEg"):
        write_image(tmp_path / name)
        write_text(tmp_path / f"{name[0]}.xml", annotation(name, SIZE, [("dog", (1, 2, 30, 40))]))
    assert open_dataset(tmp_path).images == ("a.JPG", "b.png", "c.JpEg")


def test_voc_written_on_a_chinese_windows_keeps_its_names(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, "a b")
    label = tmp_path / "Annotations" / "a.xml"
    header = '<?xml version="1.0" encoding="utf-8"?>'
    write_text(label, header + annotation("a.jpg", SIZE, [("安全帽", (10, 20, 30, 50))]), "gb18030")
    assert open_dataset(tmp_path).classes == ("cat", "安全帽")


def test_a_name_in_two_splits_and_one_without_label_are_findings(tmp_path: Path) -> None:
    dataset = open_dataset(write_cat_voc(tmp_path, "a b c", train="a b gone", val="c a"))
    assert {"split.twice", "label.missing"} <= set(codes(dataset))
    assert split_names(dataset)["val"] == ["JPEGImages/c.jpg"]


# YOLO


MIDDLE = [30, 15, 50, 45]


@pytest.mark.parametrize(
    "names", ["[cat, dog]", "{0: cat, 1: dog}", "\n- cat\n- dog"], ids=["a list", "numbered", "one per line"]
)
def test_yolo_with_data_yaml(tmp_path: Path, names: str) -> None:
    write_yolo(tmp_path, "images/train/a.jpg", "images/train/b.jpg", "images/val/c.jpg")
    write_text(tmp_path / "data.yaml", f"train: images/train\nval: images/val\nnc: 2\nnames: {names}\n")
    for path in (tmp_path, tmp_path / "data.yaml"):
        dataset = open_dataset(path)
        assert (dataset.format, dataset.classes, dataset.splits_drawn) == ("yolo", ("cat", "dog"), False)
        assert dataset.image_counts() == {"train": 2, "val": 1, "test": 0}
        assert boxes_of(dataset, "images/train/a.jpg") == [("dog", MIDDLE)]


def test_yolo_as_exporters_write_it_with_one_dot_too_many(tmp_path: Path) -> None:
    write_yolo(tmp_path, "train/images/a.jpg", "train/images/b.jpg", "valid/images/c.jpg", "test/images/d.jpg")
    folders = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    write_text(tmp_path / "data.yaml", folders + "names: ['cat', 'dog']\n")
    assert open_dataset(tmp_path).image_counts() == {"train": 2, "val": 1, "test": 1}


def test_yolo_with_lists_of_images(tmp_path: Path) -> None:
    write_yolo(tmp_path, "images/a.jpg", "images/b.jpg", "images/c.jpg")
    write_text(tmp_path / "train.txt", "images/a.jpg\nimages/b.jpg\nimages/gone.jpg\n../../outside.jpg\n")
    write_text(tmp_path / "val.txt", "images/c.jpg\n")
    write_text(tmp_path / "data.yaml", "train: train.txt\nval: val.txt\nnames: [cat, dog]\n")
    dataset = open_dataset(tmp_path)
    assert dataset.image_counts() == {"train": 2, "val": 1, "test": 0}
    assert {"image.missing", "label.outside_dataset"} <= set(codes(dataset))


def test_yolo_with_a_classes_file_and_no_splits(tmp_path: Path) -> None:
    write_yolo(tmp_path, *(f"images/{n:02d}.jpg" for n in range(20)))
    write_text(tmp_path / "classes.txt", "cat\ndog\n")
    dataset = open_dataset(tmp_path)
    assert (dataset.classes, dataset.splits_drawn) == (("cat", "dog"), True)
    assert dataset.image_counts() == {"train": 16, "val": 2, "test": 2}


def test_yolo_with_folders_named_after_the_split(tmp_path: Path) -> None:
    write_yolo(tmp_path, "images/train2017/a.jpg", "images/train2017/b.jpg", "images/val2017/c.jpg")
    dataset = open_dataset(tmp_path)
    assert (dataset.image_counts(), dataset.splits_drawn) == ({"train": 2, "val": 1, "test": 0}, False)
    assert dataset.classes == ("class 0", "class 1")
    assert "class.unnamed" in codes(dataset)


def test_class_ids_that_are_no_numbers_are_left_out_and_reported(tmp_path: Path) -> None:
    write_yolo(tmp_path, "a.jpg", "b.jpg")
    write_text(tmp_path / "a.txt", "nan 0.5 0.5 0.1 0.1\ninf 0.5 0.5 0.1 0.1\n1 0.5 0.5 0.25 0.5\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "a.jpg") == [("class 1", MIDDLE)]
    assert "label.class_out_of_range" in codes(dataset)


def test_yolo_polygons_become_the_box_around_them(tmp_path: Path) -> None:
    write_yolo(tmp_path, "a.jpg", "b.jpg")
    write_text(tmp_path / "a.txt", "0 0.25 0.5 0.5 0.25 0.75 0.5 0.5 0.75\n")
    assert boxes_of(open_dataset(tmp_path), "a.jpg") == [("class 0", [20, 15, 60, 45])]


# COCO


def coco(path: Path, *names: str, folder: str = "", **changes: Any) -> Path:
    """A label file with one box of category 7 on each image."""
    for name in names:
        write_image(path.parent.parent / folder / name if folder else path.parent / name)
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
    return write_text(path, json.dumps(content))


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


def test_splits_of_a_single_coco_file_are_drawn(tmp_path: Path) -> None:
    path = coco(tmp_path / "labels.json", *(f"{n:02d}.jpg" for n in range(20)))
    for place in (tmp_path, path):
        dataset = open_dataset(place)
        assert (dataset.splits_drawn, dataset.image_counts()["train"]) == (True, 16)


def test_invalid_coco_annotations_are_left_out_and_reported(tmp_path: Path) -> None:
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
    write_text(tmp_path / "labels.json", json.dumps(content))
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "a.jpg") == [("cat", [10, 20, 30, 50]), ("cat", [70, 50, 80, 60])]
    assert boxes_of(dataset, "b.jpg") == []
    assert sorted(codes(dataset)) == [
        "image.missing", "label.crowd", "label.no_class", "label.outside_dataset", "label.outside_image", "label.unreadable",
        "label.zero_size",
    ]  # fmt: skip


# Lists


def test_a_list_of_the_tutorials(tmp_path: Path) -> None:
    images = [write_image(tmp_path / "img" / f"{name}.jpg") for name in "abc"]
    write_text(tmp_path / "2007_train.txt", f"{images[0]} 10,20,30,50,0 1,2,33,44,1\n{images[1]}\n")
    write_text(tmp_path / "2007_val.txt", f"{images[2]} 5,6,70,40,1\n")
    write_text(tmp_path / "model_data" / "voc_classes.txt", "cat\ndog\n")
    dataset = open_dataset(tmp_path)
    assert (dataset.format, dataset.classes, dataset.splits_drawn) == ("list", ("cat", "dog"), False)
    assert split_names(dataset) == {"train": ["img/a.jpg", "img/b.jpg"], "val": ["img/c.jpg"], "test": []}
    assert boxes_of(dataset, "img/a.jpg") == [("cat", [10, 20, 30, 50]), ("dog", [1, 2, 33, 44])]
    assert boxes_of(dataset, "img/b.jpg") == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_paths_with_spaces_and_chinese_in_any_usual_encoding(tmp_path: Path, encoding: str) -> None:
    name = "我的 图片 (1)/照片 2,3.jpg"
    write_image(tmp_path / name)
    write_text(tmp_path / "训练 train.txt", f"{name} 10,20,30,50,0\n", encoding)
    dataset = open_dataset(tmp_path / "训练 train.txt")
    assert boxes_of(dataset, name) == [("class 0", [10, 20, 30, 50])]
    assert len(load_image(dataset, 0)[1]) == 1


def test_a_list_that_names_missing_files_or_files_outside(tmp_path: Path) -> None:
    write_image(tmp_path / "outside.jpg")
    write_image(tmp_path / "set" / "a.jpg")
    write_text(tmp_path / "set" / "secret.conf", "x")
    lines = ("a.jpg 10,20,30,50,0", "gone.jpg 1,2,3,4,0", "../outside.jpg 1,2,30,40,0", "secret.conf 1,2,3,4,0")
    write_text(tmp_path / "set" / "train.txt", "\n".join(lines))
    dataset = open_dataset(tmp_path / "set")
    assert dataset.images == ("a.jpg",)
    assert sorted(set(codes(dataset)) - {"class.unnamed"}) == [
        "image.missing",
        "label.outside_dataset",
        "label.unreadable",
    ]


def test_without_validation_some_training_images_of_a_list_are_drawn(tmp_path: Path) -> None:
    lines = [f"{write_image(tmp_path / f'{n:02d}.jpg')} 10,20,30,50,0" for n in range(20)]
    write_text(tmp_path / "2007_train.txt", "\n".join(lines))
    dataset = open_dataset(tmp_path)
    assert dataset.splits_drawn
    assert len(dataset.splits["val"]) >= 1
