"""What the screen costs: training with the wizard live against the same training without a screen, and how fast keys act.

Pairs of runs, interleaved so that what else the machine does falls on both; each in a process of its own, the wizard in a
real terminal (a pseudo terminal of 120 x 40) at the Train screen. Speed is the mean time from step to step within epochs,
as the run's own events tell; a ratio of 1 means that the screen costs nothing. While it trains live, keys are pressed:
`l` opens the log, Esc closes it; the time from the key to the log's last line on the terminal is the latency.

    python -m benchmarks.live_screen --pairs 10

Prints one line a pair, then the median ratio with a bootstrap interval of 95 %, and the latency's median and 95th
percentile. POSIX only.
"""

from __future__ import annotations

import argparse
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
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

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


@dataclass
class Measured:
    """One run: seconds from step to step, and seconds from key to screen where there was a screen."""

    seconds_per_step: float
    latencies: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--pairs", type=int, default=10)
    words.add_argument("--epochs", type=int, default=4, help="half of them frozen")
    words.add_argument("--images", type=int, default=120)
    words.add_argument("--child", choices=("headless", "live"), help=argparse.SUPPRESS)
    words.add_argument("--workspace", type=Path, help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.child == "headless":
        _train_headless(asked.workspace, asked.epochs)
    elif asked.child == "live":
        _train_live(asked.workspace, asked.epochs)
    else:
        _measure(asked.pairs, asked.epochs, asked.images)


# The parent


def _measure(pairs: int, epochs: int, images: int) -> None:
    ratios: list[float] = []
    latencies: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        _prepare(workspace, images)
        for pair in range(pairs):
            kinds = ["headless", "live"] if pair % 2 == 0 else ["live", "headless"]
            measured = {kind: _run(workspace, kind, epochs) for kind in kinds}
            headless, live = measured["headless"], measured["live"]
            ratios.append(headless.seconds_per_step / live.seconds_per_step)
            latencies += live.latencies
            print(
                f"pair {pair + 1:2d}  headless {headless.seconds_per_step * 1e3:.0f} ms a step  "
                f"live {live.seconds_per_step * 1e3:.0f} ms a step  speed ratio {ratios[-1]:.3f}",
                flush=True,
            )
    low, high = interval(ratios)
    print(f"\nspeed with the screen / without: median {statistics.median(ratios):.3f}  95 % {low:.3f} to {high:.3f}")
    if latencies:
        print(
            f"key to screen while training, {len(latencies)} keys: median {statistics.median(latencies) * 1e3:.0f} ms  "
            f"95th percentile {percentile(latencies, 0.95) * 1e3:.0f} ms  worst {max(latencies) * 1e3:.0f} ms"
        )


def interval(values: Sequence[float], draws: int = 5000) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median."""
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(draws))
    return medians[int(0.025 * draws)], medians[int(0.975 * draws)]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _run(workspace: Path, kind: str, epochs: int) -> Measured:
    command = [sys.executable, "-P", "-m", "benchmarks.live_screen", "--child", kind]
    command += ["--workspace", str(workspace), "--epochs", str(epochs)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm-256color"}
    before = set((workspace / "logs").glob("loss_*"))
    latencies: list[float] = []
    if kind == "headless":
        subprocess.run(command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.DEVNULL)
    else:
        latencies = _press_keys(command, environment)
    (run,) = set((workspace / "logs").glob("loss_*")) - before
    return Measured(_seconds_per_step(run), latencies)


def _press_keys(command: list[str], environment: dict[str, str]) -> list[float]:
    """Run the wizard in a pseudo terminal, pressing keys once it trains; the latencies."""
    import fcntl
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))

    def own_session() -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    child = subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_session
    )
    os.close(slave)
    latencies: list[float] = []
    chance = random.Random(2)
    try:
        _read_until(master, b"images/s", 300)
        while child.poll() is None:
            _drain(master, chance.uniform(0.3, 1.2))
            pressed = time.monotonic()
            if not _write(master, b"l") or not _read_until(master, MARK, 10):
                break
            latencies.append(time.monotonic() - pressed)
            _drain(master, 0.3)
            _write(master, b"\x1b")
        while child.poll() is None:
            _drain(master, 0.5)
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
        child.wait(60)
        os.close(master)
    if child.returncode != 0:
        raise SystemExit(f"the wizard ended with {child.returncode}")
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


def _write(master: int, keys: bytes) -> bool:
    try:
        os.write(master, keys)
    except OSError:
        return False
    return True


def _seconds_per_step(run: Path) -> float:
    """Mean time from one step to the next, both of the same epoch, the first two steps of a stage left out."""
    gaps: list[float] = []
    before: dict[str, object] | None = None
    count = 0
    for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["event"] == "stage_started":
            count = 0
        if event["event"] == "step":
            count += 1
            if before is not None and before["event"] == "step" and count > 3:
                gaps.append(event["time"] - float(str(before["time"])))
        before = event
    return statistics.fmean(gaps)


# The children


def _prepare(workspace: Path, images: int) -> None:
    from engine.dataset.sample import draw_sample

    draw_sample(workspace / "data", images)
    (workspace / "logs").mkdir()


def _chosen(workspace: Path, epochs: int):  # type: ignore[no-untyped-def]
    from engine.hardware import probe
    from engine.plan import DataSource, open_source
    from engine.planning.resolve import make_plan
    from engine.recipe import make_recipe
    from tui.chosen import Chosen

    source = DataSource(str(workspace / "data"))
    dataset = open_source(source)
    # From scratch: weights that are to be had everywhere; both stages all the same, since what is frozen costs less.
    recipe = make_recipe(
        {
            **SETTINGS,
            "model_path": str(_start_weights(workspace)),
            "freeze_epoch": epochs // 2,
            "unfreeze_epoch": epochs,
        }
    )
    return Chosen(make_plan(recipe, dataset, source, probe(workspace), workspace), dataset)


def _start_weights(workspace: Path) -> Path:
    """A network that knows nothing, as a file: speed does not hang on what it knows."""
    path = workspace / "model_data" / "start.pth"
    if not path.is_file():
        from engine.dataset.sample import SAMPLE_CLASSES
        from engine.network.own_weights import info_of, save_weights
        from engine.network.yolov4 import build_network

        path.parent.mkdir(exist_ok=True)
        network = build_network("yolov4-tiny", len(SAMPLE_CLASSES))
        save_weights(path, network, info_of(network, SAMPLE_CLASSES, (224, 224)))
    return path


def _train_headless(workspace: Path, epochs: int) -> None:
    from engine.launch import start
    from engine.training.control import Control

    chosen = _chosen(workspace, epochs)
    for _event in start(chosen.plan, Control(), chosen.dataset):
        pass


def _train_live(workspace: Path, epochs: int) -> None:
    from tui.app import Freezetui
    from tui.state import WizardState
    from tui.terminal import own_terminal, prepare_children

    prepare_children()
    app = Freezetui(WizardState(language="en", place="train", furthest="train"), workspace)
    app.chosen = _chosen(workspace, epochs)

    def leave_when_done() -> None:
        if app.chosen is None and not app.training.alive:
            app.exit(0)

    app.call_later(app.set_interval, 0.2, leave_when_done)
    with own_terminal(workspace / "logs" / "wizard.log"):
        code = app.run()
    sys.exit(0 if code == 0 and app.training.last is not None else 1)


if __name__ == "__main__":
    main()
