"""A mistyped --workspace is said before it is created."""

from __future__ import annotations

from pathlib import Path

from tests.command import command
from tui.cli.new_workspace import new_workspace_notice


def test_a_new_workspace_is_said_with_the_similar_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    done = command("runs", "--workspace", str(tmp_path / "worksapce"))
    assert (
        f"this workspace is new, and is created when something is written to it; did you mean {tmp_path / 'workspace'}?"
        in (done.stderr)
    )
    assert not (tmp_path / "worksapce").exists()


def test_a_workspace_that_exists_needs_no_sentence(tmp_path: Path) -> None:
    assert new_workspace_notice(tmp_path) is None
    assert new_workspace_notice(Path()) is None
    assert "did you mean" not in (new_workspace_notice(tmp_path / "quite another") or "")
