"""Whatever is in the files of a VOC data set, it is read with balanced books or refused with a sentence."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.dataset.formats import open_dataset
from engine.messages import BadInput
from tests.dataset_on_disk import write_image
from tests.fuzz.settings import examples

_NAMES = ("a", "B", "day1/a", "day1/c.jpg", "été", "x 1")
_IMAGES = ("JPEGImages/a.png", "JPEGImages/a.jpg", "JPEGImages/day1/a.png", "images/b.png", "été.png", "train/x 1.png")
_LABEL_FOLDERS = ("Annotations", "annotations/xmls", "train", ".")
_ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "gbk", "latin-1", "euc-kr", "shift_jis", "rot13", "idna", "x", "")
_TAGS = (
    *("annotation", "object", "name", "bndbox", "xmin", "ymin", "xmax", "ymax", "difficult", "deleted", "part", "size", "width"),
    *("height", "filename", "folder", "path", "polygon", "pt", "x", "y", "x1", "y1", "robndbox", "ns:object"),
)  # fmt: skip
_TEXTS = st.one_of(
    st.integers(-20, 120).map(str),
    st.sampled_from(
        ("", " ", "nan", "-inf", "1e400", "9" * 5000, "1,5", "cat", "Cat", "行人", "Grün", "../../x.png", "a.png", "&amp;", "&x;", "<")
    ),
    st.text(max_size=4),
)  # fmt: skip


def _element(tag: str, content: str) -> str:
    return f"<{tag}>{content}</{tag}>"


_LEAVES = st.builds(_element, st.sampled_from(_TAGS), _TEXTS)
_TREES = st.builds(_element, st.sampled_from(_TAGS), st.lists(_LEAVES, max_size=4).map("".join))


@st.composite
def _objects(draw: st.DrawFn) -> str:
    """An object that is mostly whole."""
    corners = "".join(
        _element(tag, draw(_TEXTS)) for tag in ("xmin", "ymin", "xmax", "ymax") if draw(st.integers(0, 9))
    )
    name = _element("name", draw(st.sampled_from(("cat", "行人", "Grün", "", "cat\u0085"))))
    return _element("object", name + _element(draw(st.sampled_from(("bndbox", "bndbox", "robndbox"))), corners))


@st.composite
def _contents(draw: st.DrawFn) -> bytes:
    body = "".join(draw(st.lists(st.one_of(_objects(), _TREES), max_size=3)))
    text = draw(st.sampled_from(("", '<?xml version="1.0" encoding="{}"?>'))).format(draw(st.sampled_from(_ENCODINGS)))
    text += draw(st.sampled_from(("", "", "", '<!DOCTYPE a [<!ENTITY x "y">]>'))) + _element("annotation", body)
    try:
        content = text.encode(draw(st.sampled_from(("utf-8", "utf-16", "gbk", "latin-1", "utf-16-le"))), "ignore")
    except UnicodeError:
        content = b""
    if not draw(st.integers(0, 5)):
        at = draw(st.integers(0, len(content)))
        content = content[:at] + draw(st.binary(max_size=6)) + content[at + draw(st.integers(0, 20)) :]
    return content


_LINES = st.one_of(
    st.sampled_from((*_NAMES, "a 1", "x 1 -1", "a.png", "JPEGImages/a.png Annotations/a.xml", "../a", "/", '"', "a 1 2 3", "\0")),
    st.text(max_size=6),
)  # fmt: skip


@examples()
@given(
    labels=st.dictionaries(
        st.tuples(st.sampled_from(_LABEL_FOLDERS), st.sampled_from(_NAMES), st.sampled_from((".xml", ".XML"))),
        _contents(),
        min_size=1,
        max_size=3,
    ),
    images=st.sets(st.sampled_from(_IMAGES), max_size=4),
    lists=st.dictionaries(
        st.sampled_from(("ImageSets/Main/train", "ImageSets/Main/val", "ImageSets/cat_train", "train", "Annotations/val")),
        st.lists(_LINES, max_size=5),
        max_size=2,
    ),
)  # fmt: skip
def test_any_voc_data_set_is_read_with_balanced_books_or_refused(
    labels: dict[tuple[str, str, str], bytes], images: set[str], lists: dict[str, list[str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for (place, name, suffix), content in labels.items():
            path = root / place / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for image in images:
            write_image(root / image)
        for name, lines in lists.items():
            path = root / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines), "utf-8", errors="replace")
        try:
            dataset = open_dataset(root, format="voc")
        except BadInput:
            return
        label_files = dataset.books["label_file"]
        assert label_files["seen"] == len(labels) == label_files["kept"] + label_files["left_out"]
        assert len(dataset.labels) == dataset.books["box"]["kept"]
        assert all(str(found.message) for found in dataset.findings)
