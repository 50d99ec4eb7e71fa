"""The two floors and what may be imported when, seen in a fresh interpreter."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


def imported_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "module", ["tui.app", "engine.recipe", "engine.plan", "engine.events", "engine.runs.folder", "engine.hardware"]
)
def test_nothing_that_a_first_screen_needs_imports_torch(module: str) -> None:
    assert imported_by(f"import {module}").isdisjoint({"torch", "torchvision", "cv2"})


def test_the_first_screen_is_painted_before_anything_heavy_is_imported() -> None:
    heavy = {"torch", "torchvision", "cv2", "numpy", "pydantic", "typer", "yaml", "psutil", "pynvml", "multiprocessing"}
    assert imported_by("import tui.__main__, tui.launcher, tui.app, tui.screens.hardware").isdisjoint(heavy)


def test_the_engine_knows_no_screen() -> None:
    assert imported_by("import engine.runner.start").isdisjoint({"tui", "textual", "typer"})


def test_tui_uses_no_private_names_of_the_engine() -> None:
    private = [
        f"{path.relative_to(PROJECT)}: {node.module}.{name.name}"
        for path in (PROJECT / "tui").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("engine")
        for name in node.names
        if name.name.startswith("_") or "._" in f"{node.module}"
    ]
    assert private == []


def test_the_wheel_holds_engine_tui_and_the_presets_and_no_other_top_level_name(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"engine", "tui"}
    assert "engine/preset_files/modern-whole.toml" in names
