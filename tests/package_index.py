"""Whether a package index answers. Only where none does may a test that needs a package be left out."""

from __future__ import annotations

import subprocess
import sys

import pytest

NOTHING_THERE = "No matching distribution found for pip"


def skip_without_index() -> None:
    """Skips where the index that pip asks does not even know pip; any other reason for a failed download stays a failure.

    A pip that cannot be asked is such another reason.
    """
    asked = subprocess.run(
        [sys.executable, "-P", "-m", "pip", "--timeout", "15", "--retries", "1", "index", "versions", "pip"],
        capture_output=True,
        text=True,
        check=False,
    )
    if NOTHING_THERE in asked.stderr:
        pytest.skip(f"no package index can be reached: {asked.stderr.strip().splitlines()[-1]}")
    assert asked.returncode == 0, asked.stderr
