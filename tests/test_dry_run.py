"""Dry runs: real first steps in a child process, and the preflight check that uses them before a run on a card."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.plan import Plan
from engine.planning.dry_run.dry_run import DryRunResult, cached_dry_run, dry_run
from engine.planning.dry_run.preflight import DoesNotFit, preflight
from engine.planning.dry_run.timing import epoch_seconds, with_seconds
from engine.planning.subprocess_call import KILLED, call_subprocess
from tests.given_hardware import PROCESSOR_ONLY
from tests.small_training import plan_and_dataset, prepare

FITS = DryRunResult({"freeze": 1.0, "unfreeze": 2.0}, 0.1, 0.5, {"freeze": 10**9, "unfreeze": 2 * 10**9})


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dry_run")
    prepare(folder)
    return folder


def test_a_dry_run_times_both_stages_and_is_cached(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FREEZETUI_CACHE", str(tmp_path))
    plan, dataset = plan_and_dataset(workspace)
    assert cached_dry_run(plan, PROCESSOR_ONLY) is None
    result = dry_run(plan, dataset, PROCESSOR_ONLY)
    assert (result.failed, result.out_of_memory) == (None, None)
    assert set(result.step_seconds) == {"freeze", "unfreeze"}
    assert all(seconds > 0 for seconds in result.step_seconds.values())
    assert cached_dry_run(plan, PROCESSOR_ONLY) == result
    assert all(stage.seconds_estimate for stage in with_seconds(plan, result).stages)
    assert not any(path.name.startswith(".dry_run") for path in workspace.rglob("*"))


def test_an_epoch_consists_of_its_steps_its_validation_and_its_files(workspace: Path) -> None:
    plan, _ = plan_and_dataset(workspace)
    stage = plan.stages[0]
    seconds = epoch_seconds(stage, plan, FITS)
    assert seconds is not None
    assert seconds > stage.steps_per_epoch * 1.0 + plan.images["val"] * 0.1
    assert epoch_seconds(stage, plan, replace(FITS, step_seconds={})) is None


def test_measured_memory_replaces_the_predicted_one(workspace: Path) -> None:
    plan, dataset = plan_and_dataset(workspace)
    checked = preflight(plan, dataset, may_lower=False, run=lambda _: FITS)
    assert [stage.batch_size for stage in checked.stages] == [stage.batch_size for stage in plan.stages]
    for stage, peak in zip(checked.stages, (10**9, 2 * 10**9), strict=True):
        assert stage.memory_estimate_bytes is not None
        assert stage.memory_margin_bytes is not None
        assert stage.memory_estimate_bytes - stage.memory_margin_bytes == peak


def card_that_fits(max_batch_size: int, stage_name: str = "unfreeze") -> Callable[[Plan], DryRunResult]:
    """A dry run on a card on which the stage fits with at most `max_batch_size`."""

    def run(plan: Plan) -> DryRunResult:
        stage = next(stage for stage in plan.stages if stage.name == stage_name)
        return FITS if stage.batch_size <= max_batch_size else replace(FITS, out_of_memory=stage_name)

    return run


def test_checkpointing_is_tried_before_a_smaller_batch(workspace: Path) -> None:
    plan, dataset = plan_and_dataset(workspace, freeze_batch_size=8, unfreeze_batch_size=8, input_shape=[256, 256])

    def run(plan: Plan) -> DryRunResult:
        return FITS if plan.activation_checkpointing else replace(FITS, out_of_memory="unfreeze")

    checked = preflight(plan, dataset, may_lower=False, run=run)
    assert checked.activation_checkpointing
    assert [stage.batch_size for stage in checked.stages] == [8, 8]
    assert checked.warnings[-1].code == "plan.checkpointing_enabled"
    off, _ = plan_and_dataset(
        workspace, freeze_batch_size=8, unfreeze_batch_size=8, input_shape=[256, 256], activation_checkpointing="off"
    )
    with pytest.raises(DoesNotFit, match="unfreeze_batch_size=4"):
        preflight(off, dataset, may_lower=False, run=run)


def test_batch_sizes_are_lowered_if_memory_runs_out(workspace: Path) -> None:
    plan, dataset = plan_and_dataset(workspace, freeze_batch_size=8, unfreeze_batch_size=8)
    checked = preflight(plan, dataset, may_lower=True, run=card_that_fits(2))
    assert [stage.batch_size for stage in checked.stages] == [4, 2]
    assert checked.warnings[-1].code == "plan.batch_lowered"


def test_a_freeze_stage_that_runs_out_of_memory_gets_the_smaller_batch_size_itself(workspace: Path) -> None:
    plan, dataset = plan_and_dataset(workspace, freeze_batch_size=8, unfreeze_batch_size=4)
    checked = preflight(plan, dataset, may_lower=True, run=card_that_fits(4, "freeze"))
    assert [stage.batch_size for stage in checked.stages] == [4, 4]


def test_without_permission_the_batch_size_to_set_is_named_and_nothing_starts(workspace: Path) -> None:
    plan, dataset = plan_and_dataset(workspace, freeze_batch_size=8, unfreeze_batch_size=8)
    with pytest.raises(DoesNotFit, match="unfreeze_batch_size=4") as refused:
        preflight(plan, dataset, may_lower=False, run=card_that_fits(2))
    assert refused.value.exit_code == 3
    with pytest.raises(DoesNotFit, match="smaller input_shape"):
        preflight(plan, dataset, may_lower=True, run=card_that_fits(1))


def test_a_peak_above_the_free_memory_counts_as_out_of_memory(workspace: Path) -> None:
    plan, dataset = plan_and_dataset(workspace, freeze_batch_size=8, unfreeze_batch_size=8)
    stages = tuple(replace(stage, memory_limit_bytes=15 * 10**8) for stage in plan.stages)
    with pytest.raises(DoesNotFit, match="in the unfreeze stage"):
        preflight(replace(plan, stages=stages), dataset, may_lower=False, run=lambda _: FITS)


@pytest.mark.parametrize(("number", "out_of_memory"), [(9, "start"), (2, None), (11, None)])
def test_only_sigkill_means_out_of_memory(workspace: Path, number: int, out_of_memory: str | None) -> None:
    plan, dataset = plan_and_dataset(workspace)
    response = {"failed": KILLED if number == 9 else f"ended by signal {number}", "signal": number}
    result = dry_run(plan, dataset, PROCESSOR_ONLY, call=lambda *_: response)
    assert result.out_of_memory == out_of_memory


def test_another_error_is_not_taken_for_out_of_memory(workspace: Path) -> None:
    plan, dataset = plan_and_dataset(workspace)
    no_folder = replace(plan, workspace=str(workspace / "nowhere"))
    result = dry_run(no_folder, dataset, PROCESSOR_ONLY)
    assert result.out_of_memory is None
    assert result.failed is not None
    assert "nowhere" in result.failed


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_child_that_is_ended_by_a_signal_reports_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dying.py").write_text(
        "import json, os, signal, sys; number = json.load(sys.stdin)['number']\n"
        "if number != 9: signal.signal(number, signal.SIG_DFL)  # a shell's background jobs ignore Ctrl+C\n"
        "os.kill(os.getpid(), number)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert call_subprocess("dying", {"number": 9}, 20) == {"failed": KILLED, "signal": 9}
    assert call_subprocess("dying", {"number": 2}, 20) == {"failed": "ended by signal 2", "signal": 2}


def test_a_child_may_print_in_another_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "printing.py").write_text(
        "import sys; sys.stderr.buffer.write('\\u5f20\\u4e09'.encode('gbk')); print('{\"result\": 1}')"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert call_subprocess("printing", {}, 20) == {"result": 1}
