"""The weights that could be started from: the official ones, those of earlier runs, and files in model_data/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.plan import DataSource, open_source
from engine.runs.folder import BEST_WEIGHTS, LAST_WEIGHTS
from engine.weights.coco_names import COCO_NAMES
from engine.weights.download.registry import KNOWN, KnownFile, find, known_file
from engine.weights.signature import WEIGHTS_SUFFIXES
from engine.workspace import logs_folder
from tui.wizard.dataset_inspection import DatasetInspection

if TYPE_CHECKING:
    from engine.weights.transfer import LoadReport

SHOWN_RUNS = 20


@dataclass(frozen=True, slots=True)
class WeightsOption:
    """One file to start from."""

    kind: Literal["official", "run", "file"]
    name: str
    path: Path | None
    """None: it is not here yet, and can be fetched."""
    bytes: int


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """A file to be tried on the network that is chosen."""

    path: Path
    network: str
    part: Literal["whole", "backbone"]
    source: DataSource | None
    """The data set, whose classes decide what becomes of the heads."""
    opened: DatasetInspection | None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came out of a trial."""

    report: LoadReport
    source: DataSource | None
    classes: int
    """How many the data set at `source` has."""


def holds_weights(path: Path) -> bool:
    """Whether a file's name says that it holds weights."""
    return path.suffix.lower() in WEIGHTS_SUFFIXES


def model_folder(workspace: Path) -> Path:
    """Where a workspace keeps weights."""
    return workspace / "model_data"


def weights_options(network: str, workspace: Path) -> tuple[WeightsOption, ...]:
    """What there is to start `network` from, the official file first. In a thread: that file's content is checked."""
    official = known_file(network)
    here = find(official, model_folder(workspace))
    return (
        WeightsOption("official", official.name, here, official.bytes),
        *_of_runs(workspace),
        *_of_folder(model_folder(workspace)),
    )


def _of_runs(workspace: Path) -> list[WeightsOption]:
    """The best weights of every run, the newest first; the last ones where no best were kept."""
    logs = logs_folder(workspace)
    found = []
    for run in sorted(logs.iterdir(), reverse=True) if logs.is_dir() else []:
        path = next((run / name for name in (BEST_WEIGHTS, LAST_WEIGHTS) if (run / name).is_file()), None)
        if path is not None:
            found.append(WeightsOption("run", run.name, path.absolute(), path.stat().st_size))
    return found[:SHOWN_RUNS]


def _of_folder(folder: Path) -> list[WeightsOption]:
    if not folder.is_dir():
        return []
    files = (path for path in sorted(folder.iterdir()) if holds_weights(path) and path.is_file())
    return [
        WeightsOption("file", path.name, path.absolute(), path.stat().st_size)
        for path in files
        if path.name not in KNOWN
    ]


def official_file(network: str) -> KnownFile:
    """The published weights of a network."""
    return known_file(network)


def check_weights(trial: CheckRequest, last: CheckResult | None) -> CheckResult:
    """What would become of a file, for as many classes as the data set has. In a thread.

    `last` is an earlier answer: its data set needs not be opened again.

    Raises:
        BadInput: the file cannot be read, or is another network's; or the data set is no longer there.
    """
    from engine.weights.trial import dry_run_load

    classes = _classes(trial, last)
    return CheckResult(dry_run_load(trial.path, trial.network, classes, part=trial.part), trial.source, classes)


def _classes(trial: CheckRequest, last: CheckResult | None) -> int:
    if trial.source is None:
        return len(COCO_NAMES)  # no data set yet: as many as the official weights have
    if trial.opened is not None and trial.opened.source == trial.source:
        return len(trial.opened.dataset.classes)
    if last is not None and last.source == trial.source:
        return last.classes
    return len(open_source(trial.source).classes)
