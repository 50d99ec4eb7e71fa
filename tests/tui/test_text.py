"""Catalogues: complete, compiled, and filled with the same values as the English sentences."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.mofile import read_mo

from engine.hardware import Card, Driver, TorchBuild
from engine.hardware.torch_build import incompatibility
from engine.messages import BadInput, Message
from engine.recipe import make_recipe
from tui.text import _, language_of_locale, ngettext, set_language, translate
from tui.text.joining import join_parts, join_sentences, named
from tui.text.sentences import ENGINE, KEYWORDS, catalogue_paths, extract_from, read_catalogue, template
from tui.wizard.recipe_fields import recipe_fields

WORD, PLACE = re.compile(r"\b[a-z]{2,}\b"), re.compile(r"\{.*?\}")


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    set_language("en")


@pytest.fixture(scope="module")
def texts() -> Catalog:
    return template()


def translations_of(catalogue: Catalog) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Each text (singular and plural) and its translations, one for each plural form."""
    forms = ((m.id, m.string) for m in catalogue if m.id)
    return {
        tuple([text] if isinstance(text, str) else text): tuple([t] if isinstance(t, str) else t or ())
        for text, t in forms
    }


@pytest.mark.parametrize("path", catalogue_paths(), ids=lambda path: path.parts[-3])
class TestCatalogue:
    def test_every_text_is_translated_and_none_is_left_over(self, path: Path, texts: Catalog) -> None:
        catalogue = translations_of(read_catalogue(path))
        translated = {text for text, translations in catalogue.items() if translations and all(translations)}
        assert translated == translations_of(texts).keys(), "run: make catalogues"

    def test_no_sentence_is_english(self, path: Path) -> None:
        """A text of several English words has letters of the language; figures and listings of files have none."""
        english = [
            translation
            for translations in translations_of(read_catalogue(path)).values()
            for translation in translations
            if WORD.search(PLACE.sub("", translation)) and translation.isascii() and "  " not in translation
        ]
        assert set(english) <= {"focal loss", "torch {value}", "Annotations/*.xml"}, "only names are left as they are"

    def test_the_compiled_form_is_that_of_the_source(self, path: Path) -> None:
        with path.with_suffix(".mo").open("rb") as file:
            assert translations_of(read_mo(file)) == translations_of(read_catalogue(path)), "run: make catalogues"

    def test_translations_name_the_same_values(self, path: Path) -> None:
        def names(text: str) -> set[str]:
            return {name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name}

        for text, translations in translations_of(read_catalogue(path)).items():
            assert all(names(translation) == names(text[-1]) for translation in translations), text


def test_texts_are_extracted_from_calls_within_calls() -> None:
    source = """
line(_("outer {x}", x=", ".join(_("inner") for _name in names)), ngettext("{count} box", "{count} boxes", len(boxes)))
raise bad_input("a.code", "one "
    "text {hint}", hint=phrase("a hint") if hint else phrase(variable))
"""
    assert list(extract_from(source)) == [
        "outer {x}",
        ("{count} box", "{count} boxes"),
        "inner",
        "one text {hint}",
        "a hint",
    ]


def calls_without_a_literal() -> Iterator[str]:
    """Calls of the functions that texts are extracted from, whose text is not a single literal: no catalogue has them."""
    for path in ENGINE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                for position in KEYWORDS.get(name, ()):
                    argument = node.args[position - 1] if position <= len(node.args) else None
                    if argument is not None and not isinstance(getattr(argument, "value", None), str):
                        yield ast.unparse(node)


def test_every_text_of_the_engine_can_be_extracted() -> None:
    """Texts that are put together while the program runs come from calls that are extracted, or hold no word of their own."""
    assert set(calls_without_a_literal()) == {
        "Message('', template, values)",
        "Message(code, template, values)",
        "Message(code, template, {'file': file, **values})",
        "Message(joint.code, template, {'first': joint, 'second': part})",
        "Message(str(record['code']), template, {name: _message_from_json(value) if isinstance(value, Mapping) else value for name, "
        "value in values.items()})",
        "phrase(name)",
        "phrase(reason)",
        "phrase(stage)",
        "phrase(stage.name)",
        "phrase(template)",
        "phrase(template, **values)",
        "Message('plan.split_without_boxes', template, {'count': len(images)})",
        "Message(first.code, first.template, values)",
        "Message('figure', template, values)",
        "Message('plan.memory', template, values)",
        "bad_input('run.gone', RUN_GONE, run=run)",
        "finding(severity, code, file, template, count=count)",
        "finding(severity, code, relative_path(Path(file), self.root), template, **values)",
        "parsed.leave_out('box', 'error', code, parsed.root, template, count=len(rows), files=len(of_rows), names=join_names(of_rows[:MAX_NAMES]))",
        "parsed.leave_out('box', 'error', code, parsed.root, template, count=len(rows), names=join_names(rows[:MAX_NAMES]))",
        "parsed.leave_out('label_file', 'warning', code, parsed.root, template, count=len(counts), boxes=boxes, names=join_names(list(counts)[:MAX_NAMES]))",
        "parsed.leave_out(kind, severity, code, parsed.tree.path(files[0]) if len(files) == 1 else parsed.root, template, count=self._counts[cause], boxes=self._boxes[cause] if '{boxes}' in template else None, names=join_names(files[:MAX_NAMES]), reason=self._first_reason.get(cause, ''))",
        "phrase(_LABELS[name], value=value if value != '' else '-')",
        "phrase(template, count=len(names), names=join_names(names, _SHOWN_NAMES))",
        "Message('label.name', template, {'image': image, 'name': file.name})",
        "parsed.add_finding('warning', 'class.repeated', data.path, REPEATED_NAMES, names=join_names(repeated[:MAX_NAMES]))",
        "parsed.add_finding('warning', 'class.repeated', file or parsed.root, REPEATED_NAMES, names=join_names(repeated[:MAX_NAMES]))",
        "parsed.add_finding(severity, code, parsed.root, template, length=lengths, count=count)",
        "parsed.leave_out('box', 'error', code, parsed.tree.path(file), template, count=int(mask.sum()), names=ids)",
        "parsed.leave_out('line', 'error', code, parsed.tree.path(file), template, count=len(names), boxes=None if boxes is None else boxes[reason], names=join_names(names[:MAX_NAMES]))",
        "phrase(_STAGES[stage.name])",
        "self.add_finding(severity, code, file, template, count=count, **values)",
    }


def test_a_sentence_of_the_engine_is_translated_with_the_phrases_inside_it() -> None:
    old = Card(0, "GTX 1080", capability=(6, 1))
    build = TorchBuild("2.14.1+cu130", cuda="13.0", torchvision="0.29.1", architectures=((7, 5),))
    problem = incompatibility(old, build, Driver("580.95", (13, 0)))
    assert problem is not None
    set_language("zh_CN")
    text = translate(problem)
    assert text.startswith("GTX 1080 的计算能力为 6.1")
    assert "请运行：pip install" in text
    assert "run:" not in text


def test_what_a_setting_must_be_is_translated() -> None:
    with pytest.raises(BadInput) as refused:
        make_recipe({"unfreeze_batch_size": 1, "momentum": 2.0, "network": "yolo"})
    set_language("zh_CN")
    sentences = [translate(message) for message in refused.value.messages]
    assert all(not sentence.isascii() and " must be " not in sentence for sentence in sentences), sentences


@pytest.mark.parametrize(
    ("language", "sentences", "name", "parts", "allowed"),
    [
        ("en", "One. Two.", "run: done", "cpu, fp32, 2 threads", "a number from 0 below 1"),
        ("zh_CN", "一。二。", "run：done", "cpu，fp32，2 threads", "数字，不小于 0，小于 1"),
    ],
)
def test_parts_are_put_together_with_the_marks_of_the_language(
    language: str, sentences: str, name: str, parts: str, allowed: str
) -> None:
    set_language(language)
    assert (
        join_sentences(*(["One.", None, "", "Two."] if language == "en" else ["一。", None, "", "二。"])) == sentences
    )
    assert named("run", "done") == name
    assert join_parts("cpu", "", "fp32", "2 threads") == parts
    assert next(field.allowed for field in recipe_fields() if field.name == "momentum") == allowed


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
    text = translate(Message("b", "{name}: {reason}", {"name": "x\x1b[2J", "reason": inner}))
    assert "\x1b" not in text
    assert "⟦inner" in text


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
