"""The language of the commands: every text for people comes from a catalogue; JSON stays English."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.dataset.image_files import images_below
from engine.hardware import probe
from tests.command import command
from tests.small_training import arguments, copy_run, finished_workspace, only_run
from tests.untranslated_words import untranslated_words
from tui.text import language_of_locale, set_language
from tui.text.sentences import extract_texts

COMMANDS = (
    *("probe", "plan", "train", "resume", "runs", "evaluate", "predict"),
    *(
        "data",
        "data check",
        "data convert",
        "data anchors",
        "data sample",
        "presets",
        "presets show",
        "export",
        "label",
        "weights",
        "weights get",
        "weights import",
        "runs note",
        "runs compare",
        "report",
        "attach",
        "runs stop",
        "serve",
    ),
)
_IDENTIFIERS = re.compile(
    r"--?[a-z][\w-]*"  # options
    r"|\b[A-Z]+(=[A-Z]+)?\b"  # placeholders
    r"|\w+(\|\w+)+"  # choices
    r"|freezetui( \w+)*"  # commands
)
_PATHS = re.compile(r"[\w.-]*/[\w./-]+")
_BORDERS = re.compile("[─│╭╮╰╯]")


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    set_language("en")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, weights, a finished run, and one that was killed."""
    folder = tmp_path_factory.mktemp("workspace")
    run = copy_run(finished_workspace(), folder)
    killed = run.with_name("loss_killed")
    shutil.copytree(run, killed)
    events = (killed / "events.jsonl").read_text().splitlines(keepends=True)
    (killed / "events.jsonl").write_text("".join(events[:-1]))
    return folder


def output(*words: str | Path, cwd: Path | None = None, exit_code: int = 0) -> str:
    """What a command prints in the pseudo language."""
    done = command("--lang", "pseudo", *map(str, words), cwd=cwd)
    assert done.returncode == exit_code, done.stderr
    text = done.stdout + done.stderr
    assert "⟦" in text
    return text


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_every_word_of_the_help_comes_from_the_catalogue(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")  # in a narrow terminal long texts are cut
    lines = [line for line in output(*name.split(), "--help").splitlines() if not line.startswith("   freezetui")]
    text = " ".join(_BORDERS.sub(" ", " ".join(lines)).split())
    words = untranslated_words(_IDENTIFIERS.sub(" ", text))
    assert set(words) <= {"own", *(word for command_name in COMMANDS for word in command_name.split())}


def test_every_word_of_the_output_comes_from_the_catalogue(workspace: Path, tmp_path: Path) -> None:
    run, data = only_run(finished_workspace()).name, workspace / "data"
    weights = workspace / "logs" / run / "best_epoch_weights.pth"
    new_images = tmp_path / "new"
    new_images.mkdir()
    shutil.copy(next(images_below(data)), new_images)
    names = ("data", "ball", "crate", "star", "AP50", "AP50-95", "F1", probe(workspace).processor.name)
    for words in (
        ("probe",),
        ("presets",),
        ("weights",),
        ("weights", "import", weights, "--to", tmp_path / "imported.pth"),
        ("data", "sample", tmp_path / "sample", "--images", "8"),
        ("data", "convert", data, "--to", "yolo", tmp_path / "yolo"),
        ("data", "check", data),
        ("plan", *arguments(workspace)[1:]),
        ("runs", "--workspace", workspace),
        ("runs", "--workspace", tmp_path),
        ("runs", "compare", run, "loss_killed", "--workspace", workspace),
        ("report", run, "--workspace", workspace, "--out", tmp_path / "report.html"),
        ("evaluate", "--weights", weights, "--data", data),
        ("predict", "--weights", weights, data, "--save", tmp_path / "out"),
        ("label", "--weights", weights, new_images, "--to", "voc"),
        ("label", "--weights", weights, new_images, "--pick", "1"),
    ):
        text = output(*words)
        assert untranslated_words(_PATHS.sub(" ", text), data=(run, "loss_killed", *names)) == [], text


def test_every_word_about_a_training_comes_from_the_catalogue(tmp_path: Path) -> None:
    for name in ("data", "model_data"):
        shutil.copytree(finished_workspace() / name, tmp_path / name)
    trained = output(*arguments(tmp_path, freeze_epoch=1, unfreeze_epoch=2))
    (run,) = (tmp_path / "logs").iterdir()
    extended = output("resume", run, "--set", "unfreeze_epoch=3")
    assert untranslated_words(_PATHS.sub(" ", trained + extended)) == []


@pytest.mark.parametrize(
    "words",
    [
        "trian",
        "plan",
        "plan --dta x",
        "plan --data",
        "runs too many",
        "evaluate --weights x --data y --batch-size 0",
        "evaluate --weights x --data y --batch-size many",
        "predict --weights x --threshold 2 y",
        "plan --json=3 --data x",
        "data chek",
        "predict --weights x",
        "train --data nowhere --preset quick",
        "train --data nowhere",
        "train --data nowhere --set unfreeze_epochs=3",
        "train --data nowhere --on-oom sotp",
        "train --data nowhere --map x",
        "resume nothing",
        "weights get yolo",
        "predict --weights nothing.pth nothing.jpg",
    ],
)
def test_every_word_of_an_error_comes_from_the_catalogue(words: str, tmp_path: Path) -> None:
    text = output(*words.split(), cwd=tmp_path, exit_code=2)
    assert untranslated_words(text) == []
    assert len(text.splitlines()) == 1


def test_the_locale_decides_where_no_language_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert command("runs", "--workspace", str(tmp_path)).stdout.endswith("中还没有训练记录。\n")
    assert command("--lang", "en", "runs", "--workspace", str(tmp_path)).stdout.startswith("There are no runs")


def test_json_is_english_in_every_language(workspace: Path) -> None:
    chinese = command("--lang", "zh_CN", "runs", "--workspace", str(workspace), "--json").stdout
    english = command("--lang", "en", "runs", "--workspace", str(workspace), "--json").stdout
    assert chinese == english
    assert "The process was killed" in json.loads(english)[-1]["message"]


def test_a_language_that_there_is_not_is_refused_with_the_nearest() -> None:
    refused = command("--lang", "zh", "runs")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "did you mean zh_CN?" in refused.stderr


def test_a_run_that_was_trained_in_another_language_is_read_in_the_users(workspace: Path) -> None:
    listed = command("--lang", "zh_CN", "runs", "--workspace", str(workspace)).stdout
    assert "被终止" in listed
    assert "The process" not in listed


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "de:zh_CN:en"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en"}, "en"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "zh_CN"}, "en"),
        ({}, "en"),
    ],
)
def test_the_variables_of_the_locale_are_read_as_gettext_reads_them(variables: dict[str, str], language: str) -> None:
    assert language_of_locale(variables) == language


def test_sizes_are_in_binary_units_everywhere() -> None:
    project = Path(__file__).parent.parent
    pages = [*project.glob("*.md"), *project.glob("docs/*.md")]
    texts = [part for text in extract_texts() for part in ([text] if isinstance(text, str) else text)]
    for text in (*texts, *(page.read_text(encoding="utf-8") for page in pages if page.name != "CHANGELOG.md")):
        assert re.findall(r".{20}\b[KMGT]B\b", text) == []
