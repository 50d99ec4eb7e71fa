"""Reads a JSON object element by element, so that a file of any size needs little memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple, TextIO

from engine.messages import Message, phrase

_CHUNK = 1 << 20
"""Characters that are read at once."""
_MAX_VALUE = 1 << 26
"""A longer element of a section is refused; the longest ones of real files, masks of one object, have less than a million characters."""
_MAX_DIGITS = 4000
"""Python refuses to convert longer integers."""
_SPACE = re.compile(r"[ \t\n\r]*")


class BadJson(ValueError):
    """A text that is not a JSON object; `reason` is a phrase that can be translated."""

    def __init__(self, reason: Message) -> None:
        super().__init__(str(reason))
        self.reason = reason


class NotAnObject(BadJson):
    """A text that may be JSON, but is no object at its top."""


class Element(NamedTuple):
    """A part of the value that a JSON object has at one of its keys."""

    section: str
    """The key of the object."""
    key: str | None
    """The key within the section, if the section is an object; None if it is a list."""
    value: object


class Section(NamedTuple):
    """Comes before the elements of a section, and alone for a value that is neither a list nor an object."""

    name: str
    has_elements: bool


def stream_json(file: TextIO) -> Iterator[Section | Element]:
    """The sections of a JSON object in the order of the file, each followed by its elements.

    NaN and infinite numbers are read as Python's json does; integers of thousands of digits become infinite.

    Raises:
        BadJson: the text is not a JSON object; NotAnObject where it does not begin as one.
        UnicodeDecodeError: the text has another encoding than `file`.
    """
    text = _Text(file)
    if not text.skip("{"):
        raise NotAnObject(phrase("line {line}: {reason}", line=1, reason="expected '{'"))
    if not text.skip("}"):
        while True:
            section = text.key()
            yield Section(section, text.peek() in ("[", "{"))
            yield from _elements(text, section)
            if not text.skip(","):
                break
        text.expect("}")
    text.expect_end()


def load_json(text: str) -> object:
    """The value of a whole JSON text, read as `stream_json` does.

    Raises:
        BadJson: the text is not JSON.
    """
    try:
        return json.loads(text, parse_int=_long_number)
    except json.JSONDecodeError as error:
        raise BadJson(phrase("line {line}: {reason}", line=error.lineno, reason=error.msg)) from error
    except RecursionError as error:
        raise BadJson(phrase("nested too deeply")) from error


def _elements(text: _Text, section: str) -> Iterator[Element]:
    if text.skip("["):
        if text.skip("]"):
            return
        while True:
            yield Element(section, None, text.value())
            if not text.skip(","):
                break
        text.expect("]")
    elif text.skip("{"):
        if text.skip("}"):
            return
        while True:
            key = text.key()
            yield Element(section, key, text.value())
            if not text.skip(","):
                break
        text.expect("}")
    else:
        text.value()


class _Text:
    """The part of a text that is being parsed."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._position = 0
        self._line = 1
        self._decode = json.JSONDecoder().raw_decode
        self._decode_long_numbers = json.JSONDecoder(parse_int=_long_number).raw_decode

    def peek(self) -> str:
        """The next character that is not blank; "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._position)
            assert match is not None  # the pattern matches nothing too
            self._position = match.end()
            if self._position < len(self._text):
                return self._text[self._position]
            if not self._read_more():
                return ""

    def skip(self, character: str) -> bool:
        """Go past `character` if it is the next one."""
        if self.peek() != character:
            return False
        self._position += 1
        return True

    def expect(self, character: str) -> None:
        if not self.skip(character):
            raise self._error(f"expected '{character}'")

    def expect_end(self) -> None:
        if self.peek():
            raise self._error("more follows after the end")

    def key(self) -> str:
        """A key of an object and the colon after it."""
        if self.peek() != '"':
            raise self._error("expected a key in quotes")
        key = self.value()
        self.expect(":")
        return str(key)

    def value(self) -> object:
        """The next value, whole."""
        self.peek()
        while True:
            try:
                try:
                    value, end = self._decode(self._text, self._position)
                except json.JSONDecodeError:
                    raise
                except ValueError:  # an integer of too many digits
                    value, end = self._decode_long_numbers(self._text, self._position)
            except json.JSONDecodeError as error:
                # The value may only be cut off at the end of what has been read.
                if self._read_more():
                    continue
                self._position = error.pos
                raise self._error(error.msg) from error
            except RecursionError as error:
                raise self._error("nested too deeply") from error
            # A number at the end of what has been read may go on.
            if end == len(self._text) and self._read_more():
                continue
            self._position = end
            return value

    def _read_more(self) -> bool:
        """Read on, and forget what was parsed; False at the end of the file."""
        rest = len(self._text) - self._position
        if rest > _MAX_VALUE:
            raise self._error("a value is too long")
        more = self._file.read(max(_CHUNK, rest))  # twice as much each time, so that the work stays linear
        if not more:
            return False
        self._line += self._text.count("\n", 0, self._position)
        self._text = self._text[self._position :] + more
        self._position = 0
        return True

    def _error(self, reason: str) -> BadJson:
        line = self._line + self._text.count("\n", 0, self._position)
        return BadJson(phrase("line {line}: {reason}", line=line, reason=reason))


def _long_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)
