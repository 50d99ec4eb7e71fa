"""`benchmarks/card.py` on the processor: each section measures, an error ends its own section only."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
import torch

from benchmarks.card import main
from benchmarks.card_bench import PROCESSOR, Bench, Scale
from benchmarks.card_report import Column, Report, read_records
from benchmarks.card_sections import SECTIONS, does_not_fit
from engine.plan import DataSource
from engine.planning.dry_run.dry_run import run_steps
from engine.planning.dry_run.preflight import preflight
from tests.made_once import made_once
from tests.small_training import IMAGES, prepare

TINY: Scale = replace(
    PROCESSOR,
    precisions=("fp32",),
    lengths={"yolov4-tiny": 64},
    batch_sizes={"yolov4-tiny": ((4, 2),)},
    timed_seconds=0.01,
    timed_steps=1,
    limits={"train": 4, "val": 1},
    resume_epochs=(1, 1),
    estimate_epochs=(1, 1),
    check_length=32,
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A few drawn images, and an input of 64 x 64."""
    start = made_once("card", partial(prepare, images=IMAGES))
    return Bench("cpu", DataSource(str(start / "data")), tmp_path, TINY)


def rows_of(section: str, bench: Bench) -> list[dict[str, object]]:
    """What a section measured; it must not have failed, nor have found anything wrong."""
    report = Report(section)
    SECTIONS[section].measure(bench, report)
    assert [record for record in report.records if record["kind"] in ("failed", "broken")] == []
    return [record for record in report.records if record["kind"] == "row"]


def test_memory_is_predicted_and_measured_for_both_stages(bench: Bench) -> None:
    rows = rows_of("memory", bench)
    assert [row["stage"] for row in rows] == ["freeze", "unfreeze"]
    for row in rows:
        assert isinstance(row["error_percent"], float)
        assert -2 < row["error_percent"] < 60


def test_the_16_bit_check_is_shown(bench: Bench) -> None:
    bench.scale = replace(TINY, precisions=("fp32", "bf16"))
    (row,) = rows_of("precision", bench)
    assert row["finite"] is True


def test_each_stage_is_compared_with_a_plain_loop(bench: Bench) -> None:
    rows = rows_of("speed", bench)
    assert [(row["stage"], row["what"]) for row in rows] == [
        (stage, what)
        for stage in ("freeze", "unfreeze")
        for what in ("plain loop", "engine, training", "engine, steps alone")
    ]
    assert all(float(str(row["images_per_second"])) > 0 for row in rows)
    assert all(0 <= float(str(row["data_wait_percent"])) <= 100 for row in rows if "data_wait_percent" in row)


def test_a_resumed_run_is_bit_exact_on_the_processor(bench: Bench) -> None:
    again, resumed = rows_of("resume", bench)
    assert again["bit_exact"] is resumed["bit_exact"] is True
    assert resumed["weight_difference"] == 0.0


def test_estimated_seconds_stand_beside_real_ones(bench: Bench) -> None:
    in_this_process = partial(preflight, run=lambda plan: run_steps(plan, bench.dataset))
    with mock.patch("benchmarks.card_sections.preflight", in_this_process):
        rows = rows_of("estimates", bench)
    assert [row["stage"] for row in rows] == ["freeze", "unfreeze"]
    assert all(float(str(row["estimated_seconds"])) > 0 < float(str(row["real_seconds"])) for row in rows)


def test_ddp_with_one_process_is_compared_with_none(bench: Bench) -> None:
    (row,) = rows_of("ddp", bench)
    assert row["backend"] == "gloo"
    assert not torch.distributed.is_initialized()


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space are Linux's")
def test_memory_is_short_and_is_there_again_afterwards(bench: Bench) -> None:
    with ExitStack() as shortage:
        shortage.enter_context(bench.short_of_memory(2**28))
        with pytest.raises(RuntimeError, match="can't allocate memory"):
            torch.empty(2**29, dtype=torch.uint8)
    assert len(torch.empty(2**29, dtype=torch.uint8)) == 2**29


def test_what_needs_time_is_left_out_when_there_is_none(bench: Bench) -> None:
    bench.deadline = 0.0
    for section in ("memory", "speed", "estimates"):
        assert rows_of(section, bench) == []


def test_a_plan_that_cannot_fit_is_not_measured(bench: Bench) -> None:
    plan = bench.plan(bench.recipe(precision="fp32"))
    assert does_not_fit(plan) is None
    stages = tuple(replace(stage, memory_limit_bytes=2**20) for stage in plan.stages)
    reason = does_not_fit(replace(plan, stages=stages))
    assert reason is not None
    assert "and 1 MiB are free" in reason


def test_an_error_ends_one_measurement_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("memory", tmp_path / "records.jsonl")
    table = report.table(Column("speed", "speed", ".1f"), Column("holds", "holds"))
    with report.guard("the first"):
        raise RuntimeError("no such card")
    table.row(speed=2.25, holds=False)
    with (tmp_path / "records.jsonl").open("a") as stream:
        stream.write('{"section": "mem')  # the process was killed
    output = capsys.readouterr().out
    assert "FAILED: the first" in output
    assert "RuntimeError: no such card" in output
    assert "|      2.2 | NO       |" in output
    assert [record["kind"] for record in read_records(tmp_path / "records.jsonl")] == ["failed", "row"]
    assert report.failures == 1


def test_sections_that_fail_make_exit_code_1_and_are_in_the_json(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "card.json"
    words = ["--device", "cpu", "--minutes", "2", "--json", str(result), "--data", str(tmp_path / "missing")]
    assert main([*words, "--sections", "estimates,ddp"]) == 1
    stored = json.loads(result.read_text())
    assert stored["machine"]["torch"] == torch.__version__
    assert list(stored["sections"]) == ["estimates", "ddp"]
    assert all(section["records"][-1]["kind"] == "failed" for section in stored["sections"].values())
    assert "## DDP with one process" in capfd.readouterr().out


def test_an_unknown_section_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--sections", "memroy"])
    assert "memory, precision, speed" in capsys.readouterr().err
