"""What planning has found out once and need not find out again: small JSON files in the user's cache folder.

Everything in them can be found out anew; a file that cannot be read or written is as good as none.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine.files import write_text
from engine.messages import BadInput

Key = Mapping[str, Any]
_NEWEST = 200


def load_cached(kind: str, key: Key) -> Any:
    """What was remembered under `key`, or None."""
    return _read(kind).get(_digest(key), {}).get("value")


def store_cached(kind: str, key: Key, value: Any) -> None:
    """Keep a JSON value; of each kind the newest two hundred stay."""
    known = _read(kind)
    known.pop(_digest(key), None)
    known[_digest(key)] = {"key": dict(key), "value": value}
    newest = dict(list(known.items())[-_NEWEST:])
    with suppress(OSError, BadInput):
        path = _path(kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(newest, ensure_ascii=False, indent=1))


def cache_folder() -> Path:
    """Where it is kept: FREEZETUI_CACHE, or the system's place for caches."""
    if given := os.environ.get("FREEZETUI_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "freezetui"


@cache
def program() -> dict[str, str]:
    """What computes: torch's version, and a digest of our network's and trainer's code. Belongs into every key."""
    engine = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted([*engine.glob("network/*.py"), *engine.glob("training/*.py"), *engine.glob("planning/*.py")]):
        digest.update(path.read_bytes())
    return {"torch": version("torch"), "code": digest.hexdigest()[:16]}


def _path(kind: str) -> Path:
    return cache_folder() / f"{kind}.json"


def _read(kind: str) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        stored = json.loads(_path(kind).read_text(encoding="utf-8"))
        if isinstance(stored, dict):
            return stored
    return {}


def _digest(key: Key) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:32]
