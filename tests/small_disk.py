"""A small file system of its own, for runs that fill it: memory that only the processes of one mount namespace see."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

UNSHARED = ("unshare", "--map-root-user", "--mount")


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """`mounted` is the folder as its processes see it; `seen` is the same one as everybody else reaches it."""

    mounted: Path
    seen: Path
    holder: int
    """The process whose end unmounts the disk."""
    BALLAST: ClassVar[str] = "ballast"
    """The file that fills the disk."""

    @property
    def entering(self) -> tuple[str, ...]:
        """Words before a command that runs where the disk is mounted."""
        return ("nsenter", "--target", str(self.holder), "--user", "--mount", "--preserve-credentials", "--")

    def enter(self) -> None:
        """Let this process, which may have no second thread, see the disk."""
        library = ctypes.CDLL(None, use_errno=True)
        for namespace in ("user", "mnt"):
            with Path(f"/proc/{self.holder}/ns/{namespace}").open() as file:
                if library.setns(file.fileno(), 0):
                    raise OSError(ctypes.get_errno(), f"the namespace {namespace} cannot be entered")

    def fill(self, left: int) -> None:
        """Occupy all of it but `left` bytes."""
        with self._ballast.open("wb") as file:
            taken = 0
            while (more := self._free() - left) > 0:
                try:
                    os.posix_fallocate(file.fileno(), taken, more)
                except OSError as error:
                    if error.errno != errno.ENOSPC:  # a training that writes meanwhile was faster
                        raise
                else:
                    taken += more

    def empty(self) -> None:
        """Give back what `fill` took."""
        self._ballast.unlink()

    def make_read_only(self) -> None:
        """No process can write here from now on; none may have a file open for it."""
        subprocess.run([*self.entering, "mount", "-o", "remount,ro", str(self.mounted)], check=True)

    def _free(self) -> int:
        now = os.statvfs(self.seen)
        return now.f_bavail * now.f_frsize

    @property
    def _ballast(self) -> Path:
        return self.seen / self.BALLAST


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[SmallDisk]:
    """A file system of `size` bytes at `folder`; it ends with the block. Skips where the machine lets nobody mount one."""
    for tool in ("unshare", "nsenter", "mount"):
        if shutil.which(tool) is None:
            pytest.skip(f"no file system can be mounted without {tool}")
    # Asked for by itself: where name spaces may be made, whatever else fails is a failure.
    allowed = subprocess.run([*UNSHARED, "true"], capture_output=True, text=True, check=False)
    if allowed.returncode:
        pytest.skip(f"no file system can be mounted here: {allowed.stderr.strip()}")
    mount = f'mount -t tmpfs -o size={size} small "$0" && echo mounted && exec cat'
    holder = subprocess.Popen(
        [*UNSHARED, "sh", "-c", mount, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mounted\n"
        yield SmallDisk(folder, Path(f"/proc/{holder.pid}/root{folder}"), holder.pid)


def give_up_rights() -> None:
    """Make this process obey the rights of folders even if it is root's: it loses every capability (see capset(2))."""
    version, this_process, sets = 0x20080522, 0, 2 * 3
    header = (ctypes.c_uint32 * 2)(version, this_process)
    library = ctypes.CDLL(None, use_errno=True)
    if library.capset(header, (ctypes.c_uint32 * sets)()):
        raise OSError(ctypes.get_errno(), "the capabilities cannot be given up")
