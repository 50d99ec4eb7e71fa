"""Files that appear whole or not at all, and text whatever its encoding."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from engine.messages import BadInput, bad_input

_PATIENCE = 5.0
"""Seconds."""


def atomic_write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file beside `path`, flush it to the disk, then rename it over `path`.

    After a crash, a power cut or a full disk `path` holds either its old content or its new one.

    Raises:
        BadInput: the disk is full or the folder cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        replace_file(beside, path)
        _sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        if (refusal := write_error(path, error)) is not None:
            raise refusal from error
        raise


def replace_file(file: Path, path: Path) -> None:
    """Rename `file` over `path`. Windows refuses for as long as anybody has `path` open: a virus scanner, a viewer."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            file.replace(path)
        except PermissionError:
            if os.name != "nt" or time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def write_text(path: Path, text: str) -> None:
    """`atomic_write` for UTF-8 text with plain line ends."""
    atomic_write(path, lambda file: file.write(text.encode()))


def write_error(path: Path, error: BaseException) -> BadInput | None:
    """The sentence for an error met while writing `path`; None where `error` says nothing about the disk.

    torch's zip writer hides the reason behind a RuntimeError, so the errors it chains are looked at too.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError):
            if seen.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                return bad_input(
                    "disk.full", "{path}: the disk is full; free some space and go on with resume.", path=path
                )
            if seen.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                return bad_input(
                    "disk.read_only", "{path}: this folder cannot be written to; choose another --workspace.", path=path
                )
            if seen.errno == errno.EIO:
                return bad_input("disk.failing", "{path}: the disk reports an input/output error.", path=path)
        seen = seen.__cause__ or seen.__context__
    return None


def read_text(path: Path) -> str:
    """The text of `path`: UTF-8 (with or without mark), else GB18030 (what Chinese Windows writes), else Latin-1.

    Raises:
        BadInput: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise bad_input(
            "file.unreadable", "{path}: cannot be read ({reason}).", path=path, reason=error.strerror
        ) from error
    for encoding in ("utf-8-sig", "gb18030"):
        with contextlib.suppress(UnicodeDecodeError):
            return content.decode(encoding)
    return content.decode("latin-1")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in lower-case hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make a rename last: on POSIX the folder itself has to reach the disk; Windows does not open folders."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):  # some file systems sync no folders
            raise
    finally:
        os.close(descriptor)
