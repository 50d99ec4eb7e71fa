"""Pascal VOC as label tools and published data sets write it: what is found, what is left out and how that is said."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.dataset.formats import open_dataset
from engine.dataset.index import Dataset
from engine.messages import BadInput
from tests.dataset_on_disk import (
    SIZE,
    annotation,
    boxes_of,
    codes,
    split_names,
    write_cat_voc,
    write_image,
    write_text,
)

CAT = [("cat", [10, 20, 30, 50])]


def label(path: Path, image: str = "", name: str = "cat") -> Path:
    """An annotation with one box, that of CAT; it says that its image is called `image`."""
    return write_text(path, annotation(image or f"{path.stem}.png", SIZE, [(name, (10, 20, 30, 50))]))


def xml(objects: str, declaration: str = "") -> str:
    return f"{declaration}<annotation><size><width>80</width><height>60</height></size>{objects}</annotation>"


def box(name: str = "cat", extra: str = "") -> str:
    corners = "<xmin>10</xmin><ymin>20</ymin><xmax>30</xmax><ymax>50</ymax>"
    return f"<object><name>{name}</name>{extra}<bndbox>{corners}</bndbox></object>"


def message(dataset: Dataset, code: str) -> str:
    (found,) = [str(item.message) for item in dataset.findings if item.message.code == code]
    return found


# Where the files lie


@pytest.mark.parametrize(
    ("label_folder", "image_folder"),
    [
        ("annotations", "images"),  # Kaggle
        ("Annotation", "JPEGImages"),
        ("ANNOTATIONS", "JPEGIMAGES"),
        ("annotations/xmls", "images"),  # Oxford pets
        ("xmls", "img"),
        ("labels", "data"),  # FiftyOne
        ("annots", "."),
        (".", "images"),
        ("train_annots", "train_images"),
        ("annotations/train", "images/train"),
        ("train/annotations", "train/images"),
        ("Annotations/day 1", "JPEGImages/day 1"),  # CVAT
        ("Annotations/CLS-LOC/train/n01", "Data/CLS-LOC/train/n01"),  # ImageNet
    ],
)
def test_labels_and_images_in_the_folders_of_each_tool(tmp_path: Path, label_folder: str, image_folder: str) -> None:
    for name in "ab":
        label(tmp_path / label_folder / f"{name}.xml")
        write_image(tmp_path / image_folder / f"{name}.png")
    dataset = open_dataset(tmp_path)
    assert sorted(dataset.images) == [(Path(image_folder) / f"{name}.png").as_posix() for name in "ab"]
    assert [boxes_of(dataset, image) for image in dataset.images] == [CAT, CAT]
    assert codes(dataset) == []


@pytest.mark.parametrize("level", [".", "annotations", "annotations/xmls", "images"])
def test_every_level_of_a_tree_opens_it(tmp_path: Path, level: str) -> None:
    for name in "ab":
        label(tmp_path / "annotations" / "xmls" / f"{name}.xml")
        write_image(tmp_path / "images" / f"{name}.png")
    assert open_dataset(tmp_path / level).root == tmp_path


def test_suffixes_in_capitals_and_a_suffix_after_that_of_the_image(tmp_path: Path) -> None:
    label(tmp_path / "Annotations" / "a.XML")
    label(tmp_path / "Annotations" / "b.png.xml")
    for name in ("a.PNG", "b.png"):
        write_image(tmp_path / "JPEGImages" / name)
    assert open_dataset(tmp_path).images == ("JPEGImages/a.PNG", "JPEGImages/b.png")


def test_labels_in_subfolders_beside_flat_ones(tmp_path: Path) -> None:
    for place in (".", "day1", "day1/late"):
        label(tmp_path / "Annotations" / place / f"{Path(place).name or 'flat'}.xml")
        write_image(tmp_path / "JPEGImages" / place / f"{Path(place).name or 'flat'}.png")
    assert len(open_dataset(tmp_path).labels) == 3


def test_equal_names_in_two_folders_belong_to_the_labels_of_these_folders(tmp_path: Path) -> None:
    for place in ("day1", "day2"):
        label(tmp_path / "Annotations" / place / "a.xml", name=place)
        write_image(tmp_path / "JPEGImages" / place / "a.png")
    dataset = open_dataset(tmp_path)
    assert [boxes_of(dataset, f"JPEGImages/{place}/a.png")[0][0] for place in ("day1", "day2")] == ["day1", "day2"]


def test_two_years_are_read_with_the_splits_of_both(tmp_path: Path) -> None:
    write_cat_voc(tmp_path / "VOCdevkit" / "VOC2007", "a b c", train="a b", val="c")
    write_cat_voc(tmp_path / "VOCdevkit" / "VOC2012", "a e", train="a", val="e")
    dataset = open_dataset(tmp_path)
    assert split_names(dataset) == {
        "train": ["VOC2007/JPEGImages/a.jpg", "VOC2007/JPEGImages/b.jpg", "VOC2012/JPEGImages/a.jpg"],
        "val": ["VOC2007/JPEGImages/c.jpg", "VOC2012/JPEGImages/e.jpg"],
        "test": [],
    }
    assert codes(dataset) == []


# Which image belongs to a label


def test_of_two_images_of_one_stem_filename_decides(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif", "b.png", "b.tif"):
        write_image(tmp_path / "JPEGImages" / name)
    label(tmp_path / "Annotations" / "a.xml", "a.tif")
    label(tmp_path / "Annotations" / "b.xml", "another.png")
    dataset = open_dataset(tmp_path)
    assert dataset.images == ("JPEGImages/a.tif",)
    assert "Annotations/b.xml" in message(dataset, "image.ambiguous")
    assert "1 (Annotations/b.xml), with 1 boxes" in message(dataset, "image.ambiguous")


@pytest.mark.parametrize(
    "filename", ["shot 1.png", "C:\\data\\shot 1.png", "/home/me/SHOT 1.PNG", "shot 1", "shot 1.jpg"]
)
def test_where_no_image_has_the_name_of_the_label_filename_names_it(tmp_path: Path, filename: str) -> None:
    write_image(tmp_path / "JPEGImages" / "shot 1.png")
    label(tmp_path / "Annotations" / "label_1.xml", filename)
    assert boxes_of(open_dataset(tmp_path), "JPEGImages/shot 1.png") == CAT


def test_an_image_elsewhere_is_found_by_its_name_and_said(tmp_path: Path) -> None:
    write_image(tmp_path / "raw" / "camera" / "a.png")
    label(tmp_path / "Annotations" / "a.xml")
    dataset = open_dataset(tmp_path)
    assert dataset.images == ("raw/camera/a.png",)
    assert codes(dataset) == ["image.elsewhere"]


def test_masks_are_not_taken_for_images(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, "a b")
    write_image(tmp_path / "SegmentationClass" / "a.png")
    dataset = open_dataset(tmp_path)
    assert dataset.images == ("JPEGImages/a.jpg", "JPEGImages/b.jpg")
    assert codes(dataset) == ["image.masks"]


# Splits


def test_folders_of_an_exporter_are_splits(tmp_path: Path) -> None:
    for folder, names in (("train", "ab"), ("valid", "c"), ("test", "d")):
        for name in names:
            label(tmp_path / folder / f"{name}_png.rf.0a1b.xml")
            write_image(tmp_path / folder / f"{name}_png.rf.0a1b.png")
    dataset = open_dataset(tmp_path)
    assert (dataset.image_counts(), dataset.splits_drawn) == ({"train": 2, "val": 1, "test": 1}, False)


@pytest.mark.parametrize(
    "form",
    ["{}", "{}.jpg", "{}.xml", "JPEGImages/{}.jpg", "/home/me/VOC/JPEGImages/{}.jpg", "D:\\VOC\\{}.jpg", "{}  1", "{} -1",
     "{}.jpg 0", '"{}"', "./JPEGImages/{}.jpg ./Annotations/{}.xml", "{} 1 2 1"],
)  # fmt: skip
def test_forms_of_a_line_in_a_list(tmp_path: Path, form: str) -> None:
    train, val = (" ".join(names) for names in ("ab", "c"))
    write_cat_voc(tmp_path, "a b c")
    for split, names in (("train", train), ("val", val)):
        lines = [form.replace("{}", name) for name in names.split()]
        write_text(tmp_path / "ImageSets" / "Main" / f"{split}.txt", "\n".join(lines))
    dataset = open_dataset(tmp_path)
    assert split_names(dataset)["val"] == ["JPEGImages/c.jpg"]
    assert dataset.books["line"] == {"seen": 3, "kept": 3, "left_out": 0}
    assert codes(dataset) == []


def test_a_name_that_ends_like_the_lists_of_one_class(tmp_path: Path) -> None:
    for name in ("img", "img 1", "img 0"):
        label(tmp_path / "Annotations" / f"{name}.xml")
        write_image(tmp_path / "JPEGImages" / f"{name}.png")
    write_text(tmp_path / "ImageSets" / "Main" / "train.txt", "img 1\nimg\n")
    write_text(tmp_path / "ImageSets" / "Main" / "val.txt", "img 0 -1\n")
    assert split_names(open_dataset(tmp_path))["val"] == ["JPEGImages/img 0.png"]


def test_lists_of_one_class_are_used_where_there_is_no_other(tmp_path: Path) -> None:
    """VoTT writes nothing else; one of VOC's classes is called train."""
    write_cat_voc(tmp_path, "a b c", train_train="a.jpg", cat_train="b.jpg", train_val="c.jpg", cat_val="c.jpg")
    dataset = open_dataset(tmp_path)
    assert split_names(dataset) == {
        "train": ["JPEGImages/a.jpg", "JPEGImages/b.jpg"],
        "val": ["JPEGImages/c.jpg"],
        "test": [],
    }


def test_lists_of_one_class_and_of_other_tasks_do_not_add_to_a_split(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, "a b c d", train="a b", val="c", train_val="a", cat_train="d")
    for task in ("Layout", "Segmentation"):
        write_text(tmp_path / "ImageSets" / task / "train.txt", "d\n")
    dataset = open_dataset(tmp_path)
    assert split_names(dataset)["train"] == ["JPEGImages/a.jpg", "JPEGImages/b.jpg"]
    assert "1 (JPEGImages/d.jpg)" in message(dataset, "split.none")


def test_trainval_is_the_training_split_where_there_is_no_other(tmp_path: Path) -> None:
    dataset = open_dataset(write_cat_voc(tmp_path, "a b c", trainval="a b c", test="c"))
    assert {image for split in ("train", "val") for image in split_names(dataset)[split]} == {
        "JPEGImages/a.jpg",
        "JPEGImages/b.jpg",
    }
    assert codes(dataset) == []


@pytest.mark.parametrize("folder", ["ImageSets", "imagesets/main", "."])
def test_lists_outside_of_main(tmp_path: Path, folder: str) -> None:
    write_cat_voc(tmp_path, "a b c")
    write_text(tmp_path / folder / "train.txt", "gone\na\nb\n")
    write_text(tmp_path / folder / "val.txt", "c\n")
    dataset = open_dataset(tmp_path)
    assert split_names(dataset)["val"] == ["JPEGImages/c.jpg"]
    assert "1 (gone)" in message(dataset, "label.missing")


def test_a_list_names_the_image_that_filename_names(tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / "JPEGImages" / f"shot{number}.png")
        label(tmp_path / "Annotations" / f"label{number}.xml", f"shot{number}.png")
    write_text(tmp_path / "ImageSets" / "Main" / "train.txt", "shot0\nshot1.png\n")
    write_text(tmp_path / "ImageSets" / "Main" / "val.txt", "label2\n")
    assert split_names(open_dataset(tmp_path))["val"] == ["JPEGImages/shot2.png"]


def test_lines_without_annotation_are_counted_in_one_finding(tmp_path: Path) -> None:
    names = [f"gone{number}" for number in range(30)]
    dataset = open_dataset(write_cat_voc(tmp_path, "a b c", train=" ".join(["a", "b", *names, "../../x"]), val="c"))
    assert "30 (gone0, gone1, gone2)" in message(dataset, "label.missing")
    assert "1 (../../x)" in message(dataset, "label.outside_dataset")
    assert dataset.books["line"] == {"seen": 34, "kept": 3, "left_out": 31}


# What is in a file


def test_namespaces_and_the_case_of_tags_do_not_matter(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, "a b c")
    text = annotation("a.jpg", SIZE, [("dog", (10, 20, 30, 50))])
    for name, changed in (
        ("a", text.replace("<annotation>", '<annotation xmlns="http://example.org/voc">')),
        ("b", text.replace("<", "<v:").replace("<v:/", "</v:").replace("<v:annotation>", '<v:annotation xmlns:v="x">')),
        ("c", text.replace("object>", "Object>").replace("bndbox>", "BndBox>")),
    ):
        write_text(tmp_path / "Annotations" / f"{name}.xml", changed)
    assert open_dataset(tmp_path).box_counts() == {"dog": 3}


ROTATED = "<object><name>cat</name><robndbox><cx>1</cx><cy>1</cy><w>3</w><h>3</h><angle>0.3</angle></robndbox></object>"
LABELBOX = "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate([(10, 30), (20, 20), (30, 50)], 1))
LABELME = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in [(10, 30), (20, 20), (30, 50)])
ENTITIES = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]>'


@pytest.mark.parametrize(
    ("objects", "code", "words"),
    [
        (ROTATED, "label.rotated", "rotated box"),
        ("<object><name>cat</name></object>", "label.unreadable", "without a readable box"),
        (box().replace("30", "wide"), "label.unreadable", "without a readable box"),
        (box().replace("<xmin>10</xmin>", ""), "label.unreadable", "without a readable box"),
        (box(name=" "), "label.no_class", "without a class name"),
        (box(extra="<difficult> 1 </difficult>"), "label.difficult", "marked difficult"),
        (box(extra="<deleted>1</deleted>"), "label.deleted", "marked deleted"),
        (box().replace("10", "nan"), "label.not_a_number", "without numbers"),
        (box().replace("10", "1e400"), "label.not_a_number", "without numbers"),
        (box().replace("10", "9" * 5000), "label.not_a_number", "without numbers"),
        (box().replace("10", "40"), "label.swapped", "upper left"),
        (box().replace("10", "30"), "label.zero_size", "without width or height"),
        (box().replace("10", "210").replace(">30<", ">230<"), "label.wholly_outside", "outside the image"),
        ("<object><name>cat</name><polygon><x1>1</x1><y1>nan</y1></polygon></object>", "label.unreadable", "readable"),
    ],
)  # fmt: skip
def test_an_object_that_cannot_be_used_is_counted_with_its_reason(
    tmp_path: Path, objects: str, code: str, words: str
) -> None:
    write_cat_voc(tmp_path, "a b")
    write_text(tmp_path / "Annotations" / "a.xml", xml(objects + box("dog")))
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "JPEGImages/a.jpg") == [("dog", [10, 20, 30, 50])]
    assert codes(dataset) == [code]
    assert words in message(dataset, code)
    assert re.search(r"\b1\b", message(dataset, code))
    assert dataset.books["box"] == {"seen": 3, "kept": 2, "left_out": 1}
    # Alone it is the reason why there is nothing to learn from.
    for name in "ab":
        write_text(tmp_path / "Annotations" / f"{name}.xml", xml(objects))
    with pytest.raises(BadInput, match=f"no box is left.*{words}.*2|no box is left.*2 objects.*{words}"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("points", [LABELBOX, LABELME])
def test_an_object_with_a_polygon_only_gets_the_box_around_it(tmp_path: Path, points: str) -> None:
    write_cat_voc(tmp_path, "a b")
    polygon = f"<object><name>dog</name><polygon>{points}</polygon></object>"
    write_text(tmp_path / "Annotations" / "a.xml", xml(box() + polygon))
    dataset = open_dataset(tmp_path)
    assert ("dog", [10, 20, 30, 50]) in boxes_of(dataset, "JPEGImages/a.jpg")
    assert "1 (Annotations/a.xml)" in message(dataset, "label.polygon")


def test_parts_of_an_object_are_no_objects(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, "a b")
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></part>"
    write_text(tmp_path / "Annotations" / "a.xml", xml(box(extra=part)))
    assert boxes_of(open_dataset(tmp_path), "JPEGImages/a.jpg") == CAT


def test_an_annotation_without_objects_makes_its_image_background(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, "a b")
    write_text(tmp_path / "Annotations" / "a.xml", xml(""))
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "JPEGImages/a.jpg") == []
    assert codes(dataset) == []


@pytest.mark.parametrize(
    "size", ["", "<width>0</width><height>0</height>", "<width>x</width>", "<width>1e300</width><height>-1</height>"]
)
def test_a_size_that_is_none_is_not_used(tmp_path: Path, size: str) -> None:
    write_cat_voc(tmp_path, "a b")
    write_text(tmp_path / "Annotations" / "a.xml", f"<annotation><size>{size}</size>{box()}</annotation>")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "JPEGImages/a.jpg") == CAT
    assert dataset.sizes[0].tolist() == [0, 0]


def test_boxes_are_not_cut_by_a_wrong_size(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, "a b")
    write_text(tmp_path / "Annotations" / "a.xml", xml(box()).replace(">80<", ">20<").replace(">60<", ">15<"))
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "JPEGImages/a.jpg") == CAT
    assert codes(dataset) == ["image.size_wrong"]


# Files that cannot be used


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ("", "label.unreadable", "no element found"),
        (xml(box())[:-20], "label.unreadable", "not valid XML"),
        (ENTITIES + xml(box("&c;")), "label.unsafe_xml", "XML entities"),
        ("<annotations><image/></annotations>", "label.other_xml", "no VOC annotation"),
    ],
)  # fmt: skip
def test_a_label_file_that_cannot_be_used_is_counted(tmp_path: Path, content: str, code: str, words: str) -> None:
    write_cat_voc(tmp_path, "a b c")
    write_text(tmp_path / "Annotations" / "a.xml", content)
    dataset = open_dataset(tmp_path)
    assert codes(dataset) == [code]
    assert words in message(dataset, code)
    assert "1 (Annotations/a.xml)" in message(dataset, code)
    assert dataset.books["label_file"] == {"seen": 3, "kept": 2, "left_out": 1}
    assert dataset.books["image"] == {"seen": 3, "kept": 2, "left_out": 1}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_with_the_name_of_a_label_is_refused(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, "a b")
    os.mkfifo(tmp_path / "Annotations" / "c.xml")
    assert "pipe" in message(open_dataset(tmp_path), "label.unreadable")


def test_labels_without_image_and_images_without_label_are_counted(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, "a b c d e")
    for name in "ab":
        (tmp_path / "JPEGImages" / f"{name}.jpg").unlink()
    (tmp_path / "Annotations" / "c.xml").unlink()
    label(tmp_path / "Annotations" / "f.xml")
    (tmp_path / "JPEGImages" / "f.psd").write_bytes(b"8BPS")
    dataset = open_dataset(tmp_path)
    assert "2 (Annotations/a.xml, Annotations/b.xml), with 2 boxes" in message(dataset, "image.missing")
    assert "1 (JPEGImages/c.jpg)" in message(dataset, "image.unused")
    assert "1 (Annotations/f.xml), with 1 boxes" in message(dataset, "label.unread_image")
    assert dataset.books["box"] == {"seen": 5, "kept": 2, "left_out": 3}


def test_xml_of_another_kind_alone_is_no_voc(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_text(tmp_path / "pom.xml", "<project><object/></project>")
    with pytest.raises(BadInput, match="no labels found"):
        open_dataset(tmp_path, format="voc")


# Encodings


@pytest.mark.parametrize(
    ("word", "encoding", "declared", "finding"),
    [
        ("小猫", "gbk", "gbk", ""),
        ("고양이", "euc-kr", "euc-kr", ""),
        ("小貓", "big5", "Big5", ""),
        ("ねこ", "shift_jis", "Shift_JIS", ""),
        ("ねこ", "euc-jp", "EUC-JP", ""),
        ("小猫", "utf-16", "utf-8", ""),
        ("小猫", "utf-16-be", "utf-16", ""),
        ("cat", "utf-8", "utf-16", ""),
        ("小猫", "utf-8-sig", "", ""),
        ("行人", "gbk", "utf-8", "GB18030"),
        ("行人", "gbk", "", "GB18030"),
        ("Grünling", "latin-1", "", "Windows-1252"),
        ("行人", "utf-8", "gb2312", "UTF-8"),
    ],
)
def test_encodings(tmp_path: Path, word: str, encoding: str, declared: str, finding: str) -> None:
    write_cat_voc(tmp_path, "a b")
    declaration = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else ""
    write_text(tmp_path / "Annotations" / "a.xml", xml(box(word), declaration), encoding)
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "JPEGImages/a.jpg")[0][0] == word
    assert codes(dataset) == (["text.encoding"] if finding else [])
    if finding:
        assert f"1 (Annotations/a.xml); read as {finding}" in message(dataset, "text.encoding")


def test_classes_that_people_take_for_one_are_said(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, "a b")
    write_text(tmp_path / "Annotations" / "a.xml", xml(box("Cat") + box("red_light") + box("Red Light")))
    dataset = open_dataset(tmp_path)
    assert "Cat / cat, Red Light / red_light" in message(dataset, "class.similar")
    merged: Mapping[str, str] = {"Cat": "cat", "Red Light": "red_light"}
    assert "class.similar" not in codes(open_dataset(tmp_path, mapping=merged))


def test_findings_are_one_for_each_cause(tmp_path: Path) -> None:
    names = [f"{number:02d}" for number in range(20)]
    write_cat_voc(tmp_path, " ".join(names))
    for name in names:
        write_text(tmp_path / "Annotations" / f"{name}.xml", xml(box() + ROTATED + box(name="")))
    (tmp_path / "Annotations" / "00.xml").write_text("<")
    dataset = open_dataset(tmp_path)
    assert Counter(codes(dataset)) == {"label.unreadable": 1, "label.rotated": 1, "label.no_class": 1}
    assert "19 (Annotations/01.xml" in message(dataset, "label.rotated")


def test_the_other_files_tell_that_a_name_is_chinese_whose_bytes_are_utf8_by_chance(tmp_path: Path) -> None:
    for stem, name in (("a", "猫"), ("b", "狗")):  # in GBK the first one is the UTF-8 text "è"
        write_image(tmp_path / f"{stem}.png")
        (tmp_path / f"{stem}.xml").write_bytes(xml(box(name)).encode("gbk"))
    dataset = open_dataset(tmp_path)
    assert dataset.classes == ("狗", "猫")
    assert ": 2 (" in message(dataset, "text.encoding")


def test_an_accent_alone_stays_where_no_other_file_is_chinese(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_text(tmp_path / "a.xml", xml(box("è")))
    assert open_dataset(tmp_path).classes == ("è",)


def test_a_box_beyond_an_image_whose_size_is_not_stated_is_said(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    far = box().replace("<xmin>10</xmin>", "<xmin>210</xmin>").replace("<xmax>30</xmax>", "<xmax>230</xmax>")
    write_text(tmp_path / "a.xml", f"<annotation>{box()}{far}</annotation>")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "a.png") == CAT
    assert ": 1; left out" in message(dataset, "label.wholly_outside")


def test_a_stated_size_with_width_and_height_exchanged_does_not_cut_boxes(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    wide = box().replace("<xmax>30</xmax>", "<xmax>75</xmax>")
    write_text(tmp_path / "a.xml", xml(wide).replace("width>80", "width>60").replace("height>60", "height>80"))
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "a.png") == [("cat", [10, 20, 75, 50])]
    assert codes(dataset) == ["image.size_wrong"]
