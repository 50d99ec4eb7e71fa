"""The door for files that a data set names: regular files of a limited size, and nothing that blocks or never ends."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from engine.files import error_reason, read_text
from engine.messages import BadInput
from engine.regular_files import RefusedFile, read_regular_file


def test_a_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 5000)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert read_regular_file(tmp_path / "a", 5000) == read_regular_file(tmp_path / "link", 5000) == b"x" * 5000
    (tmp_path / "empty").touch()
    assert read_regular_file(tmp_path / "empty", 0) == b""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_pipes_devices_sockets_and_folders_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "folder.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        for name in ("pipe.jpg", "zero.jpg", "s"):
            with pytest.raises(RefusedFile, match="a pipe, a socket or a device"):
                read_regular_file(tmp_path / name, 100)
    with pytest.raises(RefusedFile) as refused:
        read_regular_file(tmp_path / "folder.jpg", 100)
    assert str(error_reason(refused.value)) == "it is a folder"
    with pytest.raises(BadInput, match=r"pipe\.jpg: cannot be read \(it is a pipe"):
        read_text(tmp_path / "pipe.jpg")


def test_a_file_beyond_the_limit_is_refused_without_reading_it(tmp_path: Path) -> None:
    with (tmp_path / "sparse.png").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(RefusedFile, match=r"it has 1024\.0 GiB; at most 1\.0 MiB are read"):
        read_regular_file(tmp_path / "sparse.png", 2**20)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_file_whose_size_is_not_known_is_read_up_to_the_limit() -> None:
    """Files in /proc say that they have no bytes."""
    assert b"Name:" in read_regular_file(Path("/proc/self/status"), 2**20)
    with pytest.raises(RefusedFile, match="at most"):
        read_regular_file(Path("/proc/self/status"), 10)
