"""Calls a function in a child process, which may crash and whose memory is its own."""

from __future__ import annotations

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

SubprocessCall = Callable[[str, Mapping[str, Any], float, threading.Event | None], dict[str, Any]]
"""`call_subprocess`, or what takes its place in a test."""

KILLED = "killed"
STOPPED = "stopped"
_POLL_SECONDS = 0.2


def call_subprocess(
    module: str, request: Mapping[str, Any], timeout: float, stop: threading.Event | None = None
) -> dict[str, Any]:
    """Run `python -P -m module` with `request` as JSON on its standard input.

    Args:
        module: a module that calls `serve_call`.
        request: anything that can be written as JSON.
        timeout: seconds.
        stop: ends the child process once it is set.

    Returns:
        The last line of its standard output, parsed as JSON. `{"failed": reason}` if the child crashes, exceeds `timeout`,
        is stopped or prints no JSON; with `signal`, its number, if a signal ended it.
    """
    try:
        child = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            # -P: the user's folder may contain an engine.py or a train.py of its own.
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",  # libraries may print in another encoding
            start_new_session=True,  # Ctrl+C goes to the parent only, which stops its child itself
        )
    except OSError as error:
        return {"failed": str(error)}
    with child:
        output = _communicate(child, json.dumps(request), timeout, stop or threading.Event())
        if isinstance(output, str):
            child.kill()
            return {"failed": output}
    stdout, stderr = output
    with suppress(ValueError, IndexError):
        response = json.loads(stdout.splitlines()[-1])
        if isinstance(response, dict):
            return response
    if child.returncode < 0:
        number = -child.returncode
        is_kill = number == getattr(signal, "SIGKILL", None)  # sent by the kernel when memory runs out
        return {"failed": KILLED if is_kill else f"ended by signal {number}", "signal": number}
    return {"failed": (stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]}


def serve_call(function: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """In the child process: read the request, call `function` with it and print its result."""
    sys.stdout.write(json.dumps(function(json.loads(sys.stdin.read()))) + "\n")


def _communicate(
    child: subprocess.Popen[str], request: str, timeout: float, stop: threading.Event
) -> tuple[str, str] | str:
    """Standard output and standard error of the child; or why the wait for it was given up."""
    deadline, is_sent = time.monotonic() + timeout, False
    while True:
        try:
            # After a TimeoutExpired communicate() can be called again; no input or output is lost.
            return child.communicate(None if is_sent else request, timeout=_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            is_sent = True
        if stop.is_set():
            return STOPPED
        if time.monotonic() > deadline:
            return f"no answer within {timeout:.0f} s"


def device_identity(device: str, hardware: Hardware) -> dict[str, Any]:
    """The part of a cache key that identifies the device: the card and its driver, or the processor."""
    if device.startswith("cuda"):
        card = hardware.cuda_card(int(device.partition(":")[2] or 0))
        name = None if card is None else (card.uuid or card.name)
        return {"device": device, "card": name, "driver": hardware.driver.version}
    return {"device": device, "processor": hardware.processor.name, "cores": hardware.processor.cores}
