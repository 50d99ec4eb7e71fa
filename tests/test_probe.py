"""The snapshot of the hardware, and the command that prints it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from engine.hardware import (
    probe,
)
from tests.nvml_stand_in import (
    CHECKOUT,
    GIB,
    card,
    command_on,
    machine,
)


def test_a_snapshot_is_immutable_and_becomes_json(tmp_path: Path) -> None:
    snapshot = probe(tmp_path)
    with pytest.raises(dataclasses.FrozenInstanceError):
        snapshot.disk_free = 0  # type: ignore[misc]
    assert json.loads(json.dumps(snapshot.to_json())) == snapshot.to_json()


def test_importing_the_probe_imports_no_torch() -> None:
    code = (
        "import sys, engine.hardware; print([name for name in sys.modules if name.split('.')[0] in ('torch', 'cv2')])"
    )
    child = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"


def test_the_command_shows_cards_users_and_sentences(library: Path, tmp_path: Path) -> None:
    large = card(gib=12, used=3 * GIB, compute=f"{os.getpid()} {3 * GIB}", error="nvmlDeviceGetPowerUsage 3")
    text = command_on(library, tmp_path, machine(large), "probe")
    assert "9.0 GiB of 12.0 GiB" in text
    assert f"{psutil.Process().name()} 3.0 GiB" in text
    assert "NVIDIA GeForce RTX 3060 does not report its power (not supported by this card)." in text
    assert "None" not in text


def test_the_command_prints_json_and_nothing_else(library: Path, tmp_path: Path) -> None:
    snapshot = json.loads(command_on(library, tmp_path, machine(card()), "probe", "--json"))
    assert [entry["name"] for entry in snapshot["cards"]] == ["NVIDIA GeForce RTX 3060"]


def test_a_cards_name_reaches_the_terminal_as_text_only(library: Path, tmp_path: Path) -> None:
    text = command_on(
        library, tmp_path, machine(card("[red]evil[/red]\x1b[2J", error="nvmlDeviceGetPowerUsage 3")), "probe"
    )
    assert "[red]evil[/red]" in text
    assert "\x1b" not in text
