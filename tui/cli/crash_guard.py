"""Trains in a child process, and resumes the run in a new one where the child crashes because memory ran out.

With `--on-oom retry` a training tries batch sizes near the limit, where libraries fail in every way. oneDNN (in torch 2.14) calls
kernels whose code it had no memory to generate: a null function pointer in `brgemm_convolution_bwd_strided_t`, a segmentation
fault. OpenBLAS ends the process where it gets no buffers, and the kernel may kill it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from tui.cli.command_log import is_shown
from tui.cli.errors import print_error
from tui.cli.run_argument import run_argument
from tui.text import _

if TYPE_CHECKING:
    from engine.runner.supervisor import OnOutOfMemory

MAX_RETRIES = 3
_CHILD = "FREEZETUI_CHILD"
"""Set in the environment of the child process."""
_PR_SET_PDEATHSIG = 1
_SHELL_SIGNAL_BASE = 128
"""What shells add to the number of a signal for the exit code."""


@dataclass(frozen=True, slots=True)
class CrashState:
    """The batches that a run used when its process crashed, from its events."""

    stage: str
    batch_size: int
    accumulate: int
    after_out_of_memory: bool
    """Whether memory had run out in this epoch."""


def train_guarded(on_out_of_memory: OnOutOfMemory, workspace: Path, options: Sequence[str] = ()) -> int | None:
    """Run this command in a child process, up to its end; returns its exit code. None: the caller has to train itself.

    Args:
        on_out_of_memory: the value of --on-oom; for `stop` there is no child.
        workspace: the folder with logs/.
        options: those of the command that its resumption needs too.
    """
    if on_out_of_memory == "stop" or sys.platform == "win32":
        return None
    if os.environ.pop(_CHILD, None) is not None:
        _stop_with_parent()
        return None
    command = [*_global_options(), "resume", "--workspace", str(workspace), "--on-oom", on_out_of_memory, *options]
    if is_shown():
        command.append("--verbose")
    words, is_retry = sys.argv[1:], False
    for retries_left in reversed(range(MAX_RETRIES + 1)):
        pid, code = _run_child(words)
        if code >= 0:
            return code
        run = _run_of(pid, workspace)
        settings = None if run is None else _settings_after_crash(run, -code, on_out_of_memory, is_retry=is_retry)
        if run is None or settings is None or retries_left == 0:
            return _report_crash(-code, run)
        print_error(_("Memory ran out and the training crashed. It resumes from its last checkpoint."))
        words, is_retry = [*command, *settings, "--", str(run)], True
    return None


def read_crash_state(run: Path) -> CrashState | None:
    """The state of a run whose process has died; None before its first stage."""
    from engine.events import BatchChanged, EpochFinished, OutOfMemory, RunStarted, StageStarted
    from engine.runs.folder import read_events

    stage, batch_size, accumulate, after_out_of_memory = "", 0, 1, False
    for event in read_events(run):
        match event:
            case RunStarted():
                accumulate = _as_int(event.plan.get("recipe", {}).get("accumulate"), 1)
            case StageStarted():
                stage, batch_size = event.stage, event.batch_size
            case BatchChanged():
                stage, batch_size, accumulate = event.stage, event.batch_size, event.accumulate
            case OutOfMemory():
                after_out_of_memory = True
            case EpochFinished():
                after_out_of_memory = False
    return CrashState(stage, batch_size, accumulate, after_out_of_memory) if stage else None


def _settings_after_crash(
    run: Path, signal_number: int, on_out_of_memory: OnOutOfMemory, *, is_retry: bool
) -> list[str] | None:
    """The options with which to resume `run`; None where memory was not the reason, or nothing smaller is left."""
    from engine.recipe import MIN_BATCH_SIZE
    from engine.runs.lock import read_kill_reason

    state = read_crash_state(run)
    if state is None:
        return None
    if signal_number == signal.SIGKILL:
        lower = read_kill_reason(run) == "out_of_memory"
        if not lower:
            return None
    elif signal_number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS) and (is_retry or state.after_out_of_memory):
        lower = is_retry  # after the first crash the batch size was lowered already, and the new process is a clean one
    else:
        return None
    batch_size = state.batch_size // 2 if lower else state.batch_size
    if batch_size < MIN_BATCH_SIZE:
        return None
    settings = ["--set", f"{state.stage}_batch_size={batch_size}"]
    if on_out_of_memory == "accumulate":
        settings += ["--set", f"accumulate={max(1, state.batch_size * state.accumulate // batch_size)}"]
    return settings


def _run_child(words: Sequence[str]) -> tuple[int, int]:
    """Run freezetui with `words` to its end; returns its pid and exit code, negative for the signal that ended it."""
    child = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
        [sys.executable, "-P", "-m", "tui", *words], env={**os.environ, _CHILD: "1"}
    )
    with _signals_forwarded(child):
        return child.pid, child.wait()


def _stop_with_parent() -> None:
    """In the child: stop and save when the parent is killed, since then nobody waits for it. Only Linux has a call for it."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def _signals_forwarded(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Pass on what stops a training; the child saves a checkpoint and ends."""

    def forward(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            child.send_signal(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {n: signal.signal(n, forward) for n in numbers if signal.getsignal(n) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _run_of(pid: int, workspace: Path) -> Path | None:
    """The run that the process `pid` trained into."""
    from engine.runs.folder import run_folders
    from engine.runs.lock import trained_by

    return next((run for run in reversed(run_folders(workspace)) if trained_by(run, pid)), None)


def _report_crash(signal_number: int, run: Path | None) -> int:
    name = signal.Signals(signal_number).name
    if run is None:
        print_error(_("The training process was ended by {signal}.", signal=name))
    else:
        print_error(
            _(
                "The training process was ended by {signal}. Resume from the last checkpoint with: {command}",
                signal=name,
                command=f"freezetui resume {run_argument(run)}",
            )
        )
    return _SHELL_SIGNAL_BASE + signal_number


def _global_options() -> list[str]:
    """The options before the command, such as --lang."""
    words = sys.argv[1:]
    return words[: next((n for n, word in enumerate(words) if word in ("train", "resume")), 0)]


def _as_int(value: object, default: int) -> int:
    return value if isinstance(value, int) else default
