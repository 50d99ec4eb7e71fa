"""Class names on saved images: letters of every language that a font of this system has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from engine.dataset.images import read_image
from engine.evaluation import fonts
from engine.evaluation.colours import colour_of, text_colour
from engine.evaluation.detect import Detections
from engine.evaluation.draw import draw_detections, missing_font, save_drawn

ONE_BOX = Detections(np.array([[20, 60, 180, 180]], np.float32), np.array([0.87], np.float32), np.array([0], np.int32))
GREY = np.full((200, 200, 3), 128, np.uint8)


def make_font(path: Path, characters: str) -> None:
    """A font whose letters are filled squares."""
    pen = TTGlyphPen(None)
    pen.moveTo((50, 0))
    for corner in ((50, 800), (950, 800), (950, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square, names = pen.glyph(), [f"uni{ord(character):04X}" for character in characters]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names])
    builder.setupCharacterMap(dict(zip(map(ord, characters), names, strict=True)))
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), **dict.fromkeys(names, square)})
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names], (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


@pytest.fixture
def font_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only folder with fonts on this system."""
    folder = tmp_path / "fonts"
    folder.mkdir()
    monkeypatch.setattr(fonts, "_OTHER_FOLDERS", (str(folder),))
    monkeypatch.setattr(fonts, "_SYSTEM_FOLDERS", {})
    monkeypatch.setenv("PATH", str(folder))  # no fontconfig
    caches = (fonts._font_file, fonts._open, fonts._load, fonts._font_files)
    for cached in caches:
        cached.cache_clear()
    yield folder
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize("name", ["cat", "Größe", "кошка", "γάτα"])
def test_letters_of_europe_need_no_font_of_the_system(font_folder: Path, name: str) -> None:
    assert missing_font([name]) is None


def test_a_name_is_drawn_in_a_font_that_has_its_letters(font_folder: Path) -> None:
    (font_folder / "damaged.ttf").write_bytes(b"no font")
    make_font(font_folder / "other.ttf", "犬")
    make_font(font_folder / "squares.ttf", "猫0123456789. ")
    assert missing_font(["猫", "cat"]) is None
    drawn = draw_detections(GREY, ONE_BOX, ("猫",))
    squares = np.all(drawn == text_colour(colour_of(0)), axis=-1)
    assert squares.sum() > 100
    assert not np.array_equal(drawn, draw_detections(GREY, ONE_BOX, ("0",)))


def test_without_a_font_it_is_said_and_the_number_is_drawn(font_folder: Path) -> None:
    message = missing_font(["猫", "cat"])
    assert message is not None
    assert "No font on this system has all letters of 猫" in str(message)
    np.testing.assert_array_equal(
        draw_detections(GREY, ONE_BOX, ("猫", "cat")), draw_detections(GREY, ONE_BOX, ("0", "cat"))
    )


def test_a_saved_image_replaces_no_file(tmp_path: Path) -> None:
    saved = [save_drawn(tmp_path, Path("photo.gif"), GREY, ONE_BOX, ("cat",)) for _ in range(2)]
    assert [path.name for path in saved] == ["photo.png", "photo_2.png"]
    assert not np.array_equal(read_image(saved[0]), GREY)
