"""Waits for something that another process does."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 120.0
"""On a machine that is busy with other things everything takes long."""


def wait_for(happened: Callable[[], object], wanted: str) -> None:
    """Wait until `happened` returns something true; fail with `wanted` where it never does."""
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end, f"waited in vain for {wanted}"
        time.sleep(0.05)
