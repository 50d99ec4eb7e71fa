"""Questions that are answered in a fresh process: one that may die of them, and whose memory is its own."""

from __future__ import annotations

import gc
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from engine.hardware import Hardware

KILLED = "killed"
STOPPED = "stopped"
"""Nobody wanted the answer any more."""
_PATIENCE = 0.2


def call_subprocess(
    module: str, question: Mapping[str, Any], timeout: float, stop: threading.Event | None = None
) -> dict[str, Any]:
    """What `python -P -m module` answers, as JSON on its last line, to `question`, as JSON on its standard input.

    A child that dies, hangs or talks nonsense answers `{"failed": why}`; so does one that is ended because `stop` is set.
    """
    try:
        child = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            # -P: the user's folder may hold an engine.py or a train.py of its own.
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",  # of what libraries print, in whatever language
            start_new_session=True,  # Ctrl+C is for the parent, which stops its children itself
        )
    except OSError as error:
        return {"failed": str(error)}
    with child:
        output = _communicate(child, json.dumps(question), timeout, stop or threading.Event())
        if isinstance(output, str):
            child.kill()
            return {"failed": output}
    stdout, stderr = output
    with suppress(ValueError, IndexError):
        answer = json.loads(stdout.splitlines()[-1])
        if isinstance(answer, dict):
            return answer
    if child.returncode < 0:
        number = -child.returncode
        killed = number == getattr(signal, "SIGKILL", None)  # as the kernel does when memory runs out
        return {"failed": KILLED if killed else f"ended by signal {number}", "signal": number}
    return {"failed": (stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]}


def serve_call(answer: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """In the child: read the question of `call_subprocess`, and write what `answer` makes of it."""
    sys.stdout.write(json.dumps(answer(json.loads(sys.stdin.read()))) + "\n")
    # The parent waits for the end, at which Python would look for garbage among torch's million objects: a second for nothing.
    gc.freeze()


def _communicate(
    child: subprocess.Popen[str], question: str, timeout: float, stop: threading.Event
) -> tuple[str, str] | str:
    """What the child wrote to its two streams, or why nobody waits for it any longer."""
    end, asked = time.monotonic() + timeout, False
    while True:
        try:
            # Called again after a time-out it goes on where it was; what was written or read is not lost.
            return child.communicate(None if asked else question, timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            asked = True
        if stop.is_set():
            return STOPPED
        if time.monotonic() > end:
            return f"no answer within {timeout:.0f} s"


def device_identity(device: str, hardware: Hardware) -> dict[str, Any]:
    """What computes, as part of a key: the card and its driver, or the processor."""
    if device.startswith("cuda"):
        card = hardware.cuda_card(int(device.partition(":")[2] or 0))
        name = None if card is None else (card.uuid or card.name)
        return {"device": device, "card": name, "driver": hardware.driver.version}
    return {"device": device, "processor": hardware.processor.name, "cores": hardware.processor.cores}
