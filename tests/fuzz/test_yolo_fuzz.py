"""Whatever is in the files of a YOLO data set or of a list, it is read with balanced books or refused with a sentence."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.dataset.formats import open_dataset
from engine.messages import BadInput
from tests.fuzz.settings import examples

_STEMS = ("a", "B", "été", "x 1", "1a2b3c4d-a", "train", "classes", "a.jpg")
_IMAGE_FOLDERS = ("", "images/", "images/train/", "Images/val/", "train/images/", "obj_train_data/", "JPEGImages/")
_LABEL_FOLDERS = ("", "images/", "labels/", "labels/train/", "Labels/val/", "train/labels/", "obj_train_data/", "yolo/")
_ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "gb18030", "latin-1", "utf-16-le")
_NUMBERS = st.one_of(
    st.sampled_from(("0", "1", "2", "0.5", ".25", "1e-1", "0,5", "-0.1", "1.2", "30", "17", "nan", "-inf", "1e400", "9" * 5000, "\u0661", "x")),
    st.floats(0, 1).map(lambda value: f"{value:.4g}"),
)  # fmt: skip
_CLASSES = st.sampled_from(
    (
        "0",
        "1",
        "1.0",
        "7",
        "-1",
        "nan",
        "0.5",
        "cat",
        "traffic light",
        "9" * 5000,
        "99999",
        "\ud800".encode("utf-8", "replace").decode(),
    )
)
_BOX = st.sampled_from(
    ("0.5 0.5 0.2 0.2", "0.3 0.4 0.1 0.2", "0.5 0.5 0.2 0.2 0.5 0.5 2", "0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2")
)


@st.composite
def _rows(draw: st.DrawFn) -> str:
    """A label file most of whose rows are whole."""
    separator = draw(st.sampled_from((" ", " ", " ", "\t", ",", ";", ", ")))
    rows = []
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.integers(0, 2)):
            rows.append(f"{draw(_CLASSES)} {draw(_BOX)}".replace(" ", separator))
        else:
            rows.append(separator.join([draw(_CLASSES), *draw(st.lists(_NUMBERS, max_size=12))]))
    return draw(st.sampled_from(("\n", "\r\n", "\n\n"))).join(rows)


_IMAGE_PATHS = st.builds(
    "{}{}{}".format, st.sampled_from(_IMAGE_FOLDERS), st.sampled_from(_STEMS), st.sampled_from((".png", ".jpg", ".JPG"))
)
_PLACES = st.one_of(
    st.sampled_from(
        (
            *("images", "images/train", "train/images", "../images/train", "./", "..", "/", "~", "*", "images/*", "[", "train.txt"),
            *("/content/x/images", "C:\\\\x\\\\images", "", "null", "true", "/dev/zero", "images/a.png", "a" * 300, "https://x/y"),
        )
    ),
    st.text(max_size=5),
)  # fmt: skip
_VALUES = st.recursive(
    st.one_of(_PLACES, st.integers().map(str), st.sampled_from(("cat", "no", "010", "'x'", '"C:\\Users"', "&a cat", "*a", "|"))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.lists(st.tuples(st.sampled_from(("0", "1", "'0'", "cat", "name")), inner), max_size=3).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items) + "}"
        ),
    ),
    max_leaves=6,
)  # fmt: skip
_KEYS = (
    "names",
    "names",
    "train",
    "val",
    "test",
    "path",
    "nc",
    "kpt_shape",
    "Validation",
    "val_images",
    "extra",
    "<<",
    "? x",
)
_YAMLS = st.one_of(
    st.lists(st.tuples(st.sampled_from(_KEYS), _VALUES), max_size=6).map(lambda items: "".join(f"{k}: {v}\n" for k, v in items)),
    st.tuples(st.sampled_from(("names: [cat, dog]\n", "names: {0: cat, 1: dog}\n", "names: cat dog\nnc: 2\n")), _PLACES, _PLACES).map(
        lambda parts: f"{parts[0]}train: {parts[1]}\nval: {parts[2]}\n"
    ),
    st.text(max_size=30),
)  # fmt: skip
_LIST_LINES = st.one_of(
    _IMAGE_PATHS,
    st.builds("/home/me/{}".format, _IMAGE_PATHS),
    st.builds("{} 10,20,30,40,{}".format, _IMAGE_PATHS, _CLASSES),
    st.builds("{}{}".format, _IMAGE_PATHS, st.text(alphabet=" ,;\t|0123456789.-en", max_size=20)),
    st.builds("{} {}".format, _IMAGE_PATHS, st.lists(_NUMBERS, max_size=6).map(",".join)),
    st.text(max_size=8),
)
_TEXT_FILES = (
    "train.txt",
    "val.txt",
    "2007_train.txt",
    "train/_annotations.txt",
    "classes.txt",
    "labels/classes.txt",
    "obj.data",
    "obj.names",
)


@functools.cache
def _image() -> bytes:
    """A PNG of 80 x 60 pixels."""
    return bytes(cv2.imencode(".png", np.zeros((60, 80, 3), np.uint8))[1])


def _write(path: Path, content: bytes) -> None:
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _open(root: Path, format: str) -> None:
    try:
        dataset = open_dataset(root, format=format)
    except BadInput:
        return
    assert dataset.books["box"]["kept"] == len(dataset.boxes)
    assert len(set(dataset.images)) == len(dataset.images)


@examples()
@given(
    images=st.sets(_IMAGE_PATHS, min_size=1, max_size=4),
    labels=st.dictionaries(
        st.builds("{}{}{}".format, st.sampled_from(_LABEL_FOLDERS), st.sampled_from(_STEMS), st.sampled_from((".txt", ".TXT"))),
        st.tuples(_rows(), st.sampled_from(_ENCODINGS)),
        min_size=1,
        max_size=4,
    ),
    yaml=st.one_of(st.none(), _YAMLS),
    lists=st.dictionaries(st.sampled_from(_TEXT_FILES), st.lists(_LIST_LINES, max_size=4), max_size=2),
    noise=st.binary(max_size=6),
)  # fmt: skip
def test_a_yolo_data_set(
    images: set[str],
    labels: dict[str, tuple[str, str]],
    yaml: str | None,
    lists: dict[str, list[str]],
    noise: bytes,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "set"
        for image in images:
            _write(root / image, _image())
        for name, (text, encoding) in labels.items():
            _write(root / name, text.encode(encoding, "ignore") + noise)
        for name, lines in lists.items():
            _write(root / name, "\n".join(lines).encode("utf-8", "replace"))
        if yaml is not None:
            _write(root / "data.yaml", yaml.encode("utf-8", "replace"))
        _open(root, "yolo")
        _open(root, "auto")


@examples()
@given(
    images=st.sets(_IMAGE_PATHS, min_size=1, max_size=3),
    lists=st.dictionaries(
        st.sampled_from(_TEXT_FILES),
        st.tuples(st.lists(_LIST_LINES, max_size=6), st.sampled_from(_ENCODINGS)),
        min_size=1,
        max_size=3,
    ),
)
def test_lists(images: set[str], lists: dict[str, tuple[list[str], str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "set"
        for image in images:
            _write(root / image, _image())
        for name, (lines, encoding) in lists.items():
            _write(root / name, "\n".join(lines).encode(encoding, "ignore"))
            _open(root / name, "list")
        _open(root, "list")
