"""Speed of a training with the wizard compared with the same training without a screen, and how fast keys are handled.

Both trainings run in a process of their own (the wizard at its Train screen, in a pseudo terminal of 120 x 40) and alternate in
turns of a few seconds; SIGSTOP pauses the other one. Whatever else slows the machine thus slows both. A pair is one turn of each.
Its ratio compares the mean times between two steps, as recorded in the events of the runs; 1 means that the screen takes nothing.
Each stage gets half of the pairs; no keys are pressed.

With `--long-runs 10` the wizard shows Runs instead, with ten runs of 150,000 steps besides the ones that train.

In further runs a key is pressed about once a second: `l` opens the log, Esc closes it. The latency is the time from the key to the
last line of the log on the terminal.

    python -m benchmarks.live_screen --pairs 20 --key-runs 1

Prints the mean time of a step of each stage, the median ratio with a 95 % bootstrap interval, and the median and the 95th
percentile of the latency. Linux and macOS.
"""

from __future__ import annotations

import argparse
import fcntl
import gc
import json
import os
import pty
import random
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

from benchmarks.run_list import write_run

PROJECT = Path(__file__).parent.parent
SIZE = (40, 120)
MARKER = b"Esc closes this."
"""The last line of the log dialog."""
SETTINGS = {
    "network": "yolov4-tiny",
    "input_shape": [224, 224],
    "freeze_batch_size": 8,
    "unfreeze_batch_size": 4,
    "eval_period": 1000,
    "save_period": 1000,
    "num_workers": 2,
}
IMAGES = 240
EPOCHS = 1000
"""More than a benchmark lasts."""
STAGES = {
    "freeze": {"freeze_epoch": EPOCHS, "unfreeze_epoch": EPOCHS},
    "unfreeze": {"freeze_train": False, "unfreeze_epoch": EPOCHS},
}
KEY_PRESSES = 60
LONG_RUN = "loss_long"
RUNS_AFTER = 5.0
"""Seconds until Runs is shown."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20, help="half of them in each stage")
    parser.add_argument("--turn", type=float, default=4.0, metavar="SECONDS")
    parser.add_argument("--key-runs", type=int, default=1)
    parser.add_argument(
        "--long-runs", type=int, default=0, help="show Runs with so many runs of 150,000 steps, not Train"
    )
    parser.add_argument("--child", choices=("headless", "live"), help=argparse.SUPPRESS)
    parser.add_argument("--stage", choices=tuple(STAGES), help=argparse.SUPPRESS)
    parser.add_argument("--workspace", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child == "headless":
        _train_headless(arguments.workspace, arguments.stage)
    elif arguments.child == "live":
        _train_live(arguments.workspace, arguments.stage)
    else:
        _measure(arguments.pairs, arguments.turn, arguments.key_runs, arguments.long_runs)


# The parent


def _measure(pairs: int, turn: float, key_runs: int, long_runs: int) -> None:
    ratios: list[float] = []
    latencies: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        _prepare(workspace)
        for number in range(long_runs):
            write_run(workspace / "logs" / f"{LONG_RUN}_{number}", 300, 500, every_step=True)
        for stage in STAGES if pairs else ():
            ratios += _compare(workspace, stage, -(-pairs // 2), turn)
        for _number in range(key_runs):
            latencies += _press_keys(workspace)
    if ratios:
        low, high = interval(ratios)
        print(
            f"speed with the screen / without, {len(ratios)} pairs: median {statistics.median(ratios):.3f}  "
            f"95 % {low:.3f} to {high:.3f}"
        )
    if latencies:
        print(
            f"key to screen while training, {len(latencies)} keys: median {statistics.median(latencies) * 1e3:.0f} ms  "
            f"95th percentile {percentile(latencies, 0.95) * 1e3:.0f} ms  worst {max(latencies) * 1e3:.0f} ms"
        )


def _compare(workspace: Path, stage: str, pairs: int, turn_seconds: float) -> list[float]:
    """The ratio of the speeds, live to headless, of each pair of turns."""
    with Child(workspace, "headless", stage) as headless, Child(workspace, "live", stage) as live:
        for child in (headless, live):
            child.pause()
        for child in (headless, live):
            child.resume()
            child.wait_for_steps()
            child.pause()
        turns: dict[str, list[Turn]] = {"headless": [], "live": []}
        for pair in range(pairs):
            order = [headless, live] if pair % 2 == 0 else [live, headless]
            for child in order:
                turns[child.kind].append(child.take_turn(turn_seconds))
        steps = {child.kind: child.step_times() for child in (headless, live)}
    means = {kind: [turn.mean_step(steps[kind]) for turn in turns[kind]] for kind in turns}
    ratios = [without / with_ for without, with_ in zip(means["headless"], means["live"], strict=True)]
    print(
        f"{stage}: a step takes {statistics.fmean(means['headless']) * 1e3:.0f} ms headless, "
        f"{statistics.fmean(means['live']) * 1e3:.0f} ms live; ratios {' '.join(f'{ratio:.3f}' for ratio in ratios)}",
        flush=True,
    )
    return ratios


def interval(values: Sequence[float], draws: int = 5000) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median."""
    rng = random.Random(1)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(draws))
    return medians[int(0.025 * draws)], medians[int(0.975 * draws)]


def percentile(values: Sequence[float], fraction: float) -> float:
    """The value that `fraction` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Turn:
    """The time in which a process was running, as time.time()."""

    start: float
    end: float

    def mean_step(self, steps: Sequence[tuple[int, float]]) -> float:
        """Mean seconds between two steps of the same epoch, both in this turn. `steps` are (epoch, time)."""
        gaps = [
            time - before
            for (epoch_before, before), (epoch, time) in pairwise(steps)
            if epoch == epoch_before and self.start <= before and time <= self.end
        ]
        if not gaps:
            raise SystemExit("There were no two steps of one epoch in a turn: increase --turn.")
        return statistics.fmean(gaps)


class Child:
    """A training in a child process: without a screen, or with the wizard in a pseudo terminal."""

    def __init__(self, workspace: Path, kind: str, stage: str) -> None:
        self.kind = kind
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))

        def set_terminal() -> None:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        before = set((workspace / "logs").glob("loss_*"))
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "benchmarks.live_screen",
                *f"--child {kind} --stage {stage} --workspace".split(),
                str(workspace),
            ],
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": _python_path(), "TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=set_terminal,
        )
        os.close(slave)
        # The new folder must belong to this child, so it is waited for before the next child starts.
        while not (new := set((workspace / "logs").glob("loss_*")) - before):
            self.check()
            _drain(self.master, 0.1)
        (self.run,) = new

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.resume()
        self.process.kill()
        self.process.wait(60)
        os.close(self.master)

    def check(self) -> None:
        """Raise SystemExit if the child has ended."""
        if self.process.poll() is not None:
            raise SystemExit(f"the {self.kind} training ended with {self.process.returncode}")

    def pause(self) -> None:
        """Stop the process."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the process."""
        self.process.send_signal(signal.SIGCONT)

    def wait_for_steps(self, count: int = 6) -> None:
        """Wait for the first steps, which are slower."""
        while len(self.step_times()) < count:
            self.check()
            _drain(self.master, 0.2)

    def take_turn(self, seconds: float) -> Turn:
        """Run the process for some seconds, then pause it."""
        start = time.time()
        self.resume()
        _drain(self.master, seconds)
        end = time.time()
        self.pause()
        return Turn(start, end)

    def step_times(self) -> list[tuple[int, float]]:
        """(epoch, time) of every step."""
        path = self.run / "events.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [(event["epoch"], event["time"]) for event in events if event["event"] == "step"]


def _python_path() -> str:
    """The project, then what this process was started with."""
    return os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH"))))


def _press_keys(workspace: Path) -> list[float]:
    """Open and close the log during a training; seconds from each key to the screen."""
    rng = random.Random(2)
    latencies: list[float] = []
    with Child(workspace, "live", "unfreeze") as child:
        child.wait_for_steps()
        while len(latencies) < KEY_PRESSES:
            child.check()
            _drain(child.master, rng.uniform(0.3, 1.2))
            pressed = time.monotonic()
            os.write(child.master, b"l")
            if not _read_until(child.master, MARKER, 10):
                raise SystemExit("the log did not open within ten seconds")
            latencies.append(time.monotonic() - pressed)
            _drain(child.master, 0.3)
            os.write(child.master, b"\x1b")
    return latencies


def _read_until(master: int, marker: bytes, timeout: float) -> bool:
    """Whether `marker` was written to the terminal in time."""
    output = b""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        chunk = _read(master, 0.05)
        if chunk is None:
            return False
        output = (output + chunk)[-100_000:]
        if marker in output:
            return True
    return False


def _drain(master: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and _read(master, 0.05) is not None:
        pass


def _read(master: int, seconds: float) -> bytes | None:
    """What was written to the terminal; None if it is closed."""
    ready, _, _ = select.select([master], [], [], seconds)
    if not ready:
        return b""
    try:
        return os.read(master, 65536) or None
    except OSError:
        time.sleep(seconds)
        return None


# The children


def _prepare(workspace: Path) -> None:
    from engine.dataset.sample_dataset import draw_sample_dataset

    draw_sample_dataset(workspace / "data", IMAGES)
    (workspace / "logs").mkdir()


def _approved_plan(workspace: Path, stage: str):  # type: ignore[no-untyped-def]
    from engine.hardware import probe
    from engine.plan import DataSource, open_source
    from engine.planning.resolve import make_plan
    from engine.recipe import make_recipe
    from tui.wizard.approved_plan import ApprovedPlan

    source = DataSource(str(workspace / "data"))
    dataset = open_source(source)
    recipe = make_recipe({**SETTINGS, **STAGES[stage], "model_path": str(_start_weights(workspace))})
    return ApprovedPlan(make_plan(recipe, dataset, source, probe(workspace), workspace), dataset)


def _start_weights(workspace: Path) -> Path:
    """A file with random weights; speed does not depend on them."""
    path = workspace / "model_data" / "start.pth"
    if not path.is_file():
        from engine.dataset.sample_dataset import SAMPLE_CLASSES
        from engine.network.detector import build_network
        from engine.weights.native import info_of, save_weights

        path.parent.mkdir(exist_ok=True)
        network = build_network("yolov4-tiny", len(SAMPLE_CLASSES))
        save_weights(path, network, info_of(network, SAMPLE_CLASSES, (224, 224)))
    return path


def _train_headless(workspace: Path, stage: str) -> None:
    from engine.runner.start import start
    from engine.training.control import Control

    approved = _approved_plan(workspace, stage)
    for _ in start(approved.plan, Control(), approved.dataset):
        pass


def _train_live(workspace: Path, stage: str) -> None:
    from tui.app import Freezetui
    from tui.launcher import GC_THRESHOLDS
    from tui.terminal.stdio import redirect_stdio
    from tui.wizard.state import WizardState

    gc.set_threshold(*GC_THRESHOLDS)  # as the wizard does
    app = Freezetui(WizardState(language="en", screen_name="train", furthest_screen="train"), workspace)
    app.approved_plan = _approved_plan(workspace, stage)
    if (workspace / "logs" / f"{LONG_RUN}_0").exists():
        threading.Timer(RUNS_AFTER, app.call_from_thread, (app.show_screen, "runs")).start()
    with redirect_stdio(workspace / "logs" / "wizard.log"):
        app.run()


if __name__ == "__main__":
    main()
