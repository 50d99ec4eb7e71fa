"""The list of runs: quick for long runs, and complete whatever a folder holds."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from engine.events import EpochFinished, Event, Failed, Finished, RunStarted, Stopped
from engine.messages import Message
from engine.runs.event_scan import EpochCurve, scan_events
from engine.runs.folder import find_run
from engine.runs.summary import list_runs, summarize_run
from tests.command import command
from tests.made_events import epoch, step
from tests.recorded_run import recorded_run
from tui.text.run_states import describe_resume, format_epochs

STARTED = RunStarted(
    run="r",
    plan={
        "stages": [{"name": "freeze", "first_epoch": 0, "last_epoch": 9, "batch_size": 2, "steps_per_epoch": 10_000}]
    },
    epoch=0,
    step=0,
    continued=False,
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose files are all whole."""
    return recorded_run(tmp_path_factory.mktemp("recorded"))


@pytest.fixture
def run(recorded: Path, tmp_path: Path) -> Path:
    """A run with the plan of another and no events yet."""
    folder = tmp_path / "logs" / "loss_x"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text((recorded / "plan.json").read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def write(run: Path, *events: Event) -> None:
    with (run / "events.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(f"{event.to_line()}\n" for event in events)


def test_of_a_long_log_only_what_is_new_is_read(run: Path) -> None:
    write(run, STARTED, *(step(number) for number in range(1000)), epoch(0))
    first = summarize_run(run)
    stored = json.loads((run / "summary.json").read_text())
    assert stored["offset"] == (run / "events.jsonl").stat().st_size
    content = (run / "events.jsonl").read_bytes()
    (run / "events.jsonl").write_bytes(b"?" * (len(content) - 300) + content[-300:])  # nobody looks there again
    assert summarize_run(run) == first
    write(run, EpochFinished(stage="freeze", epoch=1, train_loss=0.2, val_loss=0.25, seconds=1.0))
    assert (summarize_run(run).epoch, summarize_run(run).best_val_loss) == (1, 0.25)
    assert first.best_val_loss == 0.5


def test_what_a_resumed_run_has_replaced_is_read_again(run: Path) -> None:
    write(run, STARTED, *(step(number) for number in range(400)))
    length = (run / "events.jsonl").stat().st_size
    write(run, EpochFinished(stage="freeze", epoch=7, train_loss=0.1, val_loss=0.01, seconds=1.0))
    write(run, *(step(number) for number in range(400)))
    assert summarize_run(run).best_val_loss == 0.01
    os.truncate(run / "events.jsonl", length)
    write(run, *(step(number) for number in range(800)), epoch(0))
    assert (summarize_run(run).epoch, summarize_run(run).best_val_loss) == (0, 0.5)


def test_a_short_run_gets_no_file_and_a_folder_that_cannot_be_written_is_read(run: Path) -> None:
    write(run, STARTED, step(0))
    assert summarize_run(run).epoch == 0
    assert not (run / "summary.json").exists()
    write(run, *(step(number) for number in range(400)))
    (run / "summary.json").mkdir()
    assert summarize_run(run).epoch == 0
    assert [path.name for path in run.iterdir() if "part" in path.name] == []


def test_an_incomplete_last_line_is_read_once_it_is_complete(run: Path) -> None:
    write(run, STARTED, *(step(number) for number in range(400)))
    line = epoch(3).to_line()
    with (run / "events.jsonl").open("a") as file:
        file.write(line[:30])
    assert scan_events(run).epoch == 0
    with (run / "events.jsonl").open("a") as file:
        file.write(line[30:] + "\n")
    assert scan_events(run).epoch == 3


BROKEN = {
    "no plan": lambda run: (run / "plan.json").unlink(),
    "plan is text": lambda run: (run / "plan.json").write_text("hello"),
    "plan is a list": lambda run: (run / "plan.json").write_text("[1]"),
    "plan is nested": lambda run: (run / "plan.json").write_text("[" * 100_000),
    "plan has a huge number": lambda run: (run / "plan.json").write_text('{"threads": ' + "9" * 5000 + "}"),
    "plan is a folder": lambda run: ((run / "plan.json").unlink(), (run / "plan.json").mkdir()),
    "plan is a pipe": lambda run: ((run / "plan.json").unlink(), os.mkfifo(run / "plan.json")),
    "plan is a dangling link": lambda run: (
        (run / "plan.json").unlink(),
        (run / "plan.json").symlink_to("nowhere"),
    ),
    "events are a pipe": lambda run: ((run / "events.jsonl").unlink(), os.mkfifo(run / "events.jsonl")),
    "events are a folder": lambda run: ((run / "events.jsonl").unlink(), (run / "events.jsonl").mkdir()),
}


@pytest.mark.skipif(os.name == "nt", reason="pipes")
@pytest.mark.parametrize("damage", BROKEN)
def test_a_run_that_cannot_be_read_is_listed_with_what_is_wrong_and_hides_no_other(run: Path, damage: str) -> None:
    write(run, STARTED, epoch(0))
    other = run.with_name("loss_y")
    other.mkdir()
    (other / "plan.json").write_text((run / "plan.json").read_text(encoding="utf-8"), encoding="utf-8")
    BROKEN[damage](run)  # type: ignore[no-untyped-call]
    broken, whole = list_runs(run.parent.parent)
    assert (broken.state, broken.resumable) == ("unreadable", False)
    assert broken.message is not None
    assert str(run) in str(broken.message)
    assert whole.state == "interrupted"
    shown = command("runs", "--workspace", str(run.parent.parent))
    assert shown.returncode == 0
    assert "unreadable" in shown.stdout
    assert command("resume", "loss_x", "--workspace", str(run.parent.parent)).returncode == 2


@pytest.mark.parametrize(
    "process",
    ["[]", '{"pid": []}', '{"boot": 1, "memory_kills": "x", "pid": 1}', "1" * 5000, "[" * 100_000, '{"pid": 1e400}'],
)
def test_a_damaged_record_of_the_process_changes_nothing(run: Path, process: str) -> None:
    write(run, STARTED)
    (run / "process.json").write_text(process)
    assert summarize_run(run).cause == "unknown"


def test_control_characters_of_a_name_or_a_stored_message_reach_no_terminal(run: Path) -> None:
    evil = run.rename(run.with_name("loss_\x1b]0;title\x07\x9b2J"))
    message = Message("x", "\x1b[31mred {value}", {"value": "\x9b2J"})
    write(evil, STARTED, Failed(code="x", message=message, exit_code=2, checkpoint=None))
    shown = command("runs", "--workspace", str(run.parent.parent))
    assert shown.returncode == 0
    assert not any(c in shown.stdout for c in "\x1b\x9b\x07")
    as_json = command("runs", "--json", "--workspace", str(run.parent.parent))
    assert not any(c in as_json.stdout for c in "\x1b\x9b\x07")
    assert json.loads(as_json.stdout)[0]["name"] == evil.name


def test_a_name_that_is_too_long_is_no_run(run: Path) -> None:
    for name in ("x" * 300, "名" * 100):
        answered = command("resume", name, "--workspace", str(run.parent.parent))
        assert answered.returncode == 2
    assert find_run(Path("loss_x"), run.parent.parent) == run.resolve()


def stopped_run(run: Path, state: str = "stopped") -> None:
    started = replace(STARTED, plan={"stages": [{**STARTED.plan["stages"][0], "last_epoch": 1}]})
    write(run, started, step(0), epoch(0), *(replace(step(number), epoch=1, steps=10) for number in range(3)))
    if state == "stopped":
        write(run, Stopped(epoch=1, step=3, checkpoint="c"))


@pytest.mark.parametrize("state", ["stopped", "interrupted"])
def test_a_run_that_ended_within_its_last_epoch_does_not_read_as_if_it_were_done(run: Path, state: str) -> None:
    stopped_run(run, state)
    summary = summarize_run(run)
    assert (summary.state, summary.epoch, summary.step, summary.steps) == (state, 1, 3, 10)
    assert format_epochs(summary) == "2/2, step 3/10"
    assert "2/2, step 3/10" in command("runs", "--workspace", str(run.parent.parent)).stdout
    if state == "stopped":
        assert "epoch 2 of 2, at step 3 of 10" in describe_resume(summary)


def test_the_table_lists_the_newest_first_and_json_the_newest_last(run: Path) -> None:
    newer = run.with_name("loss_y")
    shutil.copytree(run, newer)
    lines = command("runs", "--workspace", str(run.parent.parent)).stdout.splitlines()
    names = [line.split()[0] for line in lines if line.startswith(("loss_x ", "loss_y "))]
    assert names == ["loss_y", "loss_x"]
    stored = json.loads(command("runs", "--json", "--workspace", str(run.parent.parent)).stdout)
    assert [each["name"] for each in stored] == ["loss_x", "loss_y"]


def test_the_curve_of_a_long_run_stays_short_and_is_kept(run: Path) -> None:
    losses = [
        EpochFinished(stage="freeze", epoch=n, train_loss=1000.0 - n, val_loss=None, seconds=1.0) for n in range(999)
    ]
    write(run, STARTED, *losses)
    first = summarize_run(run)
    assert (run / "summary.json").exists()
    assert len(first.losses) <= EpochCurve.MAX_POINTS
    assert list(first.losses) == sorted(first.losses, key=lambda point: -point[1])
    assert all(epoch + loss == pytest.approx(1001) for epoch, loss in first.losses)
    assert summarize_run(run) == first


@pytest.mark.parametrize("plan", [{"data": []}, {"data": {"path": 3}}, {"preset": {}}, {"recipe": {"network": [1]}}])
def test_a_damaged_origin_is_none(run: Path, plan: dict[str, object]) -> None:
    write(run, replace(STARTED, plan={**STARTED.plan, **plan}))
    summary = summarize_run(run)
    assert (summary.data, summary.preset, summary.network) == (None, None, None)


def test_a_finished_run_stays_finished_when_its_summary_is_stored(run: Path) -> None:
    write(run, STARTED, *(step(number) for number in range(400)))
    write(run, Finished(run="r", best="b", last="l", map50=0.5, map50_95=0.2, seconds=1.0))
    assert [summarize_run(run).state for _ in range(2)] == ["finished"] * 2
    assert (run / "summary.json").exists()
