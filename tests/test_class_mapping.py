"""From the class names in the labels to the classes of a data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.dataset.class_mapping import ClassNames, target_names
from engine.dataset.classes_file import find_classes_file_near
from engine.dataset.formats import open_dataset
from engine.messages import BadInput
from tests.dataset_on_disk import SIZE, annotation, write_cat_voc, write_text, write_voc


def test_a_classes_file_gives_the_order_and_other_classes_are_left_out(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, "a b")
    both = [("dog", (1, 2, 30, 40)), ("cat", (10, 20, 30, 50))]
    write_text(tmp_path / "Annotations" / "b.xml", annotation("b.jpg", SIZE, both))
    names = write_text(tmp_path / "names.txt", "zebra\ncat\n")
    dataset = open_dataset(tmp_path, classes_file=names)
    assert dataset.classes == ("zebra", "cat")
    assert dataset.box_counts() == {"zebra": 0, "cat": 2}
    (unknown,) = [finding for finding in dataset.findings if finding.message.code == "class.unknown"]
    assert "boxes of classes that it does not name (dog): 1" in str(unknown.message)
    mapped = open_dataset(tmp_path, classes_file=names, mapping={"dog": "zebra"})
    assert mapped.box_counts() == {"zebra": 1, "cat": 2}


def test_a_mapping_of_a_class_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cow: the labels have no such class to rename; they have cat\."):
        open_dataset(write_cat_voc(tmp_path, "a b"), mapping={"cow": "cat"})


def test_names_that_are_not_in_the_classes_file_and_the_suggested_mapping(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", train=3)
    classes = tmp_path / "classes.txt"
    classes.write_text("things\nother\nother\n", encoding="utf-8")
    names = ClassNames(open_dataset(folder).box_counts(), target_names(classes))
    assert names == ClassNames({"thing": 3}, ("things", "other"))
    assert names.unmapped({}) == ("thing",)
    assert names.suggested_mapping() == {"thing": "things"}
    assert names.unmapped({"thing": "other"}) == ()
    assert ClassNames({"thing": 3}).unmapped({}) == ()
    assert find_classes_file_near(folder) == classes
    with pytest.raises(BadInput, match="cannot be read"):
        target_names(tmp_path / "nowhere.txt")
