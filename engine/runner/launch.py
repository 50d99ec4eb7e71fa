"""Starts a training, or a function, in several processes of this machine."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.dataset.index import Dataset
from engine.dataset.index_file import save_index
from engine.events import Event
from engine.messages import BadInput
from engine.parallel.launch_spec import Rendezvous
from engine.planning.subprocess_call import STOPPED
from engine.runner.launcher import Launcher, NotStarted
from engine.training.control import Control


@dataclass(frozen=True, slots=True)
class Launch:
    """How the processes of a training are started, besides what its plan says."""

    rendezvous: Rendezvous = field(default_factory=Rendezvous)
    max_restarts: int = 0
    """How often all processes may be started again from the last checkpoint after one has died."""


ALONE = Launch()


def launch(
    job: Mapping[str, Any],
    devices: Sequence[str],
    control: Control,
    how: Launch,
    *,
    run: Path | None = None,
    dataset: Dataset | None = None,
) -> Iterator[Event]:
    """Train in one process for each device of this machine; yield the events of the first of them.

    Args:
        job: what they do, see `worker.py`; JSON.
        devices: the torch device of each process.
        control: requests, which are passed on.
        how: machines and restarts.
        run: the run folder, where it exists already.
        dataset: given to the processes in a file, so that they need not read the labels again.

    Raises:
        BadInput: before the first event, where the training cannot start.
    """
    folder = Path(tempfile.mkdtemp(prefix="freezetui-ddp-"))
    if dataset is not None:
        index = folder / "dataset.npz"
        save_index(dataset, index)
        job = {**job, "index": str(index)}
    launcher = Launcher(
        dict(job), devices, control, folder, rendezvous=how.rendezvous, max_restarts=how.max_restarts, run=run
    )
    try:
        yield from launcher.events()
    finally:
        launcher.close()
        shutil.rmtree(folder, ignore_errors=True)


def launch_call(
    module: str, request: Mapping[str, Any], devices: Sequence[str], timeout: float, stop: threading.Event | None = None
) -> dict[str, Any]:
    """What `answer` of a module returns in the first of several processes that call it together.

    Args:
        module: has the function `answer(request, group)`.
        request: JSON.
        devices: the torch device of each process.
        timeout: seconds.
        stop: ends the processes once it is set.

    Returns:
        JSON; `{"failed": reason}` if a process dies, the time is over, or the call is stopped.
    """
    folder = Path(tempfile.mkdtemp(prefix="freezetui-ddp-"))
    job = {"kind": "call", "module": module, "request": dict(request)}
    launcher = Launcher(job, devices, Control(), folder)
    deadline = time.monotonic() + timeout
    launcher.should_end = lambda: (stop is not None and stop.is_set()) or time.monotonic() > deadline
    try:
        for _event in launcher.events():
            pass
    except NotStarted:
        return {"failed": STOPPED}
    except BadInput as error:
        return {"failed": str(error)}
    finally:
        launcher.close()
        shutil.rmtree(folder, ignore_errors=True)
    return launcher.result if launcher.result is not None else {"failed": "no answer"}
