"""Catalogues: complete, compiled, and filled with the same values as the English sentences."""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.hardware import Card, Driver, TorchBuild
from engine.hardware.torch_build import problem_with
from engine.messages import BadInput, Message
from engine.recipe import make_recipe
from tui.text import _, language_of_locale, ngettext, set_language, translate
from tui.text.catalogue import catalogues, mo_of, read_po
from tui.text.sentences import engine_sentences, missing, screen_sentences, unread_sentences


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

    def test_every_sentence_of_the_engine_is_there(self, path: Path) -> None:
        assert missing(engine_sentences(), path) == {}

    def test_translations_name_the_same_values(self, path: Path) -> None:
        def names(text: str) -> set[str]:
            return {name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name}

        for entry in read_po(path)[1:]:
            for translation in entry.translations:
                assert names(translation) == names(entry.sentence), entry.sentence


def test_every_sentence_of_the_engine_can_be_read_from_its_source() -> None:
    """Those put together while the program runs are passed on from calls that are read, or hold no word of their own."""
    assert unread_sentences().keys() == {
        "Message('', template, values)",
        "Message(code, template, values)",
        "Message('', '{first}' + between + '{second}', {'first': whole, 'second': part})",
        "Message(code, '{file}: ' + template, {'file': file, **values})",
        "Message(code, '{file}: ' + template, {'file': shown, **values})",
        "Message('', template, detail.get('ctx', {}))",
        "phrase(template, **values)",
        "phrase(reason)",
        "phrase(who)",
        "phrase(one)",
    }


def test_a_sentence_of_the_engine_is_translated_with_the_phrases_inside_it() -> None:
    old = Card(0, "GTX 1080", capability=(6, 1))
    build = TorchBuild("2.14.1+cu130", cuda="13.0", torchvision="0.29.1", architectures=((7, 5),))
    problem = problem_with(old, build, Driver("580.95", (13, 0)))
    assert problem is not None
    set_language("zh_CN")
    said = translate(problem)
    assert said.startswith("GTX 1080 的计算能力为 6.1")
    assert "请运行：pip install" in said
    assert "run:" not in said


def test_what_a_setting_must_be_is_translated() -> None:
    with pytest.raises(BadInput) as refused:
        make_recipe({"unfreeze_batch_size": 1, "momentum": 2.0, "network": "yolo"})
    set_language("zh_CN")
    said = [translate(message) for message in refused.value.messages]
    assert all(text.isascii() is False and "input should" not in text for text in said), said


def test_words_follow_the_language() -> None:
    set_language("zh_CN")
    assert _("Hardware") == "硬件"
    assert ngettext("{count} core", "{count} cores", 1) == "1 个核心"
    assert ngettext("{count} core", "{count} cores", 2) == "2 个核心"
    set_language("en")
    assert ngettext("{count} core", "{count} cores", 2) == "2 cores"


def test_values_lose_control_characters_and_messages_inside_messages_are_worded() -> None:
    set_language("pseudo")
    inner = Message("a", "inner", {})
    said = translate(Message("b", "{name}: {reason}", {"name": "x\x1b[2J", "reason": inner}))
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
