"""A small file system of its own, for runs that fill it: memory that only the processes of one mount namespace see."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """`inside` is the folder as its processes see it; `seen` is the same one as everybody else reaches it."""

    inside: Path
    seen: Path
    entering: tuple[str, ...]
    """Words before a command that runs where the disk is mounted."""

    def fill(self, left: int) -> None:
        """Occupy all of it but `left` bytes."""
        with self._ballast.open("wb") as file:
            taken = 0
            while (more := self._free() - left) > 0:
                with suppress(OSError):  # a training that writes meanwhile was faster
                    os.posix_fallocate(file.fileno(), taken, more)
                    taken += more

    def empty(self) -> None:
        """Give back what `fill` took."""
        self._ballast.unlink()

    def make_read_only(self) -> None:
        """No process can write here from now on; none may have a file open for it."""
        subprocess.run([*self.entering, "mount", "-o", "remount,ro", str(self.inside)], check=True)

    def _free(self) -> int:
        now = os.statvfs(self.seen)
        return now.f_bavail * now.f_frsize

    @property
    def _ballast(self) -> Path:
        return self.seen / "ballast"


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[SmallDisk | None]:
    """A file system of `size` bytes at `folder`; None where the machine lets nobody mount one. It ends with the block."""
    if not all(shutil.which(tool) for tool in ("unshare", "nsenter", "mount")):
        yield None
        return
    mount = f'mount -t tmpfs -o size={size} small "$0" && echo mounted && exec cat'
    holder = subprocess.Popen(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        if holder.stdout.readline() != "mounted\n":
            yield None
            return
        entering = ("nsenter", "--target", str(holder.pid), "--user", "--mount", "--preserve-credentials", "--")
        yield SmallDisk(folder, Path(f"/proc/{holder.pid}/root{folder}"), entering)
