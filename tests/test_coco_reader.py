"""COCO as its tools write it: ids of any type, images anywhere, boxes that are missing or mean something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.dataset.formats import open_dataset
from engine.dataset.formats.coco_file import id_of
from engine.dataset.index import Dataset
from engine.messages import BadInput
from tests.coco_on_disk import BBOX, CORNERS, coco_content, write_coco, write_json
from tests.dataset_on_disk import SIZE, boxes_of, codes, split_names, write_image, write_text, write_yolo

CAT = [("cat", CORNERS)]


def message(dataset: Dataset, code: str) -> tuple[str, str]:
    """Severity and text of the only finding with this code."""
    (found,) = [finding for finding in dataset.findings if finding.message.code == code]
    return found.severity, str(found.message)


def annotation(image_id: object = 1, category_id: object = 7, **changes: object) -> dict[str, object]:
    return {"image_id": image_id, "category_id": category_id, "bbox": BBOX, **changes}


def test_ids_that_are_text_in_one_place_and_numbers_in_another_are_the_same(tmp_path: Path) -> None:
    content = coco_content("a.jpg", "b.jpg", "c.jpg")
    content["images"][0]["id"] = "1"
    content["annotations"][1]["image_id"] = "02"
    content["annotations"][2]["category_id"] = "7"
    write_coco(tmp_path, "labels.json", "a.jpg", "b.jpg", "c.jpg", **content)
    dataset = open_dataset(tmp_path)
    assert [boxes_of(dataset, f"images/{name}.jpg") for name in "abc"] == [CAT, CAT, CAT]
    assert message(dataset, "label.id_as_text")[1].endswith(": 3; used.")


def test_names_in_place_of_ids(tmp_path: Path) -> None:
    boxes = [annotation("a.jpg", "cat"), annotation("b", "dog"), annotation("c.jpg", "cow")]
    write_coco(tmp_path, "labels.json", "a.jpg", "b.jpg", annotations=boxes)
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "images/a.jpg") == CAT
    assert boxes_of(dataset, "images/b.jpg") == [("dog", CORNERS)]
    assert sorted(codes(dataset)) == ["label.id_as_text", "label.no_class"]


def test_an_exact_id_comes_before_the_same_number_as_text(tmp_path: Path) -> None:
    content = coco_content("a.jpg", "b.jpg", annotations=[annotation("1", 90), annotation(1, 7)])
    content["images"][1]["id"] = "1"
    write_coco(tmp_path, "labels.json", "a.jpg", "b.jpg", **content)
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "images/a.jpg") == CAT
    assert boxes_of(dataset, "images/b.jpg") == [("dog", CORNERS)]
    assert codes(dataset) == []


def test_images_with_one_id_are_left_out_with_their_boxes_and_the_others_stay(tmp_path: Path) -> None:
    content = coco_content("a.jpg", "b.jpg", "c.jpg")
    content["images"][1]["id"] = 1
    content["annotations"][1]["image_id"] = 1
    write_coco(tmp_path, "labels.json", "a.jpg", "b.jpg", "c.jpg", **content)
    dataset = open_dataset(tmp_path)
    assert dataset.images == ("images/c.jpg",)
    severity, text = message(dataset, "image.same_id")
    assert severity == "error"
    assert "2 (a.jpg, b.jpg); which of their 2 boxes" in text
    assert codes(dataset) == ["image.same_id"]


def test_an_image_that_is_listed_once_for_each_box_has_all_of_them(tmp_path: Path) -> None:
    content = coco_content("a.jpg", "a.jpg", annotations=[annotation(1), annotation(2, 90, bbox=[1, 1, 9, 9])])
    write_coco(tmp_path, "labels.json", "a.jpg", **content)
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "images/a.jpg") == [("cat", CORNERS), ("dog", [1, 1, 10, 10])]
    assert codes(dataset) == []


@pytest.mark.parametrize(
    ("wrong", "code", "text"),
    [
        (annotation(1, [1]), "label.no_class", "1 (category_id null)"),
        (annotation(1, None), "label.no_class", "1 (category_id null)"),
        (annotation(1, 8), "label.no_class", "1 (category_id 8)"),
        (annotation(1, True), "label.no_class", "1 (category_id null)"),
        (annotation(99), "label.no_image", "1 (image_id 99)"),
        (annotation([1]), "label.no_image", "1 (image_id null)"),
        (annotation(None), "label.no_image", "1 (image_id null)"),
        (annotation(bbox=None), "label.unreadable", ": 1; left out"),
        (annotation(bbox=[1, 2, 3]), "label.unreadable", ": 1; left out"),
        (annotation(bbox={"x": 1}), "label.unreadable", ": 1; left out"),
        (annotation(bbox=[[1, 2], [3, 4]]), "label.unreadable", ": 1; left out"),
        (annotation(bbox=[1, 2, 10**400, 4]), "label.unreadable", ": 1; left out"),
        ("no object", "label.unreadable", ": 1; left out"),
        (annotation(bbox=[1, 2, float("nan"), 4]), "label.not_a_number", ": 1; left out"),
        (annotation(bbox=[1, 2, float("inf"), 4]), "label.not_a_number", ": 1; left out"),
        (annotation(bbox=[1, 2, -3, 4]), "label.swapped", ": 1; left out"),
    ],
)
def test_an_annotation_that_cannot_be_used_is_left_out_with_its_reason(
    tmp_path: Path, wrong: object, code: str, text: str
) -> None:
    content = coco_content("a.jpg")
    content["annotations"].append(wrong)
    write_coco(tmp_path, "labels.json", "a.jpg", **content)
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "images/a.jpg") == CAT
    assert text in message(dataset, code)[1]
    assert dataset.books["box"] == {"seen": 2, "kept": 1, "left_out": 1}


def test_an_integer_of_thousands_of_digits_is_no_box(tmp_path: Path) -> None:
    write_coco(tmp_path, "labels.json", "a.jpg", "b.jpg")
    text = (tmp_path / "labels.json").read_text().replace("[10, 20, 20, 30]", f"[10, 20, 20, {'9' * 5000}]", 1)
    write_text(tmp_path / "labels.json", text)
    dataset = open_dataset(tmp_path)
    assert (len(dataset.boxes), codes(dataset)) == (1, ["label.not_a_number"])


def test_numbers_as_text_are_read(tmp_path: Path) -> None:
    write_coco(tmp_path, "labels.json", "a.jpg", annotations=[annotation(bbox=["10", "20", "20", "30"])])
    assert boxes_of(open_dataset(tmp_path), "images/a.jpg") == CAT


def test_annotations_and_images_as_objects_with_ids_as_keys(tmp_path: Path) -> None:
    content = coco_content("a.jpg", "b.jpg")
    content["annotations"] = {str(a["id"]): a for a in content["annotations"]}
    content["images"] = {str(i.pop("id")): i for i in content["images"]}
    content["categories"] = {"7": {"name": "cat"}}
    write_coco(tmp_path, "labels.json", "a.jpg", "b.jpg", **content)
    dataset = open_dataset(tmp_path)
    assert [boxes_of(dataset, f"images/{name}.jpg") for name in "ab"] == [CAT, CAT]


@pytest.mark.parametrize("polygons", [[[10, 20, 30, 20, 30, 50]], [[10, 20, 20, 20, 20, 50], [25, 30, 30, 30, 30, 40]]])
def test_without_a_bbox_the_box_around_the_polygons_is_used_and_said(tmp_path: Path, polygons: object) -> None:
    without = {"image_id": 1, "category_id": 7, "segmentation": polygons}
    write_coco(tmp_path, "labels.json", "a.jpg", "b.jpg", annotations=[without, {**without, "image_id": 2, "bbox": []}])
    dataset = open_dataset(tmp_path)
    assert [boxes_of(dataset, f"images/{name}.jpg") for name in "ab"] == [CAT, CAT]
    severity, text = message(dataset, "label.from_polygon")
    assert (severity, ": 2;" in text) == ("warning", True)


def test_a_few_crowds_are_left_out_but_not_the_masks_of_a_tool_that_marks_all(tmp_path: Path) -> None:
    names = ["a.jpg", "b.jpg", "c.jpg"]
    content = coco_content(*names)
    content["annotations"][0]["iscrowd"] = 1
    write_coco(tmp_path / "few", "labels.json", *names, **content)
    few = open_dataset(tmp_path / "few")
    assert (len(few.boxes), message(few, "label.crowd")[0]) == (2, "info")
    for label in content["annotations"]:
        label |= {"iscrowd": 1, "segmentation": {"counts": [0, 5], "size": [60, 80]}}
    write_coco(tmp_path / "all", "labels.json", *names, **content)
    all_marked = open_dataset(tmp_path / "all")
    assert len(all_marked.boxes) == 3
    severity, text = message(all_marked, "label.crowd")
    assert (severity, "3 of 3" in text) == ("warning", True)


def test_categories_that_are_missing_or_unnamed_or_share_an_id(tmp_path: Path) -> None:
    write_coco(tmp_path / "none", "labels.json", "a.jpg", categories=None)
    none = open_dataset(tmp_path / "none")
    assert (none.classes, message(none, "class.unnamed")[0]) == (("class 7",), "warning")
    write_coco(tmp_path / "unnamed", "labels.json", "a.jpg", categories=[{"id": 7, "name": None}])
    assert open_dataset(tmp_path / "unnamed").classes == ("class 7",)
    both = [{"id": 7, "name": "cat"}, {"id": 7, "name": "dog"}, {"id": 8, "name": "bird"}]
    boxes = [annotation(), annotation(1, 8, bbox=[1, 1, 9, 9])]
    write_coco(tmp_path / "both", "labels.json", "a.jpg", categories=both, annotations=boxes)
    dataset = open_dataset(tmp_path / "both")
    assert boxes_of(dataset, "images/a.jpg") == [("bird", [1, 1, 10, 10])]
    assert message(dataset, "label.class_ambiguous")[0] == "error"


def test_the_classes_are_in_the_order_of_the_categories_without_those_that_have_no_box(tmp_path: Path) -> None:
    """Roboflow's first category is a placeholder without boxes."""
    categories = [
        {"id": 0, "name": "animals", "supercategory": "none"},
        {"id": 1, "name": "dog"},
        {"id": 2, "name": "cat"},
    ]
    boxes = [annotation(1, 2), annotation(2, 1)]
    write_coco(
        tmp_path,
        "train/_annotations.coco.json",
        "a.jpg",
        "b.jpg",
        folder="train",
        categories=categories,
        annotations=boxes,
    )
    assert open_dataset(tmp_path).classes == ("dog", "cat")


@pytest.mark.parametrize(
    ("label_file", "folder", "name"),
    [
        ("annotations.json", "images", "images\\{}"),
        ("annotations.json", "images", "C:\\Users\\me\\images\\{}"),
        ("annotations/instances_default.json", "images", "/home/me/project/images/{}"),
        ("annotations/instances_default.json", "images", "../images/{}"),
        ("annotations/instances_default.json", "images/default", "{}"),
        ("annotations/instances_train2017.json", "train2017", "{}"),
        ("annotations/instances_val.json", "images/val", "{}"),
        ("annotations/valid.json", "valid/images", "{}"),
        ("train/annotations.json", "train/images", "{}"),
        ("train/_annotations.coco.json", "train", "{}"),
        ("labels.json", "data", "{}"),
        ("labels.json", "photos/2024", "{}"),
        ("result.json", "images", "https://host.example/data/upload/1/{}?X=1"),
        ("result.json", "images", "/data/local-files/?d=images/{}"),
        ("result.json", "images", "1f2e3d4c-{}"),
        ("result.json", "images", "images/{}".replace("i", "%69")),
    ],
)
def test_images_are_found_where_tools_put_them(tmp_path: Path, label_file: str, folder: str, name: str) -> None:
    content = coco_content("a.jpg", "b.jpg")
    for image in content["images"]:
        image["file_name"] = name.format(image["file_name"])
    write_coco(tmp_path, label_file, "a.jpg", "b.jpg", folder=folder, **content)
    dataset = open_dataset(tmp_path)
    assert [boxes_of(dataset, f"{folder}/{file}.jpg") for file in "ab"] == [CAT, CAT]
    named = open_dataset(tmp_path / label_file)
    assert len(named.boxes) == (2 if named.root == tmp_path or folder.startswith("train") else 0)


def test_images_of_one_name_in_two_splits_are_those_of_the_split(tmp_path: Path) -> None:
    write_coco(tmp_path, "annotations/instances_train.json", "1.jpg", "2.jpg", folder="train")
    write_coco(tmp_path, "annotations/instances_val.json", "1.jpg", folder="val", annotations=[annotation(1, 90)])
    dataset = open_dataset(tmp_path)
    assert split_names(dataset) == {"train": ["train/1.jpg", "train/2.jpg"], "val": ["val/1.jpg"], "test": []}
    assert boxes_of(dataset, "val/1.jpg") == [("dog", CORNERS)]
    assert codes(dataset) == []


def test_a_name_that_several_images_have_is_said(tmp_path: Path) -> None:
    content = coco_content("1.jpg", "2.jpg")
    for folder in ("x", "y"):
        write_image(tmp_path / folder / "1.jpg")
    write_coco(tmp_path, "labels.json", "2.jpg", **content)
    severity, text = message(open_dataset(tmp_path), "image.ambiguous")
    assert (severity, "1 (1.jpg); left out with their 1 boxes" in text) == ("error", True)


def test_missing_unread_and_foreign_images_are_left_out_with_their_boxes(tmp_path: Path) -> None:
    content = coco_content("a.jpg", "gone.jpg", "b.heic", "../../etc/passwd", "no id.jpg")
    del content["images"][4]["id"]
    write_coco(tmp_path, "labels.json", "a.jpg", **content)
    (tmp_path / "images" / "b.heic").write_bytes(b"not read")
    dataset = open_dataset(tmp_path)
    assert dataset.images == ("images/a.jpg",)
    assert message(dataset, "image.missing") == (
        "error",
        "labels.json: images that do not exist: 1 (gone.jpg); left out with their 1 boxes.",
    )
    assert sorted(set(codes(dataset))) == [
        "image.missing", "image.no_id", "image.unread_format", "label.no_image", "label.outside_dataset",
    ]  # fmt: skip
    assert dataset.books["box"] == {"seen": 5, "kept": 1, "left_out": 4}
    assert dataset.books["line"] == {"seen": 5, "kept": 1, "left_out": 4}


def test_corners_in_place_of_sizes_are_suspected(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(6)]
    boxes = [annotation(n, bbox=[10 + 5 * n, 20, 30 + 5 * n, 50]) for n in range(1, 7)]
    write_coco(tmp_path, "labels.json", *names, annotations=boxes)
    severity, text = message(open_dataset(tmp_path), "label.corners")
    assert (severity, ": 6; bbox looks like x1 y1 x2 y2" in text) == ("warning", True)
    write_coco(tmp_path, "labels.json", *names)
    assert codes(open_dataset(tmp_path)) == []


def test_areas_tell_corners_that_stay_inside_their_images(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(6)]
    boxes = [annotation(n, bbox=[10 + n, 5, 30 + n, 20], area=300) for n in range(1, 7)]
    write_coco(tmp_path, "labels.json", *names, annotations=boxes)
    assert message(open_dataset(tmp_path), "label.corners")[0] == "warning"


def test_masks_of_cvat_among_other_shapes_are_no_crowds(tmp_path: Path) -> None:
    content = coco_content("a.jpg", "b.jpg", "c.jpg")
    content["annotations"][0] |= {"iscrowd": 1, "attributes": {"occluded": False}}
    write_coco(tmp_path, "labels.json", "a.jpg", "b.jpg", "c.jpg", **content)
    dataset = open_dataset(tmp_path)
    assert len(dataset.boxes) == 3
    assert "1 of 3; they are masks" in message(dataset, "label.crowd")[1]


def test_fractions_in_place_of_pixels_are_taken_for_that_and_said(tmp_path: Path) -> None:
    x, y, width, height = BBOX
    fractions = [x / SIZE[0], y / SIZE[1], width / SIZE[0], height / SIZE[1]]
    write_coco(tmp_path, "labels.json", "a.jpg", "b.jpg", annotations=[annotation(bbox=fractions)])
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "images/a.jpg") == CAT
    assert message(dataset, "label.fractions")[0] == "warning"


def test_other_files_that_coco_publishes_are_left_out(tmp_path: Path) -> None:
    write_coco(tmp_path, "annotations/instances_train2017.json", "a.jpg", "b.jpg", folder="train2017")
    for kind in ("person_keypoints", "captions", "panoptic"):
        write_json(tmp_path / "annotations" / f"{kind}_train2017.json", coco_content("a.jpg"))
    dataset = open_dataset(tmp_path)
    assert (len(dataset.boxes), codes(dataset)) == (2, ["label.other_kind"])
    assert dataset.books["label_file"] == {"seen": 4, "kept": 1, "left_out": 3}


def test_captions_without_a_file_of_boxes_beside_them_are_said(tmp_path: Path) -> None:
    write_coco(tmp_path, "labels.json", "a.jpg", "b.jpg")
    captions = [{"image_id": 1, "caption": "a cat"}, {"image_id": 2, "caption": "a dog"}]
    write_json(tmp_path / "texts.json", coco_content("a.jpg", "b.jpg", annotations=captions))
    write_json(tmp_path / "unlabelled.json", {"images": coco_content("c.jpg")["images"], "categories": []})
    dataset = open_dataset(tmp_path)
    found = sorted(str(f.message) for f in dataset.findings if f.message.code == "label.other_kind")
    assert found == [
        "texts.json: has captions or panoptic segments for its 2 images, no boxes; left out.",
        "unlabelled.json: has no annotations for its 1 images; left out.",
    ]


def test_an_empty_list_of_annotations_is_said(tmp_path: Path) -> None:
    write_coco(tmp_path, "train.json", "a.jpg", "b.jpg")
    write_coco(tmp_path, "val.json", "c.jpg", annotations=[])
    severity, text = message(open_dataset(tmp_path), "label.no_annotations")
    assert (severity, "its 1 images" in text) == ("warning", True)


@pytest.mark.parametrize(
    "stray",
    [
        {"name": "app", "images": ["logo.png"], "annotations": "none"},
        {"_via_settings": {}, "_via_img_metadata": {}, "images": [{"x": 1}]},
        [{"image_id": 1, "category_id": 7, "bbox": BBOX, "score": 0.5}],
        {"annotations": [{"text": "a note"}], "images": []},
        {"shapes": [], "images": []},
    ],
)
def test_a_stray_json_is_no_data_set(tmp_path: Path, stray: object) -> None:
    write_yolo(tmp_path, "images/a.jpg", "images/b.jpg")
    write_json(tmp_path / "notes.json", stray)
    dataset = open_dataset(tmp_path)
    assert (dataset.format, len(dataset.boxes)) == ("yolo", 2)
    with pytest.raises(BadInput, match=r"no labels found.*a \.json with images and annotations"):
        open_dataset(tmp_path, format="coco")


def test_a_damaged_file_is_said_with_its_line_and_the_others_are_read(tmp_path: Path) -> None:
    write_coco(tmp_path, "train.json", "a.jpg", "b.jpg")
    broken = json.dumps(coco_content("c.jpg"), indent=1).replace('"bbox"', "bbox")
    write_text(tmp_path / "val.json", broken)
    dataset = open_dataset(tmp_path)
    line = 1 + broken[: broken.index("bbox")].count("\n")
    assert f"val.json: not valid JSON (line {line}: " in message(dataset, "label.unreadable")[1]
    assert dataset.books["label_file"] == {"seen": 2, "kept": 1, "left_out": 1}


@pytest.mark.parametrize("ending", ["", "]", '"annotations": [' + "[" * 100_000, "}}", "} trailing"])
def test_a_file_that_is_no_json_is_refused_with_the_reason(tmp_path: Path, ending: str) -> None:
    write_text(
        tmp_path / "labels.json", json.dumps(coco_content("a.jpg"))[:-1] + "," * bool(ending[:1] == '"') + ending
    )
    with pytest.raises(BadInput, match=r"looks like coco.*labels\.json: not valid JSON \(line 1: "):
        open_dataset(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    content = coco_content("大象.jpg", categories=[{"id": 7, "name": "大象"}])
    write_image(tmp_path / "大象.jpg")
    write_text(tmp_path / "labels.json", json.dumps(content, ensure_ascii=False), encoding)
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "大象.jpg") == [("大象", CORNERS)]
    assert codes(dataset) == (["text.encoding"] if encoding == "gb18030" else [])


def test_images_in_several_files_are_said(tmp_path: Path) -> None:
    write_coco(tmp_path, "labels.json", "a.jpg", "b.jpg")
    write_coco(tmp_path, "labels_old.json", "a.jpg", annotations=[annotation(1, 90)])
    severity, text = message(open_dataset(tmp_path), "image.several_label_files")
    assert (severity, "1 (images/a.jpg (labels.json, labels_old.json))" in text) == ("warning", True)


def test_a_value_that_is_cut_by_the_end_of_a_chunk_is_read_whole(tmp_path: Path) -> None:
    """The file is read a million characters at a time."""
    names = ["a.jpg", "b.jpg"]
    for padding in range(3):
        content: dict[str, Any] = {
            "info": {"text": "x" * (1_048_550 + padding)},
            "version": 12345,
            **coco_content(*names),
        }
        write_coco(tmp_path, "labels.json", *names, **content)
        assert len(open_dataset(tmp_path).boxes) == 2


def test_reading_can_be_cancelled(tmp_path: Path) -> None:
    write_coco(tmp_path, "labels.json", "a.jpg", annotations=[annotation()] * 20_001)

    def cancel(done: int, total: int) -> None:
        if done >= 20_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_dataset(tmp_path, progress=cancel)


@pytest.mark.parametrize("folder", ["images", "images/train"])
def test_the_folder_of_the_images_finds_the_annotations_beside_it(tmp_path: Path, folder: str) -> None:
    write_coco(tmp_path, "annotations/instances_train.json", "a.jpg", folder=folder)
    dataset = open_dataset(tmp_path / folder)
    assert (dataset.root, boxes_of(dataset, f"{folder}/a.jpg")) == (tmp_path, CAT)


def test_a_mask_without_a_box_is_called_so(tmp_path: Path) -> None:
    mask = {"counts": "abc", "size": [60, 80]}
    rows = [annotation(), annotation(bbox=None, segmentation=mask), annotation(bbox=None)]
    write_coco(tmp_path, "labels.json", "a.jpg", annotations=rows)
    dataset = open_dataset(tmp_path)
    assert ": 1; left out" in message(dataset, "label.only_mask")[1]
    assert ": 1; left out" in message(dataset, "label.unreadable")[1]


def test_an_id_of_any_length_is_no_defect() -> None:
    assert id_of(10**400) is None
    assert id_of(-(10**30)) is None
    assert id_of(2**40) == 2**40
