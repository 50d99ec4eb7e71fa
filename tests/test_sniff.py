"""What looks like a data set by names alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.dataset.formats.sniff import find_datasets, is_root_or_home, looks_like_dataset
from tests.dataset_on_disk import write_voc


def voc_tree(folder: Path) -> None:
    write_voc(folder / "VOCdevkit" / "VOC2007", train=2)


def voc_in_one_folder(folder: Path) -> None:
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


def coco_from_roboflow(folder: Path) -> None:
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "_annotations.coco.json").write_text(json.dumps({"images": []}), encoding="utf-8")


def labelme(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.jpg").touch()
    (folder / "a.json").touch()


def csv_from_roboflow(folder: Path) -> None:
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "_annotations.csv").touch()


@pytest.mark.parametrize(
    "make",
    [voc_tree, voc_in_one_folder, yolo_yaml, yolo_split, coco, coco_from_roboflow, labelme, csv_from_roboflow],
)
def test_a_data_set_is_recognised_by_names_and_found_beside_other_folders(tmp_path: Path, make: object) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").touch()
    make(tmp_path / "数据 set")  # type: ignore[operator]
    assert looks_like_dataset(tmp_path / "数据 set")
    assert not looks_like_dataset(tmp_path / "notes")
    assert list(find_datasets(tmp_path)) == [tmp_path / "数据 set"]


def test_the_home_folder_and_a_root_are_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert is_root_or_home(tmp_path)
    assert is_root_or_home(Path(tmp_path.anchor))
    assert not is_root_or_home(tmp_path / "data")
