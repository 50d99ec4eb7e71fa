"""Rehearsals: real first steps in a fresh process, and what a launch on a card makes of them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.hardware import probe
from engine.plan import Plan
from engine.planning.dry_run.dry_run import DryRunResult, cached_dry_run, rehearse
from engine.planning.dry_run.preflight import DoesNotFit, verified
from engine.planning.dry_run.timing import epoch_seconds, with_seconds
from engine.planning.subprocess_call import KILLED, call_subprocess
from tests.small_training import plan_and_dataset, prepare

FITS = DryRunResult({"freeze": 1.0, "unfreeze": 2.0}, 0.1, 0.5, {"freeze": 10**9, "unfreeze": 2 * 10**9})


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rehearsal")
    prepare(folder)
    return folder


def test_a_rehearsal_times_both_stages_and_is_remembered(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FREEZETUI_CACHE", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    plan, _ = plan_and_dataset(workspace)
    hardware = probe(workspace)
    assert cached_dry_run(plan, hardware) is None
    found = rehearse(plan, hardware)
    assert (found.failed, found.out_of_memory) == (None, None)
    assert set(found.step_seconds) == {"freeze", "unfreeze"}
    assert all(seconds > 0 for seconds in found.step_seconds.values())
    assert cached_dry_run(plan, hardware) == found
    timed = with_seconds(plan, found)
    assert all(stage.seconds_estimate for stage in timed.stages)
    assert not any(path.name.startswith(".rehearsal") for path in workspace.rglob("*"))


def test_an_epoch_is_its_steps_its_validation_and_what_it_writes(workspace: Path) -> None:
    plan, _ = plan_and_dataset(workspace)
    stage = plan.stages[0]
    seconds = epoch_seconds(stage, plan, FITS)
    assert seconds is not None
    assert seconds > stage.steps_per_epoch * 1.0 + plan.images["val"] * 0.1
    assert epoch_seconds(stage, plan, replace(FITS, step_seconds={})) is None


def test_a_rehearsal_that_went_well_gives_measured_memory(workspace: Path) -> None:
    plan, dataset = plan_and_dataset(workspace)
    confirmed = verified(plan, dataset, may_lower=False, dry_run_with=lambda _: FITS)
    assert [stage.batch_size for stage in confirmed.stages] == [stage.batch_size for stage in plan.stages]
    for stage, peak in zip(confirmed.stages, (10**9, 2 * 10**9), strict=True):
        assert stage.memory_estimate_bytes is not None
        assert stage.memory_margin_bytes is not None
        assert stage.memory_estimate_bytes - stage.memory_margin_bytes == peak


def short_of_memory(most: int) -> Any:
    """A card on which the unfreeze stage fits with at most so many images."""

    def perform(plan: Plan) -> DryRunResult:
        fits = plan.stages[-1].batch_size <= most
        return FITS if fits else replace(FITS, out_of_memory="unfreeze")

    return perform


def test_memory_that_runs_out_in_the_rehearsal_lowers_the_batches_where_that_is_allowed(workspace: Path) -> None:
    plan, dataset = plan_and_dataset(workspace, freeze_batch_size=8, unfreeze_batch_size=8)
    confirmed = verified(plan, dataset, may_lower=True, dry_run_with=short_of_memory(2))
    assert [stage.batch_size for stage in confirmed.stages] == [4, 2]
    assert confirmed.warnings[-1].code == "plan.batch_lowered"


def test_a_freeze_stage_that_fails_gets_a_smaller_batch_itself(workspace: Path) -> None:
    plan, dataset = plan_and_dataset(workspace, freeze_batch_size=8, unfreeze_batch_size=4)

    def perform(check_weights: Plan) -> DryRunResult:
        return FITS if check_weights.stages[0].batch_size <= 4 else replace(FITS, out_of_memory="freeze")

    confirmed = verified(plan, dataset, may_lower=True, dry_run_with=perform)
    assert [stage.batch_size for stage in confirmed.stages] == [4, 4]


def test_an_earlier_rehearsal_that_took_more_than_is_free_now_went_badly(workspace: Path) -> None:
    plan, dataset = plan_and_dataset(workspace, freeze_batch_size=8, unfreeze_batch_size=8)
    little = replace(plan, stages=tuple(replace(stage, memory_limit_bytes=15 * 10**8) for stage in plan.stages))
    with pytest.raises(DoesNotFit, match="in the unfreeze stage"):
        verified(little, dataset, may_lower=False, dry_run_with=lambda _: FITS)


def test_only_the_kernels_own_kill_means_memory(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> None:
    plan, _ = plan_and_dataset(workspace)
    for number, memory in ((9, True), (2, False), (11, False)):
        answer = {"failed": KILLED if number == 9 else f"ended by signal {number}", "signal": number}
        monkeypatch.setattr("engine.planning.dry_run.dry_run.call_subprocess", lambda *_, answer=answer: answer)
        assert (rehearse(plan, probe(workspace)).out_of_memory is not None) == memory


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX knows them")
def test_a_child_that_dies_of_a_signal_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dying.py").write_text(
        "import os, signal, sys; number = int(sys.stdin.read())\n"
        "if number != 9: signal.signal(number, signal.SIG_DFL)  # a shell's background jobs ignore Ctrl+C\n"
        "os.kill(os.getpid(), number)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert call_subprocess("dying", 9, 20) == {"failed": KILLED, "signal": 9}  # type: ignore[arg-type]
    assert call_subprocess("dying", 2, 20) == {"failed": "ended by signal 2", "signal": 2}  # type: ignore[arg-type]


def test_what_a_child_says_in_another_encoding_is_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "speaking.py").write_text(
        "import sys; sys.stderr.buffer.write('\\u5f20\\u4e09'.encode('gbk')); print('{\"heard\": 1}')"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert call_subprocess("speaking", {}, 20) == {"heard": 1}


def test_else_nothing_is_started_and_the_batch_that_may_do_is_named(workspace: Path) -> None:
    plan, dataset = plan_and_dataset(workspace, freeze_batch_size=8, unfreeze_batch_size=8)
    with pytest.raises(DoesNotFit, match="unfreeze_batch_size=4") as refused:
        verified(plan, dataset, may_lower=False, dry_run_with=short_of_memory(2))
    assert refused.value.exit_code == 3
    with pytest.raises(DoesNotFit, match="smaller input_shape"):
        verified(plan, dataset, may_lower=True, dry_run_with=short_of_memory(1))


def test_a_rehearsal_that_dies_is_told_apart_from_one_that_has_no_memory(workspace: Path) -> None:
    plan, _ = plan_and_dataset(workspace)
    gone = replace(plan, data=replace(plan.data, path=str(workspace / "nowhere")))
    found = rehearse(gone, probe(workspace))
    assert found.out_of_memory is None
    assert found.failed is not None
    assert "nowhere" in found.failed
    assert os.environ.get("FREEZETUI_CACHE")
