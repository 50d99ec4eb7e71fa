"""Faults of a training in two processes, and what becomes of the run. Takes ten minutes or more; prints a table.

    python benchmarks/parallel_faults.py [ROW ...] [--folder FOLDER]

Every row trains for real (Gloo, the processor, tiny images), does something to a process, and compares what is left with the run
that nobody disturbed: bit for bit where it was resumed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import torch

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from tests.made_once import SHARED_FOLDER  # noqa: E402
from tests.small_training import SETTINGS, prepare  # noqa: E402

CHANGES: dict[str, Any] = {
    **SETTINGS,
    "model_path": "start.pth",
    "device": "cpu",
    "devices": [0, 1],
    "parallel": "ddp",
    "freeze_batch_size": 8,
    "unfreeze_batch_size": 4,
    "unfreeze_epoch": 4,
}
HANG_SECONDS = 30


class Training:
    """A command of freezetui whose events are read as it prints them."""

    def __init__(self, *words: str) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "FREEZETUI_PROCESS_TIMEOUT": str(HANG_SECONDS)}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tui", *words, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.events: list[dict[str, Any]] = []
        self.ranks: dict[int, psutil.Process] = {}

    def follow(self) -> Iterator[dict[str, Any]]:
        """Every event, as soon as it is printed."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            if "event" not in event:
                raise SystemExit(f"refused: {line}")
            self.events.append(event)
            if event["event"] == "run_started":
                self.ranks = ranks_of(self.process.pid)
            yield event

    def everything(self) -> list[psutil.Process]:
        """The process of this command and all that it started."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]


def ranks_of(pid: int) -> dict[int, psutil.Process]:
    """The processes that train, by rank."""
    found = {}
    for child in psutil.Process(pid).children(recursive=True):
        if "engine.runner.worker" in child.cmdline():
            found[int(child.environ()["RANK"])] = child
    return found


def is_step(event: dict[str, Any], epoch: int, step: int) -> bool:
    """Whether `event` is that step."""
    return event["event"] == "step" and (event["epoch"], event["step"]) == (epoch, step)


def in_step(training: Training, rank: int, act: str) -> bool:
    """At a step in the middle of an epoch."""
    if is_step(training.events[-1], 1, 1):
        getattr(training.ranks[rank], act)()
        return True
    return False


def in_validation(training: Training, rank: int, act: str) -> bool:
    """Just after the last step of an epoch."""
    event = training.events[-1]
    if event["event"] == "step" and event["epoch"] == 1 and event["step"] == event["steps"] - 1:
        time.sleep(0.05)
        getattr(training.ranks[rank], act)()
        return True
    return False


def in_checkpoint(training: Training, rank: int, act: str) -> bool:
    """While the checkpoint of an epoch is written."""
    if not (training.events[-1]["event"] == "evaluated" and training.events[-1]["epoch"] == 1):
        return False
    run = Path(next(event["run"] for event in training.events if event["event"] == "run_started"))
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if any("last.ckpt" in path.name and path.name != "last.ckpt" for path in run.iterdir()):
            break
    getattr(training.ranks[rank], act)()
    return True


Fault = Callable[[Training, int, str], bool]
ROWS: dict[str, tuple[Fault, int, str, int]] = {
    "kill rank 1 in a step": (in_step, 1, "kill", 0),
    "kill rank 0 in a step": (in_step, 0, "kill", 0),
    "kill rank 1 in validation": (in_validation, 1, "kill", 0),
    "kill rank 0 in a checkpoint write": (in_checkpoint, 0, "kill", 0),
    "stop rank 1 (SIGSTOP)": (in_step, 1, "suspend", 0),
    "kill rank 0 in a step, one restart": (in_step, 0, "kill", 1),
    "stop rank 1 (SIGSTOP), one restart": (in_step, 1, "suspend", 1),
}
EVERYTHING = "kill everything five times"


def main() -> None:
    """Run the rows that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", default=[*ROWS, EVERYTHING])
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        print("undisturbed ...", flush=True)
        undisturbed = train(folder / "undisturbed")
        for row in arguments.rows:
            workspace = folder / row.replace(" ", "_").replace("(", "").replace(")", "")
            text = (
                kill_everything(workspace, undisturbed) if row == EVERYTHING else disturb(workspace, row, undisturbed)
            )
            print(f"{row:40} {text}", flush=True)


def train(workspace: Path) -> Path:
    """The run of a training to its end."""
    made(workspace)
    training = Training(*words(workspace))
    for _ in training.follow():
        pass
    assert training.process.wait() == 0, training.events[-1]
    return Path(training.events[-1]["run"])


def disturb(workspace: Path, row: str, undisturbed: Path) -> str:
    """Do to a training what `row` says, resume it if it ended, and compare the end."""
    fault, rank, act, restarts = ROWS[row]
    made(workspace)
    training = Training(*words(workspace), *(["--max-restarts", str(restarts)] if restarts else []))
    at, others = None, []
    for _ in training.follow():
        if at is None and fault(training, rank, act):
            at, others = time.monotonic(), training.everything()
    code = training.process.wait()
    assert at is not None, "nothing was disturbed"
    seconds = time.monotonic() - at
    left = [process for process in others if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert not left, f"left over: {left}"
    run = Path(next(event["run"] for event in training.events if event["event"] == "run_started"))
    if restarts:
        assert code == 0, training.events[-1]
        note = [event["note"] for event in training.events if event["event"] == "run_started"][-1]
        return f"finished by itself, {compare(run, undisturbed)}; said: {note}"
    said = training.events[-1]["message"]
    resume(workspace, run)
    return f"ended after {seconds:.1f} s, code {code}: {said} Resumed: {compare(run, undisturbed)}"


def kill_everything(workspace: Path, undisturbed: Path) -> str:
    """Kill all processes at five random moments, resume each time."""
    made(workspace)
    chance = random.Random(7)
    first, run, moments = words(workspace), None, []
    for number in range(6):
        training = Training(*(first if run is None else ["resume", str(run), "--workspace", str(workspace)]))
        steps = chance.randrange(1, 6)
        for event in training.follow():
            if event["event"] == "run_started":
                run = Path(event["run"])
            steps -= event["event"] == "step"
            if number < 5 and steps <= 0:
                time.sleep(chance.random() * 0.7)
                processes = training.everything()
                for process in processes:
                    process.kill()
                psutil.wait_procs(processes, timeout=10)
                moments.append(f"{training.events[-1]['epoch']}/{training.events[-1].get('step', '-')}")
                break
        training.process.wait()
        if training.events and training.events[-1]["event"] == "finished":
            break
    assert run is not None
    assert training.events[-1]["event"] == "finished", training.events[-1:]
    return f"killed at {', '.join(moments)} (epoch/step); {compare(run, undisturbed)}"


def resume(workspace: Path, run: Path) -> None:
    """To the end."""
    training = Training("resume", str(run), "--workspace", str(workspace))
    for _ in training.follow():
        pass
    assert training.process.wait() == 0, training.events[-1:]


def compare(run: Path, undisturbed: Path) -> str:
    """How far the weights and losses of two runs are apart."""
    one, other = (
        torch.load(folder / "last.ckpt", weights_only=True, map_location="cpu")["network"]
        for folder in (run, undisturbed)
    )
    furthest = max(float((one[name].double() - other[name].double()).abs().max()) for name in one)
    losses = [(folder / "epoch_loss.txt").read_text() for folder in (run, undisturbed)]
    is_same = furthest == 0 and losses[0] == losses[1]
    return "bit-identical" if is_same else f"differs by {furthest:g}"


def words(workspace: Path) -> list[str]:
    """Those of the command that starts the training."""
    settings = [f"--set={key}={json.dumps(value)}" for key, value in CHANGES.items()]
    return ["train", "--data", str(workspace / "data"), "--workspace", str(workspace), *settings]


def made(workspace: Path) -> None:
    """A workspace with data and weights."""
    workspace.mkdir()
    os.environ.setdefault(SHARED_FOLDER, str(workspace.parent))
    prepare(workspace)


if __name__ == "__main__":
    main()
