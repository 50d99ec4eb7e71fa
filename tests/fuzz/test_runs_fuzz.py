"""Run folders, presets and recipes that anything was done to: every reader answers, or refuses with a sentence."""

from __future__ import annotations

import copy
import json
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import event_from_line
from engine.messages import BadInput, json_text
from engine.recipe import load_recipe, parse_assignments
from engine.recipe.presets import damaged_presets, list_presets
from engine.runs.folder import load_plan, read_events
from engine.runs.summary import list_runs
from tests.fuzz.settings import examples
from tests.recorded_run import recorded_run
from tui.text.events import describe_end, describe_event
from tui.text.run_states import STATE_NAMES, describe_resume, describe_run_end, format_epochs
from tui.wizard.run_comparison import compare
from tui.wizard.run_history import RunHistory

NUMBERS = st.one_of(
    st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e308, -1, 0, 3e9, 2**63, 2**64, 10**400, True]),
    st.integers(),
    st.floats(),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20), st.sampled_from(["\x00", "\x1b]0;", "{x}", "{", "x" * 300])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)  # fmt: skip
RAW = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5000, b"\xff\xfe\x00", b"1e400", b"{}", b"null", b'""']),
)
FILES = ("plan.json", "process.json", "summary.json", "events.jsonl")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose files are all whole, with as few events as have one of each kind."""
    run = recorded_run(tmp_path_factory.mktemp("recorded"))
    process = {"pid": 1, "host": "h", "started": 1.0, "boot": "b", "memory_kills": 0}
    (run / "process.json").write_text(json.dumps(process))
    (run / "summary.json").write_text(json.dumps({"version": 1, "offset": 10, "fingerprint": "", "epoch": 1}))
    kinds: dict[str, str] = {}
    for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines():
        kinds.setdefault(json.loads(line)["event"], line)
    (run / "events.jsonl").write_text("".join(f"{line}\n" for line in kinds.values()), encoding="utf-8")
    return run


@st.composite
def changed_json(draw: st.DrawFn, stored: Any) -> Any:
    """`stored` with one value, at any depth, replaced, removed or added."""
    changed = copy.deepcopy(stored)
    node = changed
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return changed
        key = draw(st.sampled_from(keys))
        if isinstance(node[key], dict | list) and node[key] and draw(st.booleans()):
            node = node[key]
            continue
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                node[key] = draw(VALUES)
            case "remove":
                del node[key]
            case _ if isinstance(node, dict):
                node[draw(st.text(max_size=8))] = draw(VALUES)
        return changed


def read_everything(workspace: Path) -> None:
    """What the commands and the screens do with the runs of a workspace."""
    for summary in list_runs(workspace):
        json_text(summary.to_json(), indent=2).encode()
        texts = (
            describe_run_end(summary),
            describe_resume(summary),
            format_epochs(summary),
            STATE_NAMES[summary.state],
        )
        assert not any("\x1b" in text for text in texts)
        if summary.started is not None:
            time.localtime(summary.started)
        run = Path(summary.path)
        with suppress(BadInput):
            load_plan(run)
        history = RunHistory()
        with suppress(BadInput):
            for event in read_events(run):
                history.apply(event)
                describe_event(event)
                describe_end(event)
                event.to_line().encode()
        history.seconds_left()
        assert history.advised_steps is None or history.advised_steps > 0
        assert history.last_epoch is None or history.last_epoch >= 0
        assert len(history.train_loss.points) <= 512
        with suppress(BadInput):
            compare((run, run))


def copied(recorded: Path, workspace: Path) -> Path:
    shutil.rmtree(workspace, ignore_errors=True)
    run = workspace / "logs" / "loss_x"
    run.mkdir(parents=True)
    for name in FILES:
        shutil.copy(recorded / name, run / name)
    return run


@examples()
@given(data=st.data())
def test_a_run_folder_with_any_damage_is_listed(recorded: Path, tmp_path: Path, data: st.DataObject) -> None:
    run = copied(recorded, tmp_path)
    path = run / data.draw(st.sampled_from(FILES))
    match data.draw(st.sampled_from(["value", "raw", "cut", "bytes"])):
        case "value":
            lines = (
                path.read_text(encoding="utf-8").splitlines()
                if path.suffix == ".jsonl"
                else [path.read_text(encoding="utf-8")]
            )
            number = data.draw(st.integers(0, len(lines) - 1))
            lines[number] = json.dumps(data.draw(changed_json(json.loads(lines[number]))))
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        case "raw":
            path.write_bytes(data.draw(RAW))
        case "cut":
            path.write_bytes(path.read_bytes()[: data.draw(st.integers(0, path.stat().st_size))])
        case _:
            content = bytearray(path.read_bytes())
            for position in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
                content[position] = data.draw(st.integers(0, 255))
            path.write_bytes(content)
    read_everything(tmp_path)
    assert len(list_runs(tmp_path)) == 1


@examples()
@given(line=st.one_of(st.text(), VALUES.map(json.dumps)))
def test_any_line_is_an_event_or_nothing(line: str) -> None:
    event_from_line(line)


def toml_value(value: object) -> str:
    """As in a TOML file, also where TOML has no such value."""
    return json.dumps(value, ensure_ascii=False).replace("NaN", "nan").replace("Infinity", "inf")


KEYS = st.one_of(
    st.sampled_from(["seed", "input_shape", "anchors", "freeze_batch_size", "unfreeze_epoch", "init_lr", "method", "network",
                     "devices", "model_path", "preset", "preset.order", "preset.title", "parallel", "format_version"]),
    st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=8),
)  # fmt: skip
DOCUMENTS = st.one_of(
    st.lists(st.tuples(KEYS, VALUES), max_size=3).map(lambda pairs: "\n".join(f"{k} = {toml_value(v)}" for k, v in pairs)),
    st.sampled_from(["seed = 2024-01-01", "seed = 2024-13-41T99:00", f"seed = {'9' * 5000}", f"seed = {'[' * 5000}", "[preset]\norder=1e400"]),
    st.text(max_size=60),
)  # fmt: skip


@examples()
@given(text=DOCUMENTS)
def test_any_preset_is_listed_or_refused(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "presets"
    folder.mkdir(exist_ok=True)
    (folder / "mine.toml").write_text(text, encoding="utf-8", errors="replace")
    listed = {preset.name: preset for preset in list_presets(tmp_path)}
    problems = damaged_presets(tmp_path)
    assert ("mine" in listed) != bool(problems)
    for message in problems:
        assert "mine.toml" in str(message)
    json_text([preset.to_json() for preset in listed.values()]).encode()
    with suppress(BadInput):
        load_recipe(folder / "mine.toml")


@examples()
@given(key=KEYS, value=st.one_of(st.text(max_size=20), VALUES.map(toml_value)))
def test_any_assignment_is_read_or_refused(tmp_path: Path, key: str, value: str) -> None:
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    with suppress(BadInput):
        load_recipe(empty, parse_assignments([f"{key}={value}"]))


def test_the_recorded_run_has_an_event_of_each_kind_that_screens_read(recorded: Path) -> None:
    kinds = {event.event_name() for event in read_events(recorded)}
    assert kinds >= {"run_started", "stage_started", "step", "epoch_finished", "evaluated", "finished"}
