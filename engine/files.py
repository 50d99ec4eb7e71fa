"""Atomic writes, sentences for disk errors, and text in any of the usual encodings.

Written by hand: libraries for atomic writes flush the file but not its folder, or do not retry when Windows refuses the rename.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from engine.messages import BadInput, Message, bad_input, gettext_noop, phrase
from engine.regular_files import MAX_TEXT_BYTES, RefusedFile, read_regular_file
from engine.text_encoding import DecodedText, decode_text

_RENAME_TIMEOUT = 5.0
"""Seconds."""
_TEMPORARY_NAMES = (
    re.compile(r"\..*\.(?P<host>[A-Za-z0-9-]+)\.(?P<pid>[0-9]{1,10})\.[0-9a-f]{8}\.part", re.DOTALL),
    re.compile(r"\..*(?P<host>)\.(?P<pid>[0-9]{1,10})\.part", re.DOTALL),  # of earlier versions: without a host
)
_MAX_NAME_BYTES = 120
"""Of the file's own name in a temporary name: file systems allow 255 bytes for the whole name."""
_MAX_HOST_LENGTH = 32
_ABANDONED_AFTER = 24 * 3600.0
"""Seconds."""
_CLOCK_TOLERANCE = 10.0
"""Seconds between the clock of the file system and that of the processes."""


def atomic_write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call `write` with a temporary file in the folder of `path`, flush it to the disk, then rename it to `path`.

    After a crash, a power cut or a full disk `path` has either its old or its new content, never a part of it.

    Raises:
        BadInput: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(temporary_name(path.name))
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        replace_file(temporary, path)
        _sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if (bad := disk_error(path, error)) is not None:
            raise bad from error
        raise


def temporary_name(name: str) -> str:
    """A new name for a temporary file or folder beside `name`; `remove_abandoned` recognises it after a crash.

    It has the host and the process, and a random part: processes in containers share folders, and may share both numbers.
    """
    shown = name.encode("utf-8", "surrogateescape")[:_MAX_NAME_BYTES].decode("utf-8", "ignore")
    return f".{shown}.{_host()}.{os.getpid()}.{secrets.token_hex(4)}.part"


def is_temporary_name(name: str) -> bool:
    """Whether `name` is one that `temporary_name` makes."""
    return any(pattern.fullmatch(name) for pattern in _TEMPORARY_NAMES)


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files and folders that processes which no longer run left in `folder`.

    Those of another host, whose processes cannot be seen from here, are removed after a day.
    """
    with contextlib.suppress(OSError):
        for entry in list(folder.iterdir()):
            match = next(filter(None, (pattern.fullmatch(entry.name) for pattern in _TEMPORARY_NAMES)), None)
            if match is not None and _is_abandoned(entry, match["host"], int(match["pid"])):
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    with contextlib.suppress(OSError):
                        entry.unlink()


def _is_abandoned(entry: Path, host: str, pid: int) -> bool:
    import psutil  # imported late: most commands need it nowhere

    try:
        changed = entry.lstat().st_mtime
    except OSError:
        return False
    if host and host != _host():
        return time.time() - changed > _ABANDONED_AFTER
    try:
        # A process that started after the last change has only got the number of the one that made the file.
        return bool(psutil.Process(pid).create_time() > changed + _CLOCK_TOLERANCE)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


@functools.cache
def _host() -> str:
    """The name of this host, as far as it fits into a file name."""
    return re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:_MAX_HOST_LENGTH] or "host"


def replace_file(file: Path, path: Path) -> None:
    """Rename `file` to `path`. Windows refuses that while another program has `path` open, so it is tried for some seconds."""
    end = time.monotonic() + _RENAME_TIMEOUT
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
    """`atomic_write` for UTF-8 text; line ends are written as they are."""
    atomic_write(path, lambda file: file.write(text.encode()))


def disk_error(path: Path, error: BaseException) -> BadInput | None:
    """The exception to raise for an error while `path` was written; None if the disk is not its cause.

    torch's zip writer raises a RuntimeError from the OSError, so chained errors are examined too.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            if cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                return bad_input("disk.full", "{path}: the disk is full; free some space, then resume.", path=path)
            if cause.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                return bad_input("disk.read_only", "{path}: this folder cannot be written to.", path=path)
            if cause.errno == errno.EIO:
                return bad_input("disk.failing", "{path}: the disk reports an input/output error.", path=path)
        cause = cause.__cause__ or cause.__context__
    return None


def make_folder(path: Path) -> None:
    """Create a folder and its parents.

    Raises:
        BadInput: it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(path, error) or bad_input(
            "disk.no_folder", "{path}: cannot be created ({reason}).", path=path, reason=error_reason(error)
        ) from error


_REASONS = {
    errno.ENOENT: gettext_noop("it does not exist"),
    errno.EACCES: gettext_noop("no permission"),
    errno.EPERM: gettext_noop("no permission"),
    errno.EROFS: gettext_noop("the disk is read-only"),
    errno.ENOSPC: gettext_noop("the disk is full"),
    errno.EISDIR: gettext_noop("it is a folder"),
    errno.ENOTDIR: gettext_noop("a part of the path is a file"),
    errno.EEXIST: gettext_noop("it exists already"),
    errno.ENAMETOOLONG: gettext_noop("the name is too long"),
    errno.EIO: gettext_noop("input/output error"),
}


def error_reason(error: OSError) -> Message | str:
    """Why a file was refused, as a phrase that can be translated; the system's own text where it is a rare reason."""
    if isinstance(error, RefusedFile):
        return error.reason
    template = _REASONS.get(error.errno or 0)
    return str(error.strerror or error) if template is None else phrase(template)


def read_decoded(path: Path) -> DecodedText:
    """The text of `path` in any of the usual encodings (see `decode_text`), and whether its encoding was guessed.

    Raises:
        BadInput: the file cannot be read.
    """
    try:
        return decode_text(read_regular_file(path, MAX_TEXT_BYTES))
    except OSError as error:
        raise bad_input(
            "file.unreadable", "{path}: cannot be read ({reason}).", path=path, reason=error_reason(error)
        ) from error


def read_text(path: Path) -> str:
    """The text of `path`. Encodings and errors: see `read_decoded`."""
    return read_decoded(path).text


def read_lines(path: Path) -> list[str]:
    """The lines of `path` without surrounding spaces; empty lines are skipped. Encodings and errors: see `read_decoded`."""
    return text_lines(read_text(path))


def text_lines(text: str) -> list[str]:
    """The lines of a text without surrounding spaces; empty lines are skipped."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in lower-case hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    """Flush a rename to the disk. On POSIX that means the folder; Windows cannot open folders."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):  # some file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
