"""What the tests of the wizard share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_other_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wizard sees the trainings of other tests that run at the same time."""
    monkeypatch.setattr("engine.runs.live._locked_folders", tuple)


@pytest.fixture(autouse=True)
def _no_download(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No screen downloads weights by itself, except in tests with a server of their own."""
    if "weights_server" not in request.fixturenames:
        for screen in ("recipe", "review"):
            monkeypatch.setattr(f"tui.screens.{screen}.missing_file", lambda _recipe, _workspace: None)
