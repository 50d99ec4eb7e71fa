"""The class of a row or a box that stands for itself: a class id, or the name of a class."""

from __future__ import annotations

from collections.abc import Sequence

from engine.dataset.formats.file_tree import same_name
from engine.dataset.formats.parsed_labels import MAX_CLASSES


class ClassIds:
    """The class ids that rows begin with; where no file names the classes, the words that they begin with."""

    def __init__(self, names: Sequence[str]) -> None:
        self._count = len(names)
        self._by_name = {same_name(name): index for index, name in reversed(list(enumerate(names)))}
        self._by_name.update((name, index) for index, name in reversed(list(enumerate(names))))
        self._words: dict[str, int] = {}

    def of(self, text: str) -> int | None:
        """The class id; below 0 for a word while nothing names the classes; None if there is no such class."""
        class_id = class_id_of(text)
        if class_id is not None:
            return class_id if class_id < (self._count or MAX_CLASSES) else None
        if self._count:
            return self._by_name.get(text, self._by_name.get(same_name(text)))
        if not any(character.isalpha() for character in text) or text.lower().lstrip("+-") in (
            "nan",
            "inf",
            "infinity",
        ):
            return None
        return -1 - self._words.setdefault(text, len(self._words))

    def words(self) -> list[str]:
        """The words, by -1 - class id."""
        return list(self._words)


def class_id_of(text: str) -> int | None:
    """The class id that a row begins with (`0`, `0.0`); None if it is no such number."""
    if text.isdecimal() and len(text) < 10:
        return int(text)
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() and 0 <= value < MAX_CLASSES else None


def is_word(text: str) -> bool:
    """Whether a text is a name, not a number or something like it."""
    return any(map(str.isalpha, text)) and text.lower().lstrip("+-") not in ("nan", "inf", "infinity")
