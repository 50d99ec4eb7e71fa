"""A training small enough for a test: sixteen drawn images, a tiny network that knows nothing, 64 x 64 pixels."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from engine.dataset.formats import open_dataset
from engine.dataset.index import Dataset
from engine.dataset.sample_dataset import SAMPLE_CLASSES, draw_sample_dataset
from engine.events import Event
from engine.network.detector import build_network
from engine.plan import DataSource, Plan
from engine.planning.resolve import make_plan
from engine.recipe import make_recipe
from engine.runner.start import start
from engine.training.control import Control
from engine.weights.native import info_of, save_weights
from tests.given_hardware import PROCESSOR_ONLY
from tests.made_once import made_once

PROJECT = Path(__file__).parent.parent
IMAGES = 12
"""Of which ten train and one validates."""
ENDLESS = 500
"""Epochs of a training that the test ends, not its last epoch."""
SETTINGS: dict[str, Any] = {
    "input_shape": [64, 64],
    "freeze_epoch": 1,
    "unfreeze_epoch": 3,
    "freeze_batch_size": 4,
    "unfreeze_batch_size": 2,
    "eval_period": 2,
    "save_period": 2,
    "mosaic_prob": 1.0,
    "mixup_prob": 0.5,
    "special_aug_ratio": 0.9,
    "num_workers": 2,
    "precision": "fp32",
}


def prepare(workspace: Path, images: int = 20) -> None:
    """Data and weights to start from, in `workspace`."""
    copy_start(made_once(f"start-{images}", lambda folder: _make_start(folder, images)), workspace)


def _make_start(workspace: Path, images: int) -> None:
    draw_sample_dataset(workspace / "data", images)
    torch.manual_seed(3)
    network = build_network("yolov4-tiny", len(SAMPLE_CLASSES))
    (workspace / "model_data").mkdir()
    save_weights(workspace / "model_data" / "start.pth", network, info_of(network, SAMPLE_CLASSES, (64, 64)))


def finished_workspace() -> Path:
    """A workspace with data, weights and one run that was trained to its end without interruption. To be read only."""
    return made_once("finished", _make_finished)


def _make_finished(workspace: Path) -> None:
    prepare(workspace, IMAGES)
    train(workspace)


def copy_start(source: Path, workspace: Path) -> None:
    """The data and weights of `source` in `workspace`, and no run yet."""
    for name in ("data", "model_data"):
        shutil.copytree(source / name, workspace / name)


def copy_run(source: Path, workspace: Path, *, link: bool = False) -> Path:
    """The data, weights and run of `source` in `workspace`; the run's folder there.

    With `link` its checkpoints and weights are links to those of `source`: for tests that replace them or leave them alone.
    """
    copy_start(source, workspace)
    run = workspace / "logs" / only_run(source).name
    shutil.copytree(only_run(source), run, copy_function=_link_large if link else shutil.copy2)
    plan = run / "plan.json"
    plan.write_text(plan.read_text(encoding="utf-8").replace(str(source), str(workspace)), encoding="utf-8")
    return run


def _link_large(source: str, target: str) -> object:
    is_large = source.endswith((".ckpt", ".pth"))
    return os.link(source, target) if is_large else shutil.copy2(source, target)


def plan_and_dataset(workspace: Path, **changes: Any) -> tuple[Plan, Dataset]:
    """What `prepare` made, as a Plan on one thread."""
    source = DataSource(str(workspace / "data"))
    dataset = open_dataset(workspace / "data")
    recipe = make_recipe({**SETTINGS, "model_path": "start.pth", **changes})
    return make_plan(recipe, dataset, source, PROCESSOR_ONLY, workspace), dataset


def train(workspace: Path, **changes: Any) -> list[Event]:
    """Train in this process what `prepare` made, to its end."""
    plan, dataset = plan_and_dataset(workspace, **changes)
    return list(start(plan, Control(), dataset))


def arguments(workspace: Path, **changes: Any) -> list[str]:
    """The same training as words for the command line."""
    settings = {**SETTINGS, "model_path": "start.pth", **changes}
    words = [f"--set={key}={json.dumps(value)}" for key, value in settings.items()]
    return ["train", "--data", str(workspace / "data"), "--workspace", str(workspace), *words]


def freezetui(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "tui", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=child_environment(**environment),
    )


def start_freezetui(*words: str, **environment: str) -> subprocess.Popen[str]:
    """Start the command, its output as text."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "tui", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=child_environment(**environment),
    )


def child_environment(**more: str) -> dict[str, str]:
    """One thread, and warnings of any library are errors of ours to look at."""
    path = os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **more}


def only_run(workspace: Path) -> Path:
    """The one run folder of a workspace."""
    runs = [folder for folder in (workspace / "logs").iterdir() if folder.is_dir()]
    assert len(runs) == 1, runs
    return runs[0]


def final_weights(run: Path) -> dict[str, torch.Tensor]:
    """The state dict a run ended with."""
    content = torch.load(run / "last_epoch_weights.pth", weights_only=True)
    state: dict[str, torch.Tensor] = content["state"]
    return state


def same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two state dicts are equal to the last bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
