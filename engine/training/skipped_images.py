"""Images that could not be read: each is reported once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.dataset.images import UnreadableImage
from engine.events import ImageSkipped
from engine.messages import Message
from engine.parallel.group import ProcessGroup


class SkippedImages:
    """The images that were reported, and those that this process has found since."""

    def __init__(self, group: ProcessGroup) -> None:
        self._group = group
        self._reported: set[Path] = set()
        self._found: dict[Path, Message] = {}

    def add(self, images: Iterable[UnreadableImage]) -> None:
        """Remember images that could not be read."""
        for image in images:
            if image.path not in self._reported:
                self._found.setdefault(image.path, image.message)

    @property
    def has_found(self) -> bool:
        """Whether there is something to report."""
        return bool(self._found)

    def report(self) -> Iterator[ImageSkipped]:
        """One event for each image that a process has found. Collective."""
        found, self._found = self._found, {}
        for of_process in self._group.all_gather(found):
            for path, message in of_process.items():
                if path not in self._reported:
                    self._reported.add(path)
                    yield ImageSkipped(image=str(path), reason=message, count=len(self._reported))
