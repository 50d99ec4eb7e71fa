"""Files whose encoding had to be guessed, and class names that tell a better guess."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from engine.dataset.formats.reading_log import MAX_NAMES, ReadingLog, relative_path
from engine.messages import join_names
from engine.text_encoding import GUESSED_CHINESE, DecodedText, as_chinese, mixes_scripts


class GuessedEncodings:
    """The files of one data set by their guessed encodings."""

    def __init__(self) -> None:
        self._files: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, decoded: DecodedText, file: Path | str, root: Path) -> None:
        """Remember `file` if its encoding had to be guessed."""
        if decoded.guessed:
            self._files[decoded.encoding].append(relative_path(Path(file), root))

    def chinese_names(
        self, names: Sequence[str], files_of_classes: Callable[[Iterable[int]], Iterable[str]]
    ) -> list[str]:
        """`names` with those decoded as Chinese whose bytes are UTF-8 by chance, where the other names or the name itself tell.

        Args:
            names: the class names.
            files_of_classes: the files that the names of some class ids come from.
        """
        votes = GUESSED_CHINESE in self._files
        decoded = {
            class_id: text
            for class_id, name in enumerate(names)
            if (votes or mixes_scripts(name)) and (text := as_chinese(name)) is not None
        }
        if decoded:
            self._files[GUESSED_CHINESE] += files_of_classes(decoded)
        return [decoded.get(class_id, name) for class_id, name in enumerate(names)]

    def report(self, log: ReadingLog) -> None:
        """Add a finding for each encoding."""
        for encoding, guessed in self._files.items():
            files = list(dict.fromkeys(guessed))
            log.add_finding(
                "warning",
                "text.encoding",
                log.root,
                "{file}: files that are not in the encoding they declare, or declare none and are not UTF-8: {count} ({names}); read "
                "as {encoding}. This is a guess: check the class names.",
                count=len(files),
                names=join_names(files[:MAX_NAMES]),
                encoding=encoding,
            )
