"""Catalogues: complete, compiled, and filled with the same values as the English sentences."""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.messages import Message
from tui.text import _, counted, language_of_locale, set_language, worded
from tui.text.catalogue import catalogues, mo_of, read_po
from tui.text.sentences import missing, screen_sentences


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    set_language("en")


@pytest.mark.parametrize("path", catalogues(), ids=lambda path: path.parts[-3])
class TestCatalogue:
    def test_the_compiled_form_is_that_of_the_source(self, path: Path) -> None:
        assert path.with_suffix(".mo").read_bytes() == mo_of(read_po(path))

    def test_every_sentence_of_the_screens_is_there(self, path: Path) -> None:
        assert missing(screen_sentences(), path) == {}

    def test_translations_name_the_same_values(self, path: Path) -> None:
        def names(text: str) -> set[str]:
            return {name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name}

        for entry in read_po(path)[1:]:
            for translation in entry.translations:
                assert names(translation) == names(entry.sentence), entry.sentence


def test_words_follow_the_language() -> None:
    set_language("zh_CN")
    assert _("Hardware") == "硬件"
    assert counted("{count} core", "{count} cores", 1) == "1 个核心"
    assert counted("{count} core", "{count} cores", 2) == "2 个核心"
    set_language("en")
    assert counted("{count} core", "{count} cores", 2) == "2 cores"


def test_values_lose_control_characters_and_messages_inside_messages_are_worded() -> None:
    set_language("pseudo")
    inner = Message("a", "inner", {})
    said = worded(Message("b", "{name}: {reason}", {"name": "x\x1b[2J", "reason": inner}))
    assert "\x1b" not in said
    assert "⟦inner" in said


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({}, "en"),
    ],
)
def test_the_locale_decides(environment: dict[str, str], code: str) -> None:
    assert language_of_locale(environment) == code
