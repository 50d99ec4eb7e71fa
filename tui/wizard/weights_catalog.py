"""The weights that a training can start from: the official ones, those of earlier runs, and files in model_data/."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.messages import BadInput
from engine.plan import DEFAULT_SPLIT_SEED, DataSource
from engine.planning.request import DatasetReader
from engine.runs.folder import BEST_WEIGHTS, LAST_WEIGHTS, load_plan
from engine.weights.coco_names import COCO_NAMES
from engine.weights.download.registry import KNOWN, find, official_file
from engine.weights.signature import WEIGHTS_SUFFIXES
from engine.workspace import logs_folder, weights_named
from tui.wizard.data_source import absolute_source
from tui.wizard.path_completion import PathStatus, inspect_path

if TYPE_CHECKING:
    from engine.weights.transfer import LoadReport

MAX_LISTED_RUNS = 20


@dataclass(frozen=True, slots=True)
class WeightsOption:
    """One file to start from."""

    kind: Literal["official", "run", "file"]
    name: str
    path: Path | None
    """None: not downloaded yet."""
    bytes: int


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """A weights file to check against the chosen network."""

    path: Path
    network: str
    part: Literal["whole", "backbone"]
    source: DataSource | None
    """The data set; its number of classes decides whether the heads match."""
    workspace: Path


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What would be loaded from a weights file, for a data set with `class_count` classes."""

    report: LoadReport
    class_count: int


def holds_weights(path: Path) -> bool:
    """Whether the file's suffix is one of a weights file."""
    return path.suffix.lower() in WEIGHTS_SUFFIXES


def named_file(text: str, workspace: Path) -> Path | None:
    """The absolute path of the file that the user typed: as given, or a name in the workspace's model_data/; None for no text."""
    name = text.strip().strip("'\"")
    if not name:
        return None
    return weights_named(name, workspace) or Path(name).expanduser().absolute()


def inspect_weights_path(text: str, workspace: Path) -> PathStatus:
    """The status of a typed path; a name in model_data/ exists too."""
    status = inspect_path(text, holds_weights)
    path = named_file(text, workspace)
    return replace(status, exists=True, problem="") if path is not None and path.is_file() else status


def model_folder(workspace: Path) -> Path:
    """Where a workspace keeps weights."""
    return workspace / "model_data"


def weights_options(network: str, workspace: Path) -> tuple[WeightsOption, ...]:
    """All files that `network` can start from, the official one, if there is one, first. Slow: hashes the official file."""
    official = official_file(network)
    own = (*_weights_of_runs(network, workspace), *_weights_in(model_folder(workspace)))
    if official is None:
        return own
    path = find(official, model_folder(workspace))
    return (WeightsOption("official", official.name, path, official.bytes), *own)


def _weights_of_runs(network: str, workspace: Path) -> list[WeightsOption]:
    """The best weights of every run of `network`, newest first; the last weights where a run has no best ones."""
    logs = logs_folder(workspace)
    options = []
    for run in sorted(logs.iterdir(), reverse=True) if logs.is_dir() else []:
        path = next((run / name for name in (BEST_WEIGHTS, LAST_WEIGHTS) if (run / name).is_file()), None)
        if path is not None and _network_of_run(run) in (network, None):
            options.append(WeightsOption("run", run.name, path.absolute(), path.stat().st_size))
    return options[:MAX_LISTED_RUNS]


def _network_of_run(run: Path) -> str | None:
    """The network that a run trains; None where its plan cannot be read: the check of the file tells then."""
    try:
        return load_plan(run).recipe.network
    except BadInput:
        return None


def _weights_in(folder: Path) -> list[WeightsOption]:
    if not folder.is_dir():
        return []
    files = (path for path in sorted(folder.iterdir()) if holds_weights(path) and path.is_file())
    return [
        WeightsOption("file", path.name, path.absolute(), path.stat().st_size)
        for path in files
        if path.name not in KNOWN
    ]


def check_weights(request: CheckRequest, datasets: DatasetReader) -> CheckResult:
    """What would be loaded from the file, without building the network. Slow: reads the file.

    Raises:
        BadInput: the file cannot be read, or belongs to another network; or the data set cannot be read.
    """
    from engine.weights.load import check_weights as check

    class_count = _class_count(request, datasets)
    return CheckResult(check(request.path, request.network, class_count, part=request.part), class_count)


def _class_count(request: CheckRequest, datasets: DatasetReader) -> int:
    if request.source is None:
        return len(COCO_NAMES)  # no data set is chosen yet: as many as the official weights have
    source = absolute_source(request.source, request.workspace)
    return len(datasets.open(source, DEFAULT_SPLIT_SEED).classes)
