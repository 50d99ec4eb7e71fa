"""A second training on one machine: a person at a terminal is told, and it starts all the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.events import Finished
from engine.plan import Plan
from tests.command import command
from tests.small_training import arguments, prepare
from tests.test_run_lock import held_by_another_process
from tui.cli.second_training import warn_of_other_trainings


@pytest.fixture(autouse=True)
def _only_this_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of other tests are not seen."""
    monkeypatch.setattr("engine.runs.live._locked_folders", tuple)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The folder of a run."""
    run = tmp_path / "logs" / "loss_2026_01_02_03_04_05"
    run.mkdir(parents=True)
    (run / "plan.json").write_text("{}")
    return run


def test_the_training_of_another_process_is_named_in_a_terminal(
    tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with held_by_another_process(other) as holder:
        warn_of_other_trainings(tmp_path)
    said = capsys.readouterr().err
    assert "Another training is running on this machine." in said
    assert f"process {holder.pid}" in said
    assert "free memory: each takes longer" in said
    warn_of_other_trainings(tmp_path)
    assert capsys.readouterr().err == ""


def test_a_script_is_told_nothing_and_its_training_starts(
    tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path)
    started: list[Plan] = []

    def start(plan: Plan, *_: object, **__: object) -> list[Finished]:
        started.append(plan)
        return [Finished(run="", best="", last="", map50=None, map50_95=None, seconds=1.0)]

    monkeypatch.setattr("engine.runner.start.start", start)
    with held_by_another_process(other):
        second = command(*arguments(tmp_path))
    assert second.returncode == 0, second.stderr
    assert second.stderr == ""
    assert len(started) == 1
