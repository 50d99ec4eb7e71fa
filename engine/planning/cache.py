"""Cached results of planning: small JSON files in the user's cache folder.

Every result can be computed again, so a file that cannot be read or written is ignored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine.files import write_text
from engine.messages import BadInput
from engine.workspace import cache_folder

Key = Mapping[str, Any]
_MAX_ENTRIES = 200


def load_cached(kind: str, key: Key) -> Any:
    """The value stored under `key`, or None."""
    return _read(kind).get(_digest(key), {}).get("value")


def store_cached(kind: str, key: Key, value: Any) -> None:
    """Store a JSON value. The newest 200 entries of each kind are kept."""
    entries = _read(kind)
    entries.pop(_digest(key), None)
    entries[_digest(key)] = {"key": dict(key), "value": value}
    newest = dict(list(entries.items())[-_MAX_ENTRIES:])
    with suppress(OSError, BadInput):
        path = _path(kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(newest, ensure_ascii=False, indent=1))


@cache
def code_version() -> dict[str, str]:
    """The version of torch and a digest of the network's, trainer's and planner's code. Part of every key."""
    engine = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(path for room in ("network", "training", "planning") for path in engine.glob(f"{room}/**/*.py")):
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
