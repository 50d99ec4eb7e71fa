"""The encoding of a text: its mark, its declaration, its bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.files import read_decoded, read_lines
from engine.text_encoding import decode_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_recognised_with_and_without_a_mark(encoding: str) -> None:
    decoded = decode_text("cat 猫\n".encode(encoding))
    assert (decoded.text, decoded.guessed) == ("cat 猫\n", False)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("小猫", "gbk"),
        ("朱镕基", "gb2312"),  # one of the characters is in GBK only
        ("고양이", "euc-kr"),
        ("小貓", "big5"),
        ("ねこ猫", "shift_jis"),
        ("ねこ猫", "euc-jp"),
        ("ねこ", "iso-2022-jp"),
        ("Größe", "iso-8859-1"),
        ("кошка", "windows-1251"),
    ],
)
def test_a_declared_encoding_is_used(text: str, encoding: str) -> None:
    decoded = decode_text(text.encode("gbk" if encoding == "gb2312" else encoding), encoding)
    assert (decoded.text, decoded.guessed) == (text, False)


@pytest.mark.parametrize("declared", ["gb2312", "iso-8859-1", "euc-kr"])
def test_utf8_under_another_declaration_is_read_as_utf8_and_is_no_certainty(declared: str) -> None:
    assert decode_text("行人".encode(), declared) == ("行人", "UTF-8", True)


@pytest.mark.parametrize("declared", ["", "utf-8", "utf-16", "rot13", "unicode_escape", "idna", "cp037", "no such"])
def test_a_declaration_that_is_no_encoding_of_such_a_text_is_ignored(declared: str) -> None:
    assert decode_text("行人 \\n".encode(), declared) == ("行人 \\n", "UTF-8", False)


@pytest.mark.parametrize("word", ["行人", "小汽车", "鹦鹉", "朱镕基", "T恤", "A类", "狗\n猫\n", "鲞"])
def test_chinese_that_is_not_utf8_is_guessed(word: str) -> None:
    assert decode_text(f"<name>{word}</name>".encode("gbk")) == (f"<name>{word}</name>", "GB18030", True)


@pytest.mark.parametrize(
    "word", ["Grünling", "Größe", "ação", "AÇÃO", "créé", "25°C", "año", "café\nthé", "“Œuvre”", "Älg Åre"]
)
def test_western_words_that_are_not_utf8_do_not_become_chinese(word: str) -> None:
    assert decode_text(f"<name>{word}</name>".encode("cp1252")) == (f"<name>{word}</name>", "Windows-1252", True)


def test_bytes_of_no_encoding_are_decoded_all_the_same() -> None:
    for content in (bytes(range(256)), b"\xff\xfe\x00", b"\x00", b"\xef\xbb\xbf\xff", b"\x81\x8d\x8f"):
        decode_text(content)


def test_a_classes_file_that_notepad_saved_as_unicode(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("cat\n\n 狗 \n", "utf-16")
    assert read_lines(path) == ["cat", "狗"]
    assert not read_decoded(path).guessed


@pytest.mark.parametrize("word", ["小猫", "图片/小猫0.png", "小猫 dog"])
def test_chinese_whose_bytes_are_utf8_by_chance_is_guessed_where_scripts_would_be_mixed(word: str) -> None:
    content = word.encode("gb18030")
    assert content.decode("utf-8") != word
    assert decode_text(content) == (word, "GB18030", True)
    assert decode_text(content, "utf-8").text == word


@pytest.mark.parametrize("word", ["Bär", "кошка", "γάτα", "Bär / кошка", "5 µΩ", "è", "חתול", "Сè和"])
def test_utf8_of_one_script_stays_utf8(word: str) -> None:
    assert decode_text(word.encode("utf-8")) == (word, "UTF-8", False)
