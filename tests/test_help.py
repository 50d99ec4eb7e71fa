"""The help of every command: examples that run, values named by their meaning, sections; and sentences that name real commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from tests.command import command
from tui.main import app
from tui.text.sentences import extract_texts

PROJECT = Path(__file__).parent.parent


def commands() -> dict[str, object]:
    """Every command by its words; "" is freezetui itself."""
    return dict(_walk("", typer.main.get_command(app)))


def _walk(words: str, group: object) -> Iterator[tuple[str, object]]:
    yield words, group
    if isinstance(group, TyperGroup):
        for name, member in group.commands.items():
            yield from _walk(f"{words} {name}".strip(), member)


def example_lines(words: str) -> list[str]:
    text = command(*words.split(), "--help").stdout
    return [line.strip() for line in text.splitlines() if line.startswith("   freezetui")]


def parse(line: str) -> str:
    """The command that a line runs. Its words are parsed, and nothing is run."""
    group: object = typer.main.get_command(app)
    arguments, context, words = shlex.split(line)[1:], None, []
    while True:
        context = group.make_context(words[-1] if words else "freezetui", arguments, parent=context)  # type: ignore[attr-defined]
        rest = [*context._protected_args, *context.args]
        if not (isinstance(group, TyperGroup) and rest):
            assert not rest
            return " ".join(words)
        words.append(rest[0])
        group, arguments = group.commands[rest[0]], rest[1:]


@pytest.mark.parametrize("words", list(commands()))
def test_every_help_has_examples_of_its_command_that_parse(words: str) -> None:
    lines = example_lines(words)
    assert lines
    parsed = [parse(line) for line in lines]
    assert all(found.startswith(words) for found in parsed)


@pytest.mark.parametrize("words", list(commands()))
def test_no_help_shows_the_type_of_a_value_in_a_programmers_words(words: str) -> None:
    text = command(*words.split(), "--help").stdout
    assert not re.search(r"<\w+>|\bTEXT {2}|\bINTEGER\b|\bPATH {2}|<=x|x>=", text)


def test_options_stand_in_sections() -> None:
    titles = re.findall(r"╭─ (.+?) ─", command("train", "--help").stdout)
    assert titles == [
        "Data set",
        "Recipe",
        "Files and device",
        "Several processes and machines",
        "Background and end",
        "Output and help",
    ]


def test_the_help_is_in_chinese_with_the_same_examples() -> None:
    lines = example_lines("train")
    text = command("--lang", "zh_CN", "train", "--help").stdout
    assert all(line in text for line in lines)


def test_examples_of_presets_data_and_settings_run(tmp_path: Path) -> None:
    for words in ("presets", "presets show", "data sample", "data check", "data convert"):
        for line in example_lines(words):
            done = command(*shlex.split(line)[1:], cwd=tmp_path)
            assert done.returncode == 0, (line, done.stderr)


def named_commands(text: str) -> list[str]:
    """The words behind each `freezetui` that begins a command in a text, not a part of its sentence."""
    return [match[1].strip() for match in re.finditer(r"[:(`\n] ?freezetui((?: [a-z]+\b)+)", text)]


@pytest.mark.parametrize(
    "source", ["sentences", *sorted(str(file.relative_to(PROJECT)) for file in PROJECT.glob("docs/*.md"))]
)
def test_every_command_that_is_named_exists(source: str) -> None:
    if source == "sentences":
        texts = [part for text in extract_texts() for part in ([text] if isinstance(text, str) else text)]
        named = [words for text in texts for words in named_commands(text)]
    else:
        code = re.findall(r"```.*?```|`[^`]+`", (PROJECT / source).read_text(encoding="utf-8"), re.DOTALL)
        named = [words for text in code for words in named_commands(text)]
    known = commands()
    for words in named:
        first, *rest = words.split()
        assert first in known, words
        if isinstance(known[first], TyperGroup) and rest:
            assert f"{first} {rest[0]}" in known, words


@pytest.mark.parametrize("words", ["predict", "resume", "runs compare"])
def test_arguments_stand_in_the_usage_as_manuals_write_them(words: str) -> None:
    usage = next(line for line in command(*words.split(), "--help").stdout.splitlines() if "Usage:" in line)
    assert "{" not in usage
    assert "...}" not in usage
    assert usage.rstrip().endswith({"predict": "SOURCE...", "resume": "RUN", "runs compare": "RUN OTHER"}[words])
