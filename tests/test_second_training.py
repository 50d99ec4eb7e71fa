"""A second training on one machine: the commands say so, and start it all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.events import Finished
from engine.plan import Plan
from tests.command import command
from tests.small_training import arguments, prepare
from tests.test_run_lock import held_by_another_process


@pytest.fixture(autouse=True)
def _only_this_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of other tests are not seen."""
    monkeypatch.setattr("engine.runs.live._locked_folders", tuple)


def test_train_names_the_training_of_another_process_and_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path)
    other = tmp_path / "logs" / "loss_2026_01_02_03_04_05"
    other.mkdir(parents=True)
    (other / "plan.json").write_text("{}")
    started: list[Plan] = []

    def start(plan: Plan, *_: object, **__: object) -> list[Finished]:
        started.append(plan)
        return [Finished(run="", best="", last="", map50=None, map50_95=None, seconds=1.0)]

    monkeypatch.setattr("engine.runner.start.start", start)
    with held_by_another_process(other) as holder:
        second = command(*arguments(tmp_path))
    assert second.returncode == 0, second.stderr
    assert "Another training is running on this machine." in second.stderr
    assert f"process {holder.pid}" in second.stderr
    assert "free memory: each takes longer" in second.stderr
    assert "Another training" not in command(*arguments(tmp_path)).stderr
    assert len(started) == 2
