"""LabelMe as LabelMe, X-AnyLabeling and their users write it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.dataset.formats import open_dataset
from engine.messages import BadInput
from tests.coco_on_disk import CORNERS, write_coco
from tests.dataset_on_disk import SIZE, boxes_of, codes, split_names, write_image, write_text

RECTANGLE = [[30, 20], [10, 50]]
"""Two opposite corners in any order."""


def shape(
    label: object = "cat", points: object = RECTANGLE, shape_type: str = "rectangle", **more: object
) -> dict[str, object]:
    return {"label": label, "points": points, "group_id": None, "shape_type": shape_type, "flags": {}, **more}


def write_labelme(path: Path, *shapes: object, image: str | None = None, **more: object) -> Path:
    """A label file; `image` is its imagePath, else the image beside it."""
    content = {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": image or f"{path.stem}.jpg",
        "imageData": "/9j/4AAQSkZJRg==" * 100,
        "imageHeight": SIZE[1],
        "imageWidth": SIZE[0],
        **more,
    }
    return write_text(path, json.dumps(content))


def test_labels_beside_their_images(tmp_path: Path) -> None:
    polygon = shape("dog", [[10, 20], [30, 25], [20, 50]], "polygon")
    circle = shape("ball", [[40, 30], [43, 34]], "circle")
    turned = shape("box", [[40, 10], [50, 20], [40, 30], [30, 20]], "rotation")
    old = {"label": "old", "points": [[1, 2], [5, 2], [5, 9]], "line_color": None}
    write_image(tmp_path / "a.jpg")
    write_image(tmp_path / "b.jpg")
    write_labelme(tmp_path / "a.json", shape(), polygon, circle, turned, old)
    write_labelme(tmp_path / "b.json")
    dataset = open_dataset(tmp_path)
    assert (dataset.format, dataset.classes) == ("labelme", ("ball", "box", "cat", "dog", "old"))
    assert boxes_of(dataset, "a.jpg") == [
        ("cat", CORNERS), ("dog", CORNERS), ("ball", [35, 25, 45, 35]), ("box", [30, 10, 50, 30]), ("old", [1, 2, 5, 9]),
    ]  # fmt: skip
    assert boxes_of(dataset, "b.jpg") == []
    assert codes(dataset) == []
    assert dataset.books["label_file"] == {"seen": 2, "kept": 2, "left_out": 0}


@pytest.mark.parametrize(
    ("image_folder", "label_folder", "image"),
    [
        ("images", "labels", "../images/a.jpg"),
        ("images", "json", "..\\images\\a.jpg"),
        ("", "", "C:\\Users\\me\\Desktop\\a.jpg"),
        ("", "", "renamed.jpg"),
        ("images", "annotations", "a.jpg"),
        ("images", "json", "renamed.jpg"),
        ("photos/x", "json/x", "/data/a.jpg"),
    ],
)
def test_images_elsewhere(tmp_path: Path, image_folder: str, label_folder: str, image: str) -> None:
    write_image(tmp_path / image_folder / "a.jpg")
    write_image(tmp_path / image_folder / "other.jpg")
    write_labelme(tmp_path / label_folder / "a.json", shape(), image=image)
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, f"{image_folder}/a.jpg".lstrip("/")) == [("cat", CORNERS)]
    if label_folder in ("labels", "json", "annotations"):
        assert len(open_dataset(tmp_path / label_folder).boxes) == 1


def test_the_path_in_the_label_comes_before_the_name_of_the_label(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_image(tmp_path / f"{name}.jpg")
    write_labelme(tmp_path / "a.json", shape(), image="b.jpg")
    write_labelme(tmp_path / "b.json", shape("dog"))
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "b.jpg") == [("cat", CORNERS), ("dog", CORNERS)]
    assert codes(dataset) == ["image.several_label_files", "image.unused"]


def test_folders_of_splits_and_a_single_file(tmp_path: Path) -> None:
    for file in ("train/a", "train/b", "val/c"):
        write_image(tmp_path / f"{file}.jpg")
        write_labelme(tmp_path / f"{file}.json", shape())
    dataset = open_dataset(tmp_path)
    assert split_names(dataset) == {"train": ["train/a.jpg", "train/b.jpg"], "val": ["val/c.jpg"], "test": []}
    assert open_dataset(tmp_path / "train" / "a.json").images == ("a.jpg",)


def test_shapes_that_are_no_boxes_are_left_out_with_their_reasons(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    write_labelme(
        tmp_path / "a.json",
        shape(),
        shape("nose", [[1, 2]], "point"),
        shape("road", [[1, 2], [9, 9]], "linestrip"),
        shape("far", difficult=True),
        shape(None),
        shape("cat", [[1, "x"], [3, 4]]),
        shape("cat", [[1, float("nan")], [3, 4]]),
        shape("cat", [[1, 2]]),
        shape("cat", None),
        shape("cat", [[1, 10**400], [3, 4]]),
        "no shape",
    )
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "a.jpg") == [("cat", CORNERS)]
    assert {f.message.code: (f.severity, f.message.values["count"]) for f in dataset.findings} == {
        "label.no_area": ("warning", 2),
        "label.difficult": ("info", 1),
        "label.no_class": ("error", 1),
        "label.unreadable": ("error", 6),
    }
    assert dataset.books["box"] == {"seen": 11, "kept": 1, "left_out": 10}


def test_polygons_of_one_group_are_one_object(tmp_path: Path) -> None:
    parts = [shape("cat", [[x, 20], [x + 5, 20], [x, 50]], "polygon", group_id=1) for x in (10, 25)]
    write_image(tmp_path / "a.jpg")
    write_labelme(tmp_path / "a.json", *parts, shape("dog", group_id=1))
    dataset = open_dataset(tmp_path)
    assert sorted(boxes_of(dataset, "a.jpg")) == [("cat", CORNERS), ("dog", CORNERS)]
    assert codes(dataset) == ["label.part"]


def test_missing_images_and_damaged_files_are_said(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    write_labelme(tmp_path / "a.json", shape())
    write_labelme(tmp_path / "gone.json", shape(), shape("dog"))
    whole = write_labelme(tmp_path / "cut.json", shape()).read_text()
    write_text(tmp_path / "cut.json", whole[: len(whole) // 2])
    write_text(tmp_path / "odd.json", '{"shapes": 5, "imagePath": "a.jpg"}')
    dataset = open_dataset(tmp_path)
    found = sorted((str(f.message) for f in dataset.findings), key=lambda text: "do not exist" not in text)
    assert "images that do not exist: 1 (gone.jpg (gone.json)); left out with their 2 boxes" in found[0]
    assert found[1].startswith("cut.json: not valid JSON (line 1: ")
    assert found[2] == "odd.json: not valid JSON (shapes is no list); left out."
    assert dataset.books["label_file"] == {"seen": 4, "kept": 1, "left_out": 3}


def test_a_coco_file_made_of_the_labels_is_no_second_data_set(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_image(tmp_path / f"{name}.jpg")
        write_labelme(tmp_path / f"{name}.json", shape())
    write_coco(tmp_path, "coco.json", "a.jpg", folder="")
    dataset = open_dataset(tmp_path)
    assert (dataset.format, len(dataset.boxes)) == ("labelme", 2)
    (other,) = [f for f in dataset.findings if f.message.code == "dataset.other_format"]
    assert (other.severity, other.message.values["unused"]) == ("info", 0)
    assert open_dataset(tmp_path, format="coco").images == ("a.jpg",)


def test_a_folder_without_labelme_is_refused_for_that_format(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    write_text(tmp_path / "package.json", "{}")
    with pytest.raises(BadInput, match=r"no labels found.*1 \.json\. Expected: a \.json with shapes"):
        open_dataset(tmp_path, format="labelme")
