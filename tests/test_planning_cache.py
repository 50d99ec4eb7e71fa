"""The cache of planning's results on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.planning.cache import load_cached, store_cached


def test_a_stored_value_is_loaded_and_a_damaged_file_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREEZETUI_CACHE", str(tmp_path / "cache"))
    assert load_cached("kind", {"a": 1}) is None
    store_cached("kind", {"a": 1}, [1, 2])
    assert load_cached("kind", {"a": 1}) == [1, 2]
    assert load_cached("kind", {"a": 2}) is None
    (tmp_path / "cache" / "kind.json").write_text("{torn")
    assert load_cached("kind", {"a": 1}) is None
    store_cached("kind", {"a": 1}, 3)
    assert load_cached("kind", {"a": 1}) == 3
