"""Questions that are answered in a fresh process: one that may die of them, and whose memory is its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from engine.hardware import Hardware

KILLED = "killed"


def ask_child(module: str, question: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """What `python -P -m module` answers, as JSON on its last line, to `question`, as JSON on its standard input.

    A child that dies, hangs or talks nonsense answers `{"failed": why}`.
    """
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter and module)
            # -P: the user's folder may hold an engine.py or a train.py of its own.
            [sys.executable, "-P", "-m", module],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"no answer within {timeout:.0f} s"}
    except OSError as error:
        return {"failed": str(error)}
    with suppress(ValueError, IndexError):
        answer = json.loads(done.stdout.splitlines()[-1])
        if isinstance(answer, dict):
            return answer
    if (
        done.returncode < 0
    ):  # by a signal: the kernel's when memory runs out, an instruction the processor does not have
        return {"failed": KILLED, "signal": -done.returncode}
    return {"failed": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}


def identity_of(device: str, hardware: Hardware) -> dict[str, Any]:
    """What computes, as part of a key: the card and its driver, or the processor."""
    if device.startswith("cuda"):
        card = hardware.cuda_card(int(device.partition(":")[2] or 0))
        name = None if card is None else (card.uuid or card.name)
        return {"device": device, "card": name, "driver": hardware.driver.version}
    return {"device": device, "processor": hardware.processor.name, "cores": hardware.processor.cores}
