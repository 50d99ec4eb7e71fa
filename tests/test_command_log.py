"""The log of a command: on standard error with -v, in logs/ after a bug; and errors as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import command
from tests.small_training import finished_workspace, only_run


def test_verbose_shows_what_was_read_and_leaves_the_output_alone() -> None:
    data = str(finished_workspace() / "data")
    quiet, shown = command("data", "check", data), command("data", "check", data, "-v")
    assert quiet.stderr == ""
    assert shown.stdout == quiet.stdout
    assert "engine.dataset.formats.open_dataset" in shown.stderr
    assert "format voc, classes ('ball', 'crate', 'star')" in shown.stderr
    assert "Python 3." in shown.stderr


@pytest.mark.parametrize("words", [("-v", "probe"), ("probe", "--verbose"), ("probe", "-v", "--json")])
def test_it_may_stand_before_and_behind_the_command(words: tuple[str, ...]) -> None:
    assert "processor: " in command(*words).stderr


def test_a_bug_leaves_a_log_and_says_how_to_report_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_arguments: object, **_values: object) -> None:
        raise ZeroDivisionError("it is broken")

    monkeypatch.setattr("engine.dataset.doctor.check_dataset", broken)
    done = command("data", "check", str(finished_workspace() / "data"), cwd=tmp_path)
    (log,) = (tmp_path / "logs").iterdir()
    assert done.returncode == 1
    assert done.stderr == (
        "A bug in freezetui: ZeroDivisionError: it is broken. Please report it where you found freezetui, and attach the log "
        f"{log}.\n"
    )
    text = log.read_text()
    assert "freezetui data check" in text
    assert "format voc" in text
    assert text.rstrip().endswith("ZeroDivisionError: it is broken")


def test_the_log_is_written_into_the_workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_arguments: object, **_values: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("engine.hardware.probe", broken)
    assert command("probe", "--workspace", str(tmp_path)).returncode == 1
    assert [file.suffix for file in (tmp_path / "logs").iterdir()] == [".log"]
    assert command("runs", "--workspace", str(tmp_path), "--json").stdout.strip() == "[]"


def test_where_no_log_can_be_written_the_sentence_names_another_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_arguments: object, **_values: object) -> None:
        raise ZeroDivisionError

    (tmp_path / "logs").write_text("no folder")
    monkeypatch.setattr("engine.hardware.probe", broken)
    done = command("probe", "--workspace", str(tmp_path), "--json")
    assert done.returncode == 1
    assert "FREEZETUI_DEBUG=1" in done.stderr
    assert json.loads(done.stdout)["error"]["exit_code"] == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("plan --data nowhere", "dataset.missing"),
        ("train --data nowhere", "dataset.missing"),
        ("train", "command.usage"),
        ("plan --dta nowhere", "command.usage"),
        ("resume nothing", None),
        ("data check nowhere", "dataset.missing"),
        ("data convert nowhere --to yolo out", "dataset.missing"),
        ("data anchors nowhere", "dataset.missing"),
        ("presets show nothing", "preset.unknown"),
        ("weights import nothing.pth", None),
        ("evaluate --weights nothing.pth --data nowhere", None),
        ("predict --weights nothing.pth nothing.jpg", None),
    ],
)
def test_a_refusal_is_a_json_object_too(words: str, code: str | None, tmp_path: Path) -> None:
    done = command(*words.split(), "--json", cwd=tmp_path)
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["exit_code"] == 2
    assert [message["message"] for message in error["messages"]]
    assert all(message["code"] for message in error["messages"])
    if code is not None:
        assert error["messages"][0]["code"] == code
    assert len(done.stderr.splitlines()) == 1


def test_the_json_of_a_refusal_is_english_and_its_sentence_is_not(tmp_path: Path) -> None:
    done = command("--lang", "zh_CN", "train", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["error"]["messages"][0]["message"].startswith("Missing option '--data'.")
    assert "Missing" not in done.stderr


def test_progress_is_on_standard_error_of_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    run = only_run(finished_workspace())
    words = ("evaluate", "--weights", str(run / "best_epoch_weights.pth"), "--data", str(finished_workspace() / "data"))
    quiet = command(*words)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes any stream for a terminal
    drawn, logged = command(*words), command(*words, "-v")
    assert quiet.stderr == ""
    for text in ("Reading labels", "Evaluating"):
        assert text in drawn.stderr
        assert text not in drawn.stdout
        assert text not in logged.stderr
