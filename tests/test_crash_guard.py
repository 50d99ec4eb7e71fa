"""A training that crashes where memory ran out goes on in a new process, from its checkpoint and with a smaller batch."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from engine.events import BatchChanged, Event, OutOfMemory, RunStarted, StageStarted
from engine.messages import phrase
from engine.runs.folder import PLAN
from engine.runs.lock import write_process_info
from tests.made_events import epoch, step
from tui.cli import crash_guard
from tui.cli.crash_guard import read_crash_state, train_guarded

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX knows them")

STAND_IN = """#!{python}
# Stands in for Python running freezetui: each start crashes, or ends, as the next line of a file says.
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {project!r})
from engine.runs.lock import write_process_info
workspace = Path({workspace!r})
with (workspace / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[4:]) + "\\n")
number = len((workspace / "calls").read_text().splitlines())
end = (workspace / "ends").read_text().split()[number - 1]
write_process_info(workspace / "logs" / "loss_x")
if end.isdigit():
    sys.exit(int(end))
os.kill(os.getpid(), getattr(signal, end))
"""
OUT_OF_MEMORY = OutOfMemory(
    stage="unfreeze", epoch=0, step=1, batch_size=16, suggested_batch_size=8, where="cpu", during="training",
    checkpoint="c", message=phrase("m"),
)  # fmt: skip
BEFORE: tuple[Event, ...] = (
    RunStarted(run="r", plan={"recipe": {"accumulate": 2}}, epoch=0, step=0, continued=False),
    StageStarted(stage="unfreeze", epoch=0, batch_size=16, init_lr=1e-3, min_lr=1e-5),
    step(0),
)
LOWERED = BatchChanged(stage="unfreeze", epoch=0, step=1, batch_size=8, init_lr=1e-3, min_lr=1e-5, accumulate=2)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "logs" / "loss_x"
    folder.mkdir(parents=True)
    (folder / PLAN).write_text("{}")
    return folder


def write(run: Path, *events: Event) -> None:
    (run / "events.jsonl").write_text("".join(f"{event.to_line()}\n" for event in events))


def guarded(run: Path, monkeypatch: pytest.MonkeyPatch, word: str, *ends: str) -> tuple[int | None, list[str]]:
    """The exit code of a command whose processes end so, and the arguments of each."""
    workspace = run.parent.parent
    python = workspace / "python"
    project = str(Path(__file__).parent.parent)
    python.write_text(STAND_IN.format(python=sys.executable, project=project, workspace=str(workspace)))
    python.chmod(0o755)
    (workspace / "ends").write_text(" ".join(ends))
    monkeypatch.setattr(crash_guard.sys, "executable", str(python))
    monkeypatch.setattr(crash_guard.sys, "argv", ["freezetui", "--lang", "en", "train", "--data", "x"])
    code = train_guarded(word, workspace, ["--json"])  # type: ignore[arg-type]
    calls = (workspace / "calls").read_text().splitlines()
    return code, calls


def test_a_training_that_ends_by_itself_is_run_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert guarded(run, monkeypatch, "retry", "3") == (3, ["--lang en train --data x"])


def test_a_segmentation_fault_after_out_of_memory_resumes_with_smaller_batches(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(run, *BEFORE, OUT_OF_MEMORY, LOWERED)
    code, calls = guarded(run, monkeypatch, "retry", "SIGSEGV", "SIGABRT", "0")
    resumed = f"--lang en resume --workspace {run.parent.parent} --on-oom retry --json --set unfreeze_batch_size="
    assert code == 0
    assert calls == ["--lang en train --data x", f"{resumed}8 -- {run}", f"{resumed}4 -- {run}"]


def test_accumulating_keeps_the_images_of_a_step(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(run, *BEFORE, OUT_OF_MEMORY, LOWERED)
    code, calls = guarded(run, monkeypatch, "accumulate", "SIGSEGV", "SIGSEGV", "0")
    assert code == 0
    assert "--set unfreeze_batch_size=8 --set accumulate=2" in calls[1]
    assert "--set unfreeze_batch_size=4 --set accumulate=4" in calls[2]


@pytest.mark.parametrize("signal_name", ["SIGSEGV", "SIGKILL"])
def test_any_other_crash_is_reported_and_not_repeated(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], signal_name: str
) -> None:
    write(run, *BEFORE, OUT_OF_MEMORY, LOWERED, epoch(0))
    code, calls = guarded(run, monkeypatch, "retry", signal_name)
    assert code is not None
    assert code > 128
    assert len(calls) == 1
    assert f"was ended by {signal_name}" in capsys.readouterr().err


def test_it_gives_up_after_some_crashes(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(run, *BEFORE, OUT_OF_MEMORY, LOWERED)
    code, calls = guarded(run, monkeypatch, "retry", *["SIGSEGV"] * 10)
    assert code == 128 + 11
    assert len(calls) == 4


def test_without_retries_there_is_no_second_process(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train_guarded("stop", run.parent.parent) is None
    monkeypatch.setenv("FREEZETUI_CHILD", "1")
    monkeypatch.setattr(crash_guard, "_stop_with_parent", lambda: None)
    assert train_guarded("retry", run.parent.parent) is None
    assert "FREEZETUI_CHILD" not in os.environ


def test_the_state_at_the_crash_is_read_from_the_events(run: Path) -> None:
    assert read_crash_state(run) is None
    write(run, *BEFORE)
    state = read_crash_state(run)
    assert state is not None
    assert (state.batch_size, state.accumulate, state.after_out_of_memory) == (16, 2, False)


def test_the_last_process_of_a_run_is_known(run: Path) -> None:
    write_process_info(run)
    stored = json.loads((run / "process.json").read_text())
    assert stored["pid"] == os.getpid()
    assert {"host", "started", "boot", "memory_kills"} <= stored.keys()
