"""The launcher of a training in several processes: what it yields, and that nothing is left when one of them dies or hangs.

Stand-ins for torch's agent and for the processes that train say and do what the test wants (`stand_in_agent.py`).
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.events import Event, Failed, RunStarted, Stopped
from engine.messages import BadInput, bad_input, to_record
from engine.runner import launcher
from engine.runner.launch import Launch, launch
from engine.runner.start import exit_code
from engine.runs.folder import read_events
from engine.training.control import Control
from tests.small_training import PROJECT

DEVICES = ("cuda:0", "cuda:1")


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "AGENT", "tests.stand_in_agent")
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))


def started(run: Path) -> list[Any]:
    run.mkdir(exist_ok=True)
    event = RunStarted(run=str(run), plan={}, epoch=0, step=0, continued=False)
    return ["event", event.to_json()]


def told(message: str = "") -> list[Any]:
    """An event whose message is what the process was told."""
    return ["echo", Failed(code="", message=bad_input("", "-").messages[0], exit_code=2, checkpoint=None).to_json()]


STOPPED = ["event", Stopped(epoch=0, step=4, checkpoint="last.ckpt").to_json()]


def run_script(*ranks: list[list[list[Any]]], control: Control | None = None, restarts: int = 0) -> list[Event]:
    """The events of a training whose processes do what the scripts say, one for each start."""
    job = {"kind": "start", "script": {str(number): scripts for number, scripts in enumerate(ranks)}}
    return list(launch(job, DEVICES, control or Control(), Launch(max_restarts=restarts)))


def left_over() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended a moment ago
            if "stand_in_agent" in " ".join(child.cmdline()):
                found.append(child)
    return found


def test_the_events_of_the_first_process_are_yielded_to_the_last(tmp_path: Path) -> None:
    events = run_script([[started(tmp_path / "run"), STOPPED]], [[["wait", 0.1]]])
    assert [type(event) for event in events] == [RunStarted, Stopped]
    assert exit_code(events[-1]) == 130
    assert not left_over()


def test_requests_are_passed_on_to_the_first_process_only(tmp_path: Path) -> None:
    control = Control()
    control.pause()
    control.lower_batch(6)
    control.stop()
    (event,) = run_script([[["until_told", "stop"], told()]], [[["wait", 0.5]]], control=control)
    assert isinstance(event, Failed)
    kind, requests, _note = json.loads(str(event.message))
    assert kind == "start"
    assert {key: value for request in requests for key, value in request.items()} == {"lower_batch": 6, "stop": True}


def test_a_process_that_dies_ends_all_with_one_sentence_that_is_in_the_log_too(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "events.jsonl").write_text('{"event":"torn')
    events = run_script([[started(run), ["wait", 30]]], [[["wait", 0.3], ["die"]]])
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert str(failed.message) == "Rank 1 on cuda:1 died (it was ended by SIGKILL)."
    assert (failed.code, exit_code(failed)) == ("train.rank_died", 2)
    assert [str(event.message) for event in read_events(run) if isinstance(event, Failed)] == [str(failed.message)]
    assert not left_over()


def test_a_process_without_a_sign_of_life_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEZETUI_PROCESS_TIMEOUT", "1")
    began = time.monotonic()
    failed = run_script([[started(tmp_path / "run"), ["wait", 60]]], [[["silence"], ["wait", 60]]])[-1]
    assert isinstance(failed, Failed)
    assert str(failed.message).startswith("Rank 1 on cuda:1 gave no sign of life for ")
    assert time.monotonic() - began < 30
    assert not left_over()


def test_a_failure_of_a_device_is_told_in_its_own_words(tmp_path: Path) -> None:
    failure = {
        "failure": to_record(bad_input("", "CUDA error: uncorrectable ECC error").messages[0]),
        "is_defect": False,
    }
    script = [["wait", 0.3], ["send", failure], ["exit", 18]]
    failed = run_script([[started(tmp_path / "run"), ["wait", 30]]], [script])[-1]
    assert isinstance(failed, Failed)
    assert str(failed.message) == "Rank 1 on cuda:1 died (CUDA error: uncorrectable ECC error)."


def test_a_process_that_only_lost_the_others_is_not_blamed(tmp_path: Path) -> None:
    lost = [started(tmp_path / "run"), ["wait", 0.6], ["send", {"lost": True}], ["exit", 17]]
    failed = run_script([lost], [[["wait", 0.3], ["die"]]])[-1]
    assert isinstance(failed, Failed)
    assert str(failed.message).startswith("Rank 1 on cuda:1 died")


def test_with_restarts_the_run_is_resumed_and_says_why(tmp_path: Path) -> None:
    first = [started(tmp_path / "run"), ["wait", 30]]
    events = run_script([first, [told()]], [[["wait", 0.3], ["die"]], [["wait", 0.1]]], restarts=1)
    assert [type(event) for event in events] == [RunStarted, Failed]
    kind, _requests, note = json.loads(str(events[-1].message))  # type: ignore[attr-defined]
    assert kind == "resume"
    assert note["template"] == "Rank {rank} on {device} died ({reason})."


def test_what_is_refused_before_the_first_event_is_raised_here() -> None:
    refusal = {"refused": [to_record(bad_input("run.busy", "{run}: busy.", run="a").messages[0])]}
    with pytest.raises(BadInput, match="a: busy"):
        run_script([[["send", refusal]]], [[["wait", 0.1]]])
    assert not left_over()


def test_a_reader_that_goes_away_leaves_no_process_behind(tmp_path: Path) -> None:
    scripts = {"0": [[started(tmp_path / "run"), ["wait", 60]]], "1": [[["wait", 60]]]}
    events = launch({"kind": "start", "script": scripts}, DEVICES, Control(), Launch())
    next(events)
    assert left_over()
    events.close()  # type: ignore[attr-defined]
    assert not left_over()
