"""Temporary files: their names, and what becomes of those that a dead process left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.files import atomic_write, remove_abandoned, temporary_name


@pytest.fixture
def dead_pid() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_two_names_for_one_file_differ_and_have_host_and_process() -> None:
    one, other = temporary_name("last.ckpt"), temporary_name("last.ckpt")
    assert one != other
    assert one.startswith(".last.ckpt.")
    assert f".{os.getpid()}." in one


@pytest.mark.parametrize("name", ["a" * 250, "猫" * 80, "\udcff" * 200])
def test_a_long_name_stays_within_what_file_systems_allow(name: str) -> None:
    assert len(os.fsencode(temporary_name(name))) <= 255


def test_files_of_dead_processes_are_removed_and_no_others(tmp_path: Path, dead_pid: int) -> None:
    own = temporary_name("last.ckpt")
    host = own.split(".")[3]
    assert own.split(".")[4] == str(os.getpid())
    dead = [f".last.ckpt.{host}.{dead_pid}.0123abcd.part", f".last.ckpt.{dead_pid}.part"]
    folder = f".run.{host}.{dead_pid}.0123abcd.part"
    kept = [own, f".last.ckpt.another-host.{dead_pid}.0123abcd.part", "yolov4.weights.part", "last.ckpt", ".x.part"]
    for name in (*dead, *kept):
        (tmp_path / name).touch()
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "plan.json").touch()
    remove_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(kept)
    remove_abandoned(tmp_path / "nowhere")


def test_a_file_of_another_host_is_removed_after_a_day(tmp_path: Path) -> None:
    path = tmp_path / ".last.ckpt.another-host.1.0123abcd.part"
    path.touch()
    remove_abandoned(tmp_path)
    assert path.exists()
    yesterday = time.time() - 25 * 3600
    os.utime(path, (yesterday, yesterday))
    remove_abandoned(tmp_path)
    assert not path.exists()


def test_a_process_that_only_got_the_number_of_a_dead_one_keeps_nothing(tmp_path: Path) -> None:
    host = temporary_name("x").split(".")[2]
    path = tmp_path / f".last.ckpt.{host}.{os.getpid()}.0123abcd.part"
    path.touch()
    long_ago = time.time() - 30 * 24 * 3600
    os.utime(path, (long_ago, long_ago))
    remove_abandoned(tmp_path)
    assert not path.exists()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(_file: object) -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  our own
        atomic_write(tmp_path / "x", fail)
    assert not list(tmp_path.iterdir())
