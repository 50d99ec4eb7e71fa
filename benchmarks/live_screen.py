"""What the screen costs: training with the wizard live against the same training without a screen, and how fast keys act.

Both trainings are there at once, each in a process of its own (the wizard at its Train screen, in a pseudo terminal of
120 x 40), and take turns of a few seconds: whose turn it is not is held by SIGSTOP. So whatever else slows the machine
falls on both. A pair is a turn of each; its ratio compares the mean times from step to step within the turns, as the
runs' own events tell; 1 means that the screen costs nothing. Each stage gets half of the pairs; nobody presses keys.

In further runs somebody does, about once a second: `l` opens the log, Esc closes it; the time from the key to the log's
last line on the terminal is the latency.

    python -m benchmarks.live_screen --pairs 20 --key-runs 1

Prints the mean time of a step of each stage, the median ratio with a bootstrap interval of 95 %, and the latency's median
and 95th percentile. POSIX only.
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
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

PROJECT = Path(__file__).parent.parent
SIZE = (40, 120)
MARK = b"Esc closes this."
"""The last line of the log: on the terminal once it is open."""
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
ENDLESS = 1000
"""Epochs: until it is ended."""
STAGES = {
    "freeze": {"freeze_epoch": ENDLESS, "unfreeze_epoch": ENDLESS},
    "unfreeze": {"freeze_train": False, "unfreeze_epoch": ENDLESS},
}
KEYS_PRESSED = 60


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--pairs", type=int, default=20, help="half of them in each stage")
    words.add_argument("--turn", type=float, default=4.0, metavar="SECONDS")
    words.add_argument("--key-runs", type=int, default=1)
    words.add_argument("--child", choices=("headless", "live"), help=argparse.SUPPRESS)
    words.add_argument("--stage", choices=tuple(STAGES), help=argparse.SUPPRESS)
    words.add_argument("--workspace", type=Path, help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.child == "headless":
        _train_headless(asked.workspace, asked.stage)
    elif asked.child == "live":
        _train_live(asked.workspace, asked.stage)
    else:
        _measure(asked.pairs, asked.turn, asked.key_runs)


# The parent


def _measure(pairs: int, turn: float, key_runs: int) -> None:
    ratios: list[float] = []
    latencies: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        _prepare(workspace)
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


def _compare(workspace: Path, stage: str, pairs: int, turn: float) -> list[float]:
    """The ratio of speeds, live to headless, of so many pairs of turns."""
    with Child(workspace, "headless", stage) as headless, Child(workspace, "live", stage) as live:
        for child in (headless, live):
            child.hold()
        for child in (headless, live):
            child.go_on()
            child.wait_for_steps()
            child.hold()
        turns: dict[str, list[Turn]] = {"headless": [], "live": []}
        for pair in range(pairs):
            order = [headless, live] if pair % 2 == 0 else [live, headless]
            for child in order:
                turns[child.kind].append(child.take_turn(turn))
        steps = {child.kind: child.step_times() for child in (headless, live)}
    means = {kind: [one.mean_step(steps[kind]) for one in turns[kind]] for kind in turns}
    found = [without / with_ for without, with_ in zip(means["headless"], means["live"], strict=True)]
    print(
        f"{stage}: a step takes {statistics.fmean(means['headless']) * 1e3:.0f} ms headless, "
        f"{statistics.fmean(means['live']) * 1e3:.0f} ms live; ratios {' '.join(f'{ratio:.3f}' for ratio in found)}",
        flush=True,
    )
    return found


def interval(values: Sequence[float], draws: int = 5000) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median."""
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(draws))
    return medians[int(0.025 * draws)], medians[int(0.975 * draws)]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Turn:
    """From when to when a process was let go on, as time.time()."""

    begin: float
    end: float

    def mean_step(self, steps: Sequence[tuple[int, float]]) -> float:
        """Mean seconds from step to step, both of the same epoch and within the turn. `steps`: (epoch, time)."""
        gaps = [
            time - before
            for (epoch_before, before), (epoch, time) in pairwise(steps)
            if epoch == epoch_before and self.begin <= before and time <= self.end
        ]
        if not gaps:
            raise SystemExit("A turn without two steps of the same epoch: give --turn more seconds.")
        return statistics.fmean(gaps)


class Child:
    """A training in a process of its own: without a screen, or live in a pseudo terminal."""

    def __init__(self, workspace: Path, kind: str, stage: str) -> None:
        self.kind = kind
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))

        def own_session() -> None:
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
            env={**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=own_session,
        )
        os.close(slave)
        # Runs that begin within the same second would be told apart by their names only; one waits for the other.
        while not (new := set((workspace / "logs").glob("loss_*")) - before):
            self.check()
            _drain(self.master, 0.1)
        (self.run,) = new

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.go_on()
        self.process.kill()
        self.process.wait(60)
        os.close(self.master)

    def check(self) -> None:
        """Raises SystemExit: the child has ended by itself."""
        if self.process.poll() is not None:
            raise SystemExit(f"the {self.kind} training ended with {self.process.returncode}")

    def hold(self) -> None:
        """Keep it from doing anything."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def wait_for_steps(self, count: int = 6) -> None:
        """Until so many steps are behind it: the first are slower."""
        while len(self.step_times()) < count:
            self.check()
            _drain(self.master, 0.2)

    def take_turn(self, seconds: float) -> Turn:
        """Let it go on for a while."""
        begin = time.time()
        self.go_on()
        _drain(self.master, seconds)
        end = time.time()
        self.hold()
        return Turn(begin, end)

    def step_times(self) -> list[tuple[int, float]]:
        """(epoch, time) of every step so far."""
        path = self.run / "events.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [(event["epoch"], event["time"]) for event in events if event["event"] == "step"]


def _press_keys(workspace: Path) -> list[float]:
    """Open and close the log while it trains; seconds from key to screen."""
    chance = random.Random(2)
    latencies: list[float] = []
    with Child(workspace, "live", "unfreeze") as child:
        child.wait_for_steps()
        while len(latencies) < KEYS_PRESSED:
            child.check()
            _drain(child.master, chance.uniform(0.3, 1.2))
            pressed = time.monotonic()
            os.write(child.master, b"l")
            if not _read_until(child.master, MARK, 10):
                raise SystemExit("the log did not open within ten seconds")
            latencies.append(time.monotonic() - pressed)
            _drain(child.master, 0.3)
            os.write(child.master, b"\x1b")
    return latencies


def _read_until(master: int, mark: bytes, seconds: float) -> bool:
    """Whether the terminal showed `mark` in time."""
    seen = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        more = _read(master, 0.05)
        if more is None:
            return False
        seen = (seen + more)[-100_000:]
        if mark in seen:
            return True
    return False


def _drain(master: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and _read(master, 0.05) is not None:
        pass


def _read(master: int, seconds: float) -> bytes | None:
    """What the terminal got; None where nobody writes to it any more."""
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
    from engine.dataset.sample import draw_sample

    draw_sample(workspace / "data", IMAGES)
    (workspace / "logs").mkdir()


def _chosen(workspace: Path, stage: str):  # type: ignore[no-untyped-def]
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
    """A network that knows nothing, as a file: speed does not hang on what it knows."""
    path = workspace / "model_data" / "start.pth"
    if not path.is_file():
        from engine.dataset.sample import SAMPLE_CLASSES
        from engine.network.yolov4 import build_network
        from engine.weights.native import info_of, save_weights

        path.parent.mkdir(exist_ok=True)
        network = build_network("yolov4-tiny", len(SAMPLE_CLASSES))
        save_weights(path, network, info_of(network, SAMPLE_CLASSES, (224, 224)))
    return path


def _train_headless(workspace: Path, stage: str) -> None:
    from engine.runner.start import start
    from engine.training.control import Control

    chosen = _chosen(workspace, stage)
    for _event in start(chosen.plan, Control(), chosen.dataset):
        pass


def _train_live(workspace: Path, stage: str) -> None:
    from tui.app import Freezetui
    from tui.launcher import SHORT_LOOKS
    from tui.terminal.stdio import own_terminal
    from tui.wizard.state import WizardState

    gc.set_threshold(*SHORT_LOOKS)  # as the wizard begins
    app = Freezetui(WizardState(language="en", place="train", furthest="train"), workspace)
    app.chosen = _chosen(workspace, stage)
    with own_terminal(workspace / "logs" / "wizard.log"):
        app.run()


if __name__ == "__main__":
    main()
