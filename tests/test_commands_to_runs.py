"""Commands that other processes send to a training: carried out, answered, and lost by nobody."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.events import BatchChanged, CommandAnswered, Event, Paused, Resumed, RunStarted, Stopped
from engine.messages import BadInput
from engine.runner.continuation import train_on
from engine.runner.start import start
from engine.runs.commands import (
    COMMANDS,
    RECEIVER,
    command_inbox,
    is_received,
    read_receiver,
    send_command,
)
from engine.runs.folder import load_plan, read_events
from engine.runs.lock import run_lock
from engine.runs.summary import list_runs
from engine.training.command_reader import obey
from engine.training.control import Control
from tests.small_training import ENDLESS, IMAGES, only_run, plan_and_dataset, prepare

NO_VALIDATION = {"freeze_epoch": ENDLESS, "unfreeze_epoch": ENDLESS, "freeze_batch_size": 4, "eval_period": ENDLESS}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """A run folder whose lock this process holds."""
    folder = tmp_path / "logs" / "loss_2026_01_01_00_00_00"
    folder.mkdir(parents=True)
    with run_lock(folder):
        yield folder


def test_commands_arrive_once_and_in_their_order(run: Path) -> None:
    with command_inbox(run) as inbox:
        sent = [send_command(run, "pause"), send_command(run, "lower_batch", 2), send_command(run, "stop")]
        assert not is_received(run, sent[0])
        received = inbox.read()
        assert is_received(run, sent[0])
        assert [each.id for each in received] == sent
        assert [(each.command.name, each.command.value) for each in received if each.command is not None] == [
            ("pause", None),
            ("lower_batch", 2),
            ("stop", None),
        ]
        assert inbox.read() == []


def send_many(run: Path, count: int) -> None:
    for number in range(count):
        send_command(run, "extend", number + 1)


def test_of_two_senders_at_once_no_command_is_lost_or_mixed_up(run: Path) -> None:
    count, received = 100, []
    with command_inbox(run) as inbox:
        senders = [multiprocessing.get_context("fork").Process(target=send_many, args=(run, count)) for _ in range(2)]
        for sender in senders:
            sender.start()
        while any(sender.is_alive() for sender in senders):
            received += inbox.read()
        received += inbox.read()
    values: dict[str, list[int | None]] = {}
    for each in received:
        assert each.command is not None
        values.setdefault(each.command.sender, []).append(each.command.value)
    assert list(values.values()) == [list(range(1, count + 1))] * 2


def test_a_command_to_a_former_process_is_refused(run: Path) -> None:
    with command_inbox(run):
        late = send_command(run, "stop")
    with command_inbox(run) as inbox:
        control = Control()
        (received,) = inbox.read()
        obey(received, inbox.session, control)
    (answer,) = control.pop_reports()
    assert isinstance(answer, CommandAnswered)
    assert (answer.id, answer.command, answer.accepted) == (late, "stop", False)
    assert "former process" in str(answer.message)
    assert not control.stop_requested


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "could not be read"),
        ('{"name": "stop", "sess', "could not be read"),
        ('{"name": "stop", "session": 7}', "could not be read"),
        ('{"name": "explode", "session": "SESSION"}', "no such command"),
        ('{"name": "lower_batch", "value": 1, "session": "SESSION"}', "1 is not possible"),
        ('{"name": "extend", "session": "SESSION"}', "None is not possible"),
        ('{"name": "detach", "session": "SESSION"}', "cannot move into the background"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(run: Path, content: str, reason: str) -> None:
    control = Control()
    with command_inbox(run) as inbox:
        (run / COMMANDS / f"{7:020d}-0123abcd").write_text(content.replace("SESSION", inbox.session), encoding="utf-8")
        (run / COMMANDS / "notes.txt").write_text("not a command", encoding="utf-8")
        for received in inbox.read():
            obey(received, inbox.session, control)
    (answer,) = control.pop_reports()
    assert isinstance(answer, CommandAnswered)
    assert not answer.accepted
    assert reason in str(answer.message)
    assert not control.stop_requested
    assert control.pop_requested_batch_size() is None


def test_who_sends_is_told_why_nobody_listens(run: Path) -> None:
    with pytest.raises(BadInput, match="takes no commands now"):
        send_command(run, "stop")
    with command_inbox(run):
        receiver = read_receiver(run)
        assert receiver is not None
        assert receiver.host == socket.gethostname()
        assert receiver.pid == os.getpid()
        elsewhere = receiver.model_copy(update={"host": "another-machine"})
        (run / COMMANDS / RECEIVER).write_text(elsewhere.model_dump_json(), encoding="utf-8")
        with pytest.raises(BadInput, match="trains on the machine another-machine; from here it can be watched"):
            send_command(run, "stop")
    assert read_receiver(run) is None


def test_a_killed_process_receives_nothing(tmp_path: Path) -> None:
    (tmp_path / COMMANDS).mkdir()
    left = {"session": "0", "pid": 1, "host": socket.gethostname()}
    (tmp_path / COMMANDS / RECEIVER).write_text(json.dumps(left), encoding="utf-8")
    with pytest.raises(BadInput, match="no process trains this run"):
        send_command(tmp_path, "stop")


def test_a_folder_that_cannot_be_written_does_not_stop_the_training(run: Path) -> None:
    (run / COMMANDS).write_text("a file", encoding="utf-8")
    with command_inbox(run) as inbox:
        assert inbox.read() == []


@pytest.fixture(scope="module")
def commanded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    """A training that other code steers through its folder: paused, smaller batch, resumed, extended, stopped; its events."""
    workspace = tmp_path_factory.mktemp("commanded")
    prepare(workspace, IMAGES)
    plan, dataset = plan_and_dataset(workspace, **NO_VALIDATION)
    control, seen = Control(), list[Event]()
    to_send = iter(
        [
            (RunStarted, "pause", None),
            (Paused, "lower_batch", 2),
            (CommandAnswered, "resume", None),
            (BatchChanged, "extend", ENDLESS - 100),
            (RunStarted, "stop", None),
        ]
    )
    awaited, name, value = next(to_send)

    def resume_run(run: Path, overrides: object) -> Iterator[Event]:
        from engine.runner.resume import resume

        return resume(run, control, overrides=overrides)  # type: ignore[arg-type]

    for event in train_on(start(plan, control, dataset), control, resume_run, lambda _run: None):
        seen.append(event)
        if isinstance(event, awaited):
            send_command(only_run(workspace), name, value)  # type: ignore[arg-type]
            awaited, name, value = next(to_send, (type(None), "", None))
    return workspace, seen


def test_a_training_does_what_it_is_commanded_and_answers_each(commanded: tuple[Path, list[Event]]) -> None:
    _workspace, seen = commanded
    notable = [
        event.command if isinstance(event, CommandAnswered) else type(event).__name__
        for event in seen
        if isinstance(event, CommandAnswered | Paused | Resumed | BatchChanged | RunStarted | Stopped)
    ]
    assert notable == [
        "RunStarted", "pause", "Paused", "lower_batch", "resume", "Resumed", "BatchChanged", "extend", "Stopped",
        "RunStarted", "stop", "Stopped",
    ]  # fmt: skip
    assert all(event.accepted for event in seen if isinstance(event, CommandAnswered))
    assert {event.batch_size for event in seen if isinstance(event, BatchChanged)} == {2}


def test_a_training_that_was_commanded_is_stopped_extended_and_free(commanded: tuple[Path, list[Event]]) -> None:
    workspace, seen = commanded
    (summary,) = list_runs(workspace)
    assert (summary.state, summary.resumable) == ("stopped", True)
    run = Path(summary.path)
    assert load_plan(run).recipe.unfreeze_epoch == ENDLESS - 100
    assert list((run / COMMANDS).iterdir()) == []
    logged = [event for event in read_events(run) if isinstance(event, CommandAnswered)]
    assert logged == [event for event in seen if isinstance(event, CommandAnswered)]
