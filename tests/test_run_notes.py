"""Runs have names: data set, preset, network, and a note that the user writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.messages import BadInput
from engine.plan import plan_from_json
from engine.runs.folder import load_plan
from engine.runs.note import MAX_NOTE_LENGTH, NOTE, read_note, write_note
from engine.runs.summary import list_runs, summarize_run
from tests.command import command
from tests.recorded_run import recorded_run
from tests.small_training import arguments, prepare
from tui.text.run_states import data_name, describe_origin


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With one finished run."""
    folder = tmp_path_factory.mktemp("named")
    recorded_run(folder)
    return folder


@pytest.fixture
def run(workspace: Path) -> Path:
    """The run, without a note."""
    (summary,) = list_runs(workspace)
    (Path(summary.path) / NOTE).unlink(missing_ok=True)
    return Path(summary.path)


def test_a_run_is_listed_with_data_set_network_and_note(run: Path, workspace: Path) -> None:
    write_note(run, "with mosaic")
    summary = summarize_run(run)
    assert (summary.network, summary.data) == ("yolov4-tiny", str(workspace / "data"))
    assert data_name(summary) == "data"
    assert "yolov4-tiny" in describe_origin(summary)
    shown = command("runs", "--workspace", str(workspace)).stdout
    assert all(text in shown for text in ("yolov4-tiny", "data", "with mosaic"))
    (stored,) = json.loads(command("runs", "--json", "--workspace", str(workspace)).stdout)
    assert (stored["network"], stored["note"], stored["preset"]) == ("yolov4-tiny", "with mosaic", None)
    assert "losses" not in stored


def test_the_curves_are_those_of_the_epochs(run: Path) -> None:
    summary = summarize_run(run)
    assert [epoch for epoch, _loss in summary.losses] == list(range(1, 9))
    assert [loss for _epoch, loss in summary.losses] == sorted((loss for _epoch, loss in summary.losses), reverse=True)
    assert len(summary.val_losses) == 8
    assert summary.maps


def test_a_plan_keeps_the_name_of_its_preset_and_one_of_an_older_version_has_none(tmp_path: Path, run: Path) -> None:
    prepare(tmp_path, images=8)
    words = arguments(tmp_path)
    plan = json.loads(command("plan", *words[1:], "--preset", "quick-cpu", "--json").stdout)
    assert plan["preset"] == "quick-cpu"
    assert plan_from_json(plan).preset == "quick-cpu"
    del plan["preset"]
    assert plan_from_json(plan).preset is None
    assert load_plan(run).preset is None


def test_the_command_writes_prints_and_removes_a_note(run: Path, workspace: Path) -> None:
    words = ("runs", "note", run.name)
    assert command(*words, "smaller\x1b[31m\nbatch \u202e", "--workspace", str(workspace)).returncode == 0
    assert (run / NOTE).read_text(encoding="utf-8") == "smaller[31m batch\n"
    assert command(*words, "--workspace", str(workspace)).stdout == "smaller[31m batch\n"
    assert command("runs", "--workspace", str(workspace), "note", run.name).stdout == "smaller[31m batch\n"
    assert command(*words, "", "--workspace", str(workspace)).returncode == 0
    assert not (run / NOTE).exists()


def test_a_note_of_an_unknown_run_or_of_too_many_characters_is_one_sentence(run: Path, workspace: Path) -> None:
    refused = command("runs", "note", "loss_2026", "text", "--workspace", str(workspace))
    assert refused.returncode == 2
    assert f"did you mean {run.name}?" in refused.stderr
    unlike = command("runs", "note", "NOSUCH", "text", "--workspace", str(workspace))
    assert unlike.stderr == f"NOSUCH: there is no such run; the newest is {run.name}.\n"
    with pytest.raises(BadInput, match=f"at most {MAX_NOTE_LENGTH}"):
        write_note(run, "x" * (MAX_NOTE_LENGTH + 1))
    assert write_note(run, "框" * MAX_NOTE_LENGTH) == read_note(run)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\x00b\x1b]0;t\x07", b"x" * 5000])
def test_a_note_that_another_program_wrote_is_shown_without_control_characters(run: Path, content: bytes) -> None:
    (run / NOTE).write_bytes(content)
    assert read_note(run).isprintable()
    assert len(read_note(run)) <= MAX_NOTE_LENGTH


def test_a_folder_in_place_of_the_note_is_no_note_and_one_sentence(run: Path) -> None:
    (run / NOTE).mkdir()
    try:
        assert read_note(run) == ""
        assert summarize_run(run).state == "finished"
        with pytest.raises(BadInput):
            write_note(run, "text")
        with pytest.raises(BadInput):
            write_note(run, "")
    finally:
        (run / NOTE).rmdir()
