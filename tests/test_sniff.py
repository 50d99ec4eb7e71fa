"""What is told of a data set before it is opened, and of its class names beside a classes file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.dataset.class_names import ClassNames, class_names_of, classes_file_beside, wanted_names
from engine.dataset.doctor import check
from engine.dataset.formats.sniff import datasets_near, looks_like_dataset, whole_disk
from engine.evaluation.colours import colour_of
from engine.evaluation.thumbnail import labelled_thumbnail, thumbnail
from engine.messages import BadInput
from tests.dataset_on_disk import cut_off, voc, write_voc


def voc_tree(folder: Path) -> None:
    write_voc(folder / "VOCdevkit" / "VOC2007", train=2)


def voc_beside(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.jpg").touch()
    (folder / "a.xml").touch()


def yolo_yaml(folder: Path) -> None:
    folder.mkdir()
    (folder / "data.yaml").touch()


def yolo_split(folder: Path) -> None:
    (folder / "train" / "labels").mkdir(parents=True)


def coco(folder: Path) -> None:
    (folder / "annotations").mkdir(parents=True)


def coco_of_roboflow(folder: Path) -> None:
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "_annotations.coco.json").write_text(json.dumps({"images": []}), encoding="utf-8")


@pytest.mark.parametrize("make", [voc_tree, voc_beside, yolo_yaml, yolo_split, coco, coco_of_roboflow])
def test_a_data_set_shows_signs_and_is_found_beside_other_folders(tmp_path: Path, make: object) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").touch()
    make(tmp_path / "数据 set")  # type: ignore[operator]
    assert looks_like_dataset(tmp_path / "数据 set")
    assert not looks_like_dataset(tmp_path / "notes")
    assert list(datasets_near(tmp_path)) == [tmp_path / "数据 set"]


def test_the_home_folder_and_a_root_are_whole_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert whole_disk(tmp_path)
    assert whole_disk(Path(tmp_path.anchor))
    assert not whole_disk(tmp_path / "data")


def test_names_that_are_foreign_and_what_was_probably_meant(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", train=3)
    classes = tmp_path / "classes.txt"
    classes.write_text("things\nother\nother\n", encoding="utf-8")
    names = class_names_of(folder, classes_file=classes)
    assert names == ClassNames({"thing": 3}, ("things", "other"))
    assert names.foreign({}) == ("thing",)
    assert names.suggestions() == {"thing": "things"}
    assert names.foreign({"thing": "other"}) == ()
    assert ClassNames({"thing": 3}).foreign({}) == ()
    assert classes_file_beside(folder) == classes
    with pytest.raises(BadInput, match="cannot be read"):
        wanted_names(tmp_path / "nowhere.txt")


def test_a_thumbnail_fits_keeps_its_shape_and_has_the_boxes_in_their_colours(tmp_path: Path) -> None:
    dataset = voc(tmp_path / "voc", train=2, size=(96, 64))
    picture = labelled_thumbnail(dataset, 0, 30, 40)
    assert (picture.width, picture.height) == (30, 20)
    assert picture.objects == (("thing", 1, colour_of(0)),)
    pixels = np.frombuffer(picture.rgb, np.uint8).reshape(20, 30, 3)
    # The box is x 5 to 35, y 4 to 29 of 96x64.
    assert tuple(pixels[round(4 * 20 / 64), round(20 * 30 / 96)]) == colour_of(0)
    assert tuple(pixels[15, 25]) != colour_of(0)


def test_a_small_picture_is_made_larger_and_boxes_at_its_edge_stay_inside() -> None:
    picture = thumbnail(
        np.zeros((4, 8, 3), np.uint8), np.array([[0, 0, 8, 4]], np.float32), np.array([1], np.int32), ("a", "b"), 40, 40
    )
    assert (picture.width, picture.height) == (40, 20)
    pixels = np.frombuffer(picture.rgb, np.uint8).reshape(20, 40, 3)
    assert tuple(pixels[19, 39]) == colour_of(1)


def test_a_picture_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    dataset = voc(tmp_path / "voc", train=2)
    cut_off(dataset.path(1))
    with pytest.raises(BadInput, match="cut off"):
        labelled_thumbnail(dataset, 1, 30, 40)


class Counted(tuple[str, ...]):
    """Names that remember how often one was asked for."""

    asked = 0

    def __getitem__(self, place: object) -> object:  # type: ignore[override]
        self.asked += 1
        return super().__getitem__(place)  # type: ignore[index]


def test_a_check_that_is_given_up_begins_hardly_any_other_picture(tmp_path: Path) -> None:
    one = voc(tmp_path / "voc", train=1, size=(640, 480))
    count = 2000
    names = Counted(one.images * count)
    many = replace(
        one,
        images=names,
        sizes=np.repeat(one.sizes, count, axis=0),
        boxes=np.repeat(one.boxes, count, axis=0),
        labels=np.repeat(one.labels, count),
        first=np.arange(count + 1),
        splits={**one.splits, "train": np.arange(count, dtype=np.int32)},
    )

    class GivenUpError(Exception):
        pass

    def heard(done: int, of: int) -> None:
        assert of == count
        raise GivenUpError

    with pytest.raises(GivenUpError):
        check(many, heard)
    assert names.asked < count / 2
