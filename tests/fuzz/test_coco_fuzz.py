"""Whatever is in a COCO, LabelMe or CSV file, a data set with balanced books is read or refused with a sentence."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.dataset.formats import open_dataset
from engine.messages import BadInput
from tests.dataset_on_disk import write_image
from tests.fuzz.settings import examples

_NAMES = (
    "a.jpg",
    "sub/b.png",
    "gone.jpg",
    "..\\a.jpg",
    "",
    "https://[x/a.jpg?d=%zz",
    "\ud800",
    "a\0.jpg",
    "c.heic",
    "labels.json",
)
_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        [
            0,
            1,
            -1,
            2,
            7,
            "1",
            "01",
            " ",
            1.0,
            1.5,
            1e308,
            -1e308,
            float("nan"),
            float("inf"),
            10**400,
            [],
            [1],
            {},
            {"id": 1},
        ]
    ),
    st.text(max_size=5),
)


def _mostly(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(strategy, strategy, strategy, _ODD)


_NUMBER = _mostly(st.integers(-5, 90))
_BBOX = _mostly(st.lists(_NUMBER, min_size=3, max_size=5))
_ANNOTATION = _mostly(
    st.fixed_dictionaries(
        {},
        optional={
            "image_id": _mostly(st.integers(0, 3)),
            "category_id": _mostly(st.integers(0, 2)),
            "bbox": _BBOX,
            "iscrowd": _mostly(st.integers(0, 1)),
            "segmentation": _mostly(st.lists(_mostly(st.lists(_NUMBER, max_size=8)), max_size=3)),
            "caption": _ODD,
        },
    )
)
_IMAGE = _mostly(
    st.fixed_dictionaries(
        {},
        optional={
            "id": _mostly(st.integers(0, 3)),
            "file_name": _mostly(st.sampled_from(_NAMES)),
            "width": _mostly(st.just(80)),
            "height": _mostly(st.just(60)),
        },
    )
)
_CATEGORY = _mostly(
    st.fixed_dictionaries({}, optional={"id": _mostly(st.integers(0, 2)), "name": _mostly(st.text(max_size=3))})
)


def _section(elements: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return _mostly(
        st.one_of(st.lists(elements, max_size=6), st.dictionaries(st.text(max_size=2), elements, max_size=3))
    )


_COCO = st.fixed_dictionaries(
    {"images": _section(_IMAGE), "annotations": _section(_ANNOTATION)}, optional={"categories": _section(_CATEGORY)}
)
_SHAPE = _mostly(
    st.fixed_dictionaries(
        {},
        optional={
            "label": _mostly(st.text(max_size=3)),
            "points": _mostly(st.lists(_mostly(st.lists(_NUMBER, min_size=1, max_size=3)), max_size=4)),
            "shape_type": _mostly(st.sampled_from(["rectangle", "polygon", "circle", "point", "mask"])),
            "group_id": _ODD,
            "difficult": _ODD,
        },
    )
)
_LABELME = st.fixed_dictionaries(
    {"shapes": _section(_SHAPE)},
    optional={"imagePath": _mostly(st.sampled_from(_NAMES)), "imageWidth": _NUMBER, "imageHeight": _NUMBER},
)
_CELL = st.one_of(
    st.sampled_from([*_NAMES[:2], "cat", "10", "nan", "1e999", "", "9" * 5000, '"', "[1, 2, 3, 4]", "[[[[", "\ud800"]),
    st.text(max_size=4),
)
_CSV = st.tuples(
    st.sampled_from(
        [
            "filename,width,height,class,xmin,ymin,xmax,ymax",
            "image_id,bbox",
            "image;x;y;w;h;label",
            "a.jpg,10,20,30,50,cat",
            "a.jpg,,,,,",
        ]
    ),
    st.lists(st.lists(_CELL, max_size=9).map(",".join), max_size=5),
).map(lambda parts: "\n".join((parts[0], *parts[1])))


def _open(name: str, content: bytes) -> None:
    """Open a data set of two images and one label file."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_image(root / "a.jpg")
        write_image(root / "sub" / "b.png")
        (root / name).write_bytes(content)
        for chosen in ("auto", "coco", "labelme", "csv"):
            try:
                dataset = open_dataset(root, format=chosen)
            except BadInput:
                continue
            assert all(book["seen"] == book["kept"] + book["left_out"] for book in dataset.books.values())
            assert dataset.books["box"]["kept"] == len(dataset.boxes)
            json.dumps([finding.to_json() for finding in dataset.findings], ensure_ascii=False).encode()


@examples(200)
@given(_COCO)
def test_coco_of_any_content(content: object) -> None:
    _open("labels.json", json.dumps(content).encode())


@examples(100)
@given(_LABELME)
def test_labelme_of_any_content(content: object) -> None:
    _open("a.json", json.dumps(content).encode())


@examples(100)
@given(_CSV)
def test_csv_of_any_content(text: str) -> None:
    _open("labels.csv", text.encode("utf-8", "replace"))


@examples(100)
@given(_COCO, st.integers(0, 500), st.binary(max_size=6))
def test_damaged_json(content: object, position: int, damage: bytes) -> None:
    whole = json.dumps(content).encode()
    _open("labels.json", whole[:position] + damage + whole[position + len(damage) :])
    _open("labels.json", whole[:position])
