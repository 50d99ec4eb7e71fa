"""Which encoding a text has: by its mark, by what it declares or, where neither tells, by its bytes."""

from __future__ import annotations

import codecs
import contextlib
import re
import unicodedata
from typing import NamedTuple

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is the start of this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MULTI_BYTE = frozenset(
    (
        *(
            "gb2312",
            "gbk",
            "gb18030",
            "big5",
            "big5hkscs",
            "cp950",
            "euc_kr",
            "cp949",
            "johab",
            "shift_jis",
            "cp932",
            "euc_jp",
        ),
        *("shift_jis_2004", "shift_jisx0213", "euc_jis_2004", "euc_jisx0213"),
    )
)
"""Codecs of Chinese, Japanese and Korean, as Python names them."""
_SEVEN_BIT = ("iso2022", "hz")
"""Codecs that write such texts in ASCII bytes."""
_SINGLE_BYTE = ("iso8859", "cp", "koi8", "mac", "tis_620", "kz1048", "ptcp154", "hp_roman8")
_SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "cp950",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
}
"""What Windows writes where it declares the name on the left."""
_NAMES = {"utf-8": "UTF-8", "gb18030": "GB18030", "cp1252": "Windows-1252", "latin-1": "ISO-8859-1"}
GUESSED_CHINESE = _NAMES["gb18030"]
"""`DecodedText.encoding` of a text that is taken for Chinese."""
_SCRIPTS = frozenset({"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "HEBREW"})
_BEYOND_TWO_BYTES = re.compile("[\u0800-\U0010ffff]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
_LEVEL_1 = range(0xA1, 0xD8)
"""First bytes of the punctuation and of the 3755 most frequent characters in GB 2312."""


class DecodedText(NamedTuple):
    """A text, and how its encoding is known."""

    text: str
    encoding: str
    """Its name in sentences."""
    guessed: bool = False
    """Whether the bytes alone had to tell, so that another encoding is possible."""


def decode_text(content: bytes, declared: str = "") -> DecodedText:
    """Decode a text of unknown encoding; this never fails.

    Tried in this order: the byte order mark; UTF-16 without one; the encoding that the text itself declares, unless the text is
    UTF-8 all the same; UTF-8, unless that makes words of mixed scripts out of Chinese; then a guess between GB18030 (Chinese Windows) and Windows-1252 (Western Europe).

    Args:
        content: the bytes.
        declared: the encoding that the text declares, as it is written there; "" if it declares none.
    """
    if content.isascii() and b"\x00" not in content and b"\x1b" not in content and b"~{" not in content:
        return DecodedText(content.decode("ascii"), "ASCII")
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decode_marked(content[len(mark) :], encoding)
    if (text := _decode_wide(content)) is not None:
        return DecodedText(text, "UTF-16")
    codec = _codec(declared)
    utf8 = _decode(content, "utf-8")
    if codec and not (utf8 is not None and _is_utf8_all_the_same(utf8, codec)):
        for encoding in (
            _SUPERSETS["iso8859-1"] if codec == "iso8859-1" else codec,
            _SUPERSETS.get(codec, codec),
            codec,
        ):
            if (text := _decode(content, encoding)) is not None:
                return DecodedText(text, declared)
    if utf8 is not None:
        if not codec and (text := as_chinese(utf8)) is not None and mixes_scripts(utf8):
            return DecodedText(text, GUESSED_CHINESE, guessed=True)
        return DecodedText(utf8, _NAMES["utf-8"], guessed=bool(codec) and not content.isascii())
    return _guess(content)


def as_chinese(text: str) -> str | None:
    """What a text that was read as UTF-8 is in GB18030, if all its characters are frequent Chinese ones then; else None.

    Two bytes of GB18030 may be valid UTF-8: the bytes of 小猫 are those of the UTF-8 text "Сè".
    """
    if text.isascii() or _BEYOND_TWO_BYTES.search(text):
        return None
    content = text.encode("utf-8")
    pairs = [run[0] for run in _HIGH_BYTES.finditer(content)]
    if any(
        run[start] not in _LEVEL_1 or run[start + 1] < _LEVEL_1[0] for run in pairs for start in range(0, len(run), 2)
    ):
        return None
    return _decode(content, "gb18030") if _looks_chinese(content) else None


def mixes_scripts(text: str) -> bool:
    """Whether letters of different scripts stand side by side, as nobody writes: a sign of a wrong encoding."""
    return any(
        len(_SCRIPTS.intersection(unicodedata.name(letter, "").split(" ")[0] for letter in run[0])) > 1
        for run in _NOT_ASCII.finditer(text)
    )


def _decode(content: bytes, encoding: str) -> str | None:
    with contextlib.suppress(UnicodeDecodeError):
        return content.decode(encoding)
    return None


def _decode_marked(content: bytes, encoding: str) -> DecodedText:
    name = encoding.upper().removesuffix("-LE").removesuffix("-BE")
    if (text := _decode(content, encoding)) is not None:
        return DecodedText(text, name)
    if encoding == "utf-8":
        return _guess(content)
    return DecodedText(content.decode(encoding, "replace"), name, guessed=True)


def _decode_wide(content: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of its ASCII characters is zero."""
    if b"\x00" not in content:
        return None
    little = content[1::2].count(0) > content[0::2].count(0)
    text = _decode(content, "utf-16-le" if little else "utf-16-be")
    return None if text is None or "\x00" in text else text


def _codec(declared: str) -> str:
    """Python's name of a declared encoding that extends ASCII, other than UTF-8; "" if it is none."""
    for name in (declared, declared.lower().removeprefix("x-").replace("windows-", "cp")):
        with contextlib.suppress(LookupError, ValueError):
            codec = codecs.lookup(name).name
            is_known = codec in _MULTI_BYTE or codec.startswith(_SEVEN_BIT + _SINGLE_BYTE)
            return codec if is_known and b"<?xml".decode(codec) == "<?xml" else ""  # EBCDIC extends no ASCII
    return ""


def _is_utf8_all_the_same(text: str, codec: str) -> bool:
    """Whether a valid UTF-8 text that declares `codec` is UTF-8.

    By chance bytes of a single-byte encoding are hardly ever valid UTF-8, and those of frequent Chinese, Japanese or Korean characters
    only as sequences of two.
    """
    if codec in _MULTI_BYTE:
        return max(text) >= "\u0800"
    return not codec.startswith(_SEVEN_BIT)


def _guess(content: bytes) -> DecodedText:
    candidates = ("gb18030", "cp1252") if _looks_chinese(content) else ("cp1252", "latin-1")
    for encoding in candidates:
        if (text := _decode(content, encoding)) is not None:
            return DecodedText(text, _NAMES[encoding], guessed=True)
    return DecodedText(content.decode("latin-1"), _NAMES["latin-1"], guessed=True)


def _looks_chinese(content: bytes) -> bool:
    """Whether the bytes above 127 are rather pairs than accented letters.

    A Chinese character is two of them, and stands between others, spaces or marks; an accented letter stands alone inside a word.
    """
    votes = 0
    for run in _HIGH_BYTES.finditer(content):
        start, end = run.span()
        letters = content[start - 1 : start].isalpha() + content[end : end + 1].isalpha()
        if (end - start) % 2:
            votes -= 1
        elif end - start > 2 or not letters or (letters == 1 and content[start] in _LEVEL_1):
            votes += 1
        else:
            votes -= 1
    return votes >= 0
