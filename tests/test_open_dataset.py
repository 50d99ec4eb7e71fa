"""Opening a data set of any format: errors, links, boxes that are given twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.dataset.formats import open_dataset
from engine.messages import BadInput
from tests.coco_on_disk import write_coco
from tests.dataset_on_disk import SIZE, annotation, boxes_of, codes, write_cat_voc, write_image, write_text, write_yolo
from tui.text.command_advice import with_command_advice
from tui.text.finding_advice import ADVICE

ERROR_PRIVILEGE_NOT_HELD = 1314
"""Windows: the account may not create links."""


def test_no_box_left_is_an_error(tmp_path: Path) -> None:
    write_yolo(tmp_path, "a.jpg", "b.jpg")
    for name in "ab":
        write_text(tmp_path / f"{name}.txt", "0 0.5 0.5 0 0.5\n")
    with pytest.raises(BadInput, match=r"looks like yolo, but no box is left\."):
        open_dataset(tmp_path)


def test_a_wrongly_recognised_format_is_explained(tmp_path: Path) -> None:
    """With the first reason; the command line adds the option that selects another format, the wizard its key."""
    write_text(tmp_path / "a.xml", "<annotation/>")
    with pytest.raises(BadInput, match=r"looks like voc, but .* no image of that name") as refused:
        open_dataset(tmp_path)
    (message,) = refused.value.messages
    assert "--" not in str(message)
    assert with_command_advice(message).endswith("name it with --format.")
    assert "F7" in ADVICE[message.code]


def test_a_folder_of_images_alone_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    write_text(tmp_path / "notes.md", "nothing")
    with pytest.raises(BadInput, match=r"no labels found. Images: 1; other files: 1 \.md. Expected:"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("levels", [1, 2])
def test_labels_beside_a_folder_are_not_those_of_any_images_in_it(tmp_path: Path, levels: int) -> None:
    """Else a folder of images without labels, or a data set of its own, is read as the labels that lie somewhere above it."""
    write_coco(tmp_path, "label/all.json", "a.jpg", "b.jpg", "c.jpg", folder="elsewhere")
    mine = tmp_path.joinpath(*("mine", "holiday")[:levels])
    write_image(mine / "x.jpg")
    with pytest.raises(BadInput, match="no labels found"):
        open_dataset(mine)
    write_cat_voc(mine / "own", "d e")
    assert (open_dataset(mine / "own").format, open_dataset(mine / "own").root) == ("voc", mine / "own")


def test_labels_in_the_folder_win_over_more_of_them_above_it(tmp_path: Path) -> None:
    """A data set that happens to be called `test`, in a folder with another one's annotations."""
    write_coco(tmp_path, "annotations/all.json", "a.jpg", "b.jpg", "c.jpg", "f.jpg", folder="images")
    write_cat_voc(tmp_path / "x" / "test", "d e")
    opened = open_dataset(tmp_path / "x" / "test")
    assert (opened.format, opened.root) == ("voc", tmp_path / "x" / "test")


@pytest.mark.parametrize("folder", ["images", "images/train", "train2017"])
def test_a_folder_of_images_is_opened_with_the_labels_beside_it(tmp_path: Path, folder: str) -> None:
    write_coco(tmp_path, "annotations/all.json", "a.jpg", "b.jpg", "c.jpg", folder=folder)
    assert open_dataset(tmp_path / folder).root == tmp_path


def test_a_format_can_be_selected_and_is_refused_where_it_does_not_match(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, "a b c")
    lines = [f"JPEGImages/{name}.jpg 1,2,30,40,0" for name in "abc"]
    write_text(tmp_path / "train.txt", "\n".join(lines))
    assert open_dataset(tmp_path).format == "voc"
    assert open_dataset(tmp_path, format="list").format == "list"
    with pytest.raises(BadInput, match=r"no labels found.*Expected: a \.json"):
        open_dataset(tmp_path, format="coco")
    with pytest.raises(BadInput, match=r"--format yollo: .* did you mean yolo\?"):
        open_dataset(tmp_path, format="yollo")


def link(path: Path, to: Path) -> None:
    """Create a symbolic link to a folder; Windows allows that to developers only."""
    try:
        path.symlink_to(to, target_is_directory=True)
    except OSError as error:
        if getattr(error, "winerror", None) != ERROR_PRIVILEGE_NOT_HELD:
            raise
        pytest.skip("this account may not create links")


def test_links_are_followed_and_a_cycle_of_them_ends(tmp_path: Path) -> None:
    write_yolo(tmp_path / "disk", "images/a.jpg", "images/b.jpg")
    (tmp_path / "set").mkdir()
    for name in ("images", "labels"):
        link(tmp_path / "set" / name, tmp_path / "disk" / name)
    link(tmp_path / "disk" / "images" / "round", tmp_path / "disk" / "images")
    dataset = open_dataset(tmp_path / "set")
    assert dataset.images == ("images/a.jpg", "images/b.jpg")
    assert dataset.box_counts() == {"class 0": 0, "class 1": 2}


def test_a_box_that_is_given_twice_is_used_once_and_the_order_is_kept(tmp_path: Path) -> None:
    name = write_image(tmp_path / "a.jpg").name
    write_image(tmp_path / "b.jpg")
    boxes = "9,9,30,30,1 1,2,30,40,0 9,9,30,30,1 9,9,30,30,0"
    write_text(tmp_path / "train.txt", f"{name} {boxes}\nb.jpg 1,2,30,40,0\n")
    dataset = open_dataset(tmp_path)
    assert boxes_of(dataset, "a.jpg") == [
        ("class 1", [9, 9, 30, 30]),
        ("class 0", [1, 2, 30, 40]),
        ("class 0", [9, 9, 30, 30]),
    ]
    assert codes(dataset).count("label.duplicate") == 1


def test_images_that_only_another_format_labels_are_warned_of(tmp_path: Path) -> None:
    for name in "abc":
        write_image(tmp_path / "images" / f"{name}.png")
    write_text(tmp_path / "Annotations" / "a.xml", annotation("a.png", SIZE, [("cat", (10, 20, 30, 50))]))
    for name in "bc":
        write_text(tmp_path / "labels" / f"{name}.txt", "0 0.5 0.5 0.2 0.2\n")
    dataset = open_dataset(tmp_path)
    (found,) = [item for item in dataset.findings if item.message.code == "dataset.other_format"]
    assert (dataset.format, found.severity, found.message.values["unused"]) == ("yolo", "warning", 1)


def test_a_classes_file_that_names_a_class_twice_is_said(tmp_path: Path) -> None:
    write_cat_voc(tmp_path / "data", "a b")
    names = write_text(tmp_path / "names.txt", "dog\ncat\ncat\n")
    dataset = open_dataset(tmp_path / "data", classes_file=names)
    assert dataset.classes == ("dog", "cat")
    (repeated,) = [found for found in dataset.findings if found.message.code == "class.repeated"]
    assert "names.txt: class names that are there more than once: cat" in str(repeated.message)


def test_names_beside_yolo_labels_that_are_there_twice_are_said_once(tmp_path: Path) -> None:
    write_yolo(tmp_path, "images/a.jpg", "images/b.jpg")
    write_text(tmp_path / "classes.txt", "cat\ncat\ndog\n")
    dataset = open_dataset(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert codes(dataset).count("class.repeated") == 1
