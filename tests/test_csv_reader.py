"""CSV as Roboflow, TensorFlow's examples, Keras-RetinaNet, Kaggle and OpenImages write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.dataset.formats import open_dataset
from tests.coco_on_disk import CORNERS
from tests.dataset_on_disk import SIZE, boxes_of, codes, split_names, write_image, write_text, write_yolo

CAT = [("cat", CORNERS)]
HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


def write_csv(root: Path, file: str, text: str, *images: str) -> Path:
    """A table and its images."""
    for image in images:
        write_image(root / image)
    return write_text(root / file, text)


def test_roboflow_a_table_in_the_folder_of_each_split(tmp_path: Path) -> None:
    rows = "".join(f"{name}.jpg,80,60,cat,10,20,30,50\n" for name in "ab")
    write_csv(tmp_path, "train/_annotations.csv", HEADER + rows, "train/a.jpg", "train/b.jpg")
    write_csv(tmp_path, "valid/_annotations.csv", HEADER + "c.jpg,80,60,dog,1,2,3,4\n", "valid/c.jpg")
    dataset = open_dataset(tmp_path)
    assert (dataset.format, dataset.classes, codes(dataset)) == ("csv", ("cat", "dog"), [])
    assert split_names(dataset) == {"train": ["train/a.jpg", "train/b.jpg"], "val": ["valid/c.jpg"], "test": []}
    assert boxes_of(dataset, "train/b.jpg") == CAT
    assert open_dataset(tmp_path / "train" / "_annotations.csv").images == ("a.jpg", "b.jpg")


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "a.jpg,80,60,cat,10,20,30,50\n",
        "﻿" + HEADER + 'a.jpg,80,60,"cat",10.0,20,30,50\r\n\r\n',
        "a.jpg,10,20,30,50,cat\n",
        "data/images/a.jpg,10,20,30,50,cat\nimages/b.jpg,,,,,\n",
        "C:\\me\\images\\a.jpg;10;20;30,0;50;cat\n",
        '"image","xmin","ymin","xmax","ymax","label"\n"a.jpg",10,20,30,50,"cat"\n',
        'image_id,width,height,bbox,class\na,80,60,"[10, 20, 20, 30]",cat\n',
        "image_id,class_name,class_id,x_min,y_min,x_max,y_max\na,cat,3,10,20,30,50\nb,No finding,14,,,,\n",
        "ImageID,x,y,w,h,label\na.jpg,10,20,20,30,cat\n",
        "image_name\tx\ty\twidth\theight\tlabel\na.jpg\t10\t20\t20\t30\tcat\n",
    ],
)
def test_the_tables_of_tools(tmp_path: Path, text: str) -> None:
    write_csv(tmp_path, "labels.csv", text, "images/a.jpg", "images/b.jpg")
    dataset = open_dataset(tmp_path)
    assert (dataset.format, boxes_of(dataset, "images/a.jpg")) == ("csv", CAT)
    assert dataset.images[1:] == (("images/b.jpg",) if "\nb," in text or "b.jpg" in text else ())


def test_fractions_of_openimages(tmp_path: Path) -> None:
    x1, y1, x2, y2 = (value / side for value, side in zip(CORNERS, (*SIZE, *SIZE), strict=True))
    text = f"ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\na,x,cat,1,{x1},{x2},{y1},{y2}\n"
    write_csv(tmp_path, "train-bbox.csv", text, "train/a.jpg")
    dataset = open_dataset(tmp_path)
    assert (dataset.unit, boxes_of(dataset, "train/a.jpg")) == ("fraction", CAT)


def test_lines_that_cannot_be_used_are_left_out_with_their_reasons(tmp_path: Path) -> None:
    rows = [
        "a.jpg,80,60,cat,10,20,30,50",
        "a.jpg,80,60,,1,2,3,4",
        "a.jpg,80,60,cat,x,2,3,4",
        "a.jpg,80,60,cat,nan,2,3,4",
        "a.jpg,80,60,cat,1e999,2,3,4",
        "a.jpg,80,60,cat,1,2",
        ",80,60,cat,1,2,3,4",
        "gone.jpg,80,60,cat,1,2,3,4",
        "gone.jpg,80,60,cat,5,6,7,8",
    ]
    write_csv(tmp_path, "labels.csv", HEADER + "\n".join(rows), "a.jpg", "b.jpg")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "a.jpg") == CAT
    assert {f.message.code: f.message.values["count"] for f in dataset.findings} == {
        "label.no_class": 1, "label.unreadable": 4, "label.no_image": 1, "image.missing": 1, "image.unused": 1,
    }  # fmt: skip
    assert dataset.books["box"] == {"seen": 9, "kept": 1, "left_out": 8}
    assert dataset.books["line"] == {"seen": 2, "kept": 1, "left_out": 1}


def test_without_a_column_for_the_class_there_is_one_class(tmp_path: Path) -> None:
    write_csv(tmp_path, "boxes.csv", "image,xmin,ymin,xmax,ymax\na.jpg,10,20,30,50\n", "a.jpg")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "a.jpg") == [("object", CORNERS)]
    assert codes(dataset) == ["class.unnamed"]


def test_a_column_gives_the_split(tmp_path: Path) -> None:
    text = "split,filename,class,xmin,ymin,xmax,ymax\ntrain,a.jpg,cat,1,2,30,40\ntrain,b.jpg,cat,1,2,30,40\nvalid,c.jpg,cat,1,2,9,9\n"
    write_csv(tmp_path, "labels.csv", text, "a.jpg", "b.jpg", "c.jpg")
    assert open_dataset(tmp_path).image_counts() == {"train": 2, "val": 1, "test": 0}


@pytest.mark.parametrize(
    "text", ["epoch,loss\n1,0.5\n", "name,age\ncat,3\n", "", "\0\0", "a.jpg,b.jpg\n", "x" * 200_000, "a.jpg,1,2,3,4\n"]
)
def test_another_table_is_no_data_set(tmp_path: Path, text: str) -> None:
    write_yolo(tmp_path, "images/a.jpg", "images/b.jpg")
    write_text(tmp_path / "results.csv", text)
    dataset = open_dataset(tmp_path)
    assert (dataset.format, len(dataset.boxes)) == ("yolo", 2)


def test_makesense_writes_no_header(tmp_path: Path) -> None:
    write_csv(tmp_path, "labels_project.csv", "cat,10,20,20,30,a.jpg,80,60\n", "a.jpg")
    assert boxes_of(open_dataset(tmp_path), "a.jpg") == CAT


def test_the_codes_of_openimages_become_words(tmp_path: Path) -> None:
    text = "ImageID,LabelName,XMin,XMax,YMin,YMax\na,/m/01yrx,0.1,0.2,0.1,0.2\na,/m/09,0.3,0.4,0.1,0.2\n"
    write_csv(tmp_path, "train-bbox.csv", text, "train/a.jpg")
    write_text(tmp_path / "class-descriptions-boxable.csv", "/m/01yrx,Cat\n")
    assert open_dataset(tmp_path).classes == ("/m/09", "Cat")
