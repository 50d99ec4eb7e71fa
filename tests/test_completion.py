"""Completion: what a shell gets at Tab, that it gets it quickly and without noise, and the scripts that ask."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

from engine.network.registry import NETWORKS
from engine.recipe import Recipe
from engine.recipe.presets import list_presets
from tests.command import command
from tests.small_training import child_environment, finished_workspace, only_run
from tui.cli.completion import VARIABLE, setting_values


class Complete(Protocol):
    def __call__(self, line: str, cwd: Path = ...) -> list[str]: ...


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Complete:
    """What bash gets for a line, in the folder `cwd`."""

    def words(line: str, cwd: Path = tmp_path) -> list[str]:
        monkeypatch.setenv(VARIABLE, "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        done = command(cwd=cwd)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    return words


def test_commands_and_options_are_completed(complete: Complete) -> None:
    assert complete("freezetui tr") == ["train"]
    assert sorted(complete("freezetui data c")) == ["check", "convert"]
    assert complete("freezetui train --fo") == ["--format"]


def test_presets_are_completed_with_those_of_the_workspace(complete: Complete, tmp_path: Path) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "my-own.toml").write_text("")
    names = complete("freezetui train --preset ")
    assert names == sorted([*(preset.name for preset in list_presets()), "my-own"])
    assert complete("freezetui presets show quick") == ["quick-cpu"]
    assert complete("freezetui --preset my") == ["my-own"]


def test_runs_and_their_weights_are_completed(complete: Complete) -> None:
    workspace = finished_workspace()
    run = only_run(workspace).name
    assert complete("freezetui resume loss", workspace) == [run]
    weights = complete("freezetui evaluate --weights ", workspace)
    assert {"model_data/start.pth", f"logs/{run}/best_epoch_weights.pth"} < set(weights)
    assert complete(f"freezetui resume --workspace {workspace} loss") == [run]


def test_known_weights_are_completed(complete: Complete) -> None:
    known = [file.name for spec in NETWORKS.values() for file in spec.published]
    assert complete("freezetui weights get ") == known


def test_settings_are_completed_and_behind_the_equals_sign_their_values(complete: Complete) -> None:
    assert complete("freezetui train --set unfreeze_") == ["unfreeze_epoch=", "unfreeze_batch_size="]
    assert complete("freezetui train --set precision=f") == ["precision=fp32", "precision=fp16"]
    assert complete("freezetui train --set ema=") == ["ema=on", "ema=off"]


def test_the_completed_settings_are_those_of_a_recipe() -> None:
    values = setting_values()
    assert list(values) == list(Recipe.model_fields)
    for name, choices in values.items():
        for choice in choices:
            Recipe.model_validate({name: choice} if name != "format_version" else {})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("freezetui plan --format c", ["coco", "csv"]),
        ("freezetui train --on-oom re", ["retry"]),
        ("freezetui evaluate --split t", ["train", "test"]),
        ("freezetui predict --device c", ["cpu", "cuda"]),
        ("freezetui data convert a b --to v", ["voc"]),
        ("freezetui --lang z", ["zh_CN"]),
    ],
)
def test_options_with_few_values_are_completed(complete: Complete, line: str, expected: list[str]) -> None:
    assert complete(line) == expected


def test_a_folder_that_cannot_be_read_is_no_noise_in_the_users_line(complete: Complete, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no folder")
    assert complete("freezetui resume ") == []
    assert complete("freezetui train --workspace logs --preset quick") == ["quick-cpu"]


def test_the_help_of_a_command_is_in_the_users_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "complete_zsh")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "freezetui predi")
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    text = command().stdout
    assert '"predict":' in text
    assert any("\u4e00" <= character <= "\u9fff" for character in text)


@pytest.mark.parametrize("line", ["freezetui train --set un", "freezetui train --preset q", "freezetui resume "])
def test_nothing_slow_is_imported(line: str, tmp_path: Path) -> None:
    slow = ("torch", "cv2", "numpy", "textual", "engine.recipe", "engine.dataset")
    code = (
        f"import sys; from tui.main import main\ntry: main()\nfinally: print([m for m in {slow} if m in sys.modules])"
    )
    environment = child_environment(
        **{VARIABLE: "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stderr == ""


def test_the_script_is_shown_and_installed_for_the_users_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("typer._completion_shared._get_shell_name", lambda: "fish")
    monkeypatch.setenv("HOME", str(tmp_path))
    shown = command("--show-completion")
    assert shown.returncode == 0
    assert f"{VARIABLE}=complete_fish" in shown.stdout
    installed = command("--install-completion")
    path = tmp_path / ".config" / "fish" / "completions" / "freezetui.fish"
    assert (installed.returncode, path.read_text().strip()) == (0, shown.stdout.strip())
    assert str(path) in installed.stdout


def test_a_shell_without_completion_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer._completion_shared._get_shell_name", lambda: "csh")
    monkeypatch.setenv("SHELL", "/bin/csh")
    refused = command("--install-completion")
    assert refused.returncode == 2
    assert refused.stderr.startswith("csh: there is no completion for this shell")
