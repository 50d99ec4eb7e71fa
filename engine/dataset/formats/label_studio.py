"""The names that Label Studio gives to uploaded images."""

from __future__ import annotations

import re

_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")


def without_upload_prefix(name: str) -> str:
    """The name of a file as it was before its upload: `1a2b3c4d-cat.jpg` -> `cat.jpg`."""
    return _UPLOAD_PREFIX.sub("", name, count=1)
