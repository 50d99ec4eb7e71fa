"""The terminal's title, the bell and the notification; the running training in the step header; what is printed at the end."""

from __future__ import annotations

import shlex
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from textual.pilot import Pilot

from engine.events import Event, Failed, Finished, Step, Stopped
from engine.messages import Message
from engine.training.control import Control
from engine.workspace import logs_folder
from tests.made_events import STARTED, epoch, step
from tests.recorded_run import RUN, recorded_events, recorded_plan
from tests.small_training import prepare
from tests.tui.driving import drive, shown, until, until_shown
from tui.app import Freezetui
from tui.cli.announcing_printer import AnnouncingPrinter
from tui.cli.printers import LinePrinter
from tui.cli.run_loop import run_training
from tui.terminal.announcer import SWITCH, Announcer, one_line
from tui.text import set_language
from tui.widgets.label import Label
from tui.widgets.step_header import StepHeader
from tui.wizard.farewell import farewell
from tui.wizard.run_history import RunHistory
from tui.wizard.training_status import TrainingStatus, training_status

SAVE, RESTORE = "\x1b[22;2t", "\x1b[23;2t"
BELL = "\x07"


def written(environment: dict[str, str], use: Callable[[Announcer], object]) -> str:
    """What an announcer writes to the terminal of `environment`, from its first title to its end."""
    texts: list[str] = []
    announcer = Announcer(environment)
    announcer.attach(texts.append)
    use(announcer)
    announcer.detach()
    announcer.set_title("too late")
    announcer.announce("too late")
    return "".join(texts)


# The terminal


def test_a_title_is_set_once_and_the_old_one_restored() -> None:
    def use(announcer: Announcer) -> None:
        for title in ("41 %", "41 %", "42 %"):
            announcer.set_title(title)

    text = written({"TERM": "xterm-256color"}, use)
    assert text == f"{SAVE}\x1b]2;41 %{BELL}\x1b]2;42 %{BELL}\x1b]2;{BELL}{RESTORE}"


def test_nothing_is_restored_that_was_not_changed() -> None:
    assert written({"TERM": "xterm"}, lambda _: None) == ""


@pytest.mark.parametrize(
    "text", ["a\x07b", "a\x1b]2;b", "a\x9cb", "a\nb", "a\u202eb\u2028", "a\ud800b", "a\x00\x7f\x85b"]
)
def test_no_control_character_reaches_the_terminal(text: str) -> None:
    assert all(character.isprintable() for character in one_line(text))
    assert one_line(text).startswith("a")

    def use(announcer: Announcer) -> None:
        announcer.set_title(text)
        announcer.announce(text)

    sent = written({"TERM": "xterm"}, use)
    sent = sent.replace(SAVE, "").replace(RESTORE, "")
    for part in filter(None, sent.replace(BELL, "\x1b]").split("\x1b]")):
        assert part.isprintable()


def test_the_end_rings_and_notifies_in_both_ways() -> None:
    sent = written({"TERM": "xterm-256color"}, lambda announcer: announcer.announce("done; 0.87"))
    assert sent == f"{BELL}\x1b]9;freezetui: done; 0.87{BELL}\x1b]777;notify;freezetui;done; 0.87{BELL}"


def test_terminals_that_know_both_ways_notify_once() -> None:
    sent = written({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}, lambda announcer: announcer.announce("done"))
    assert "]9;" in sent
    assert "]777;" not in sent


def test_tmux_passes_notifications_on() -> None:
    sent = written({"TERM": "tmux-256color", "TMUX": "/tmp/tmux"}, lambda announcer: announcer.announce("done"))
    assert f"\x1bPtmux;\x1b\x1b]9;freezetui: done{BELL}\x1b\\" in sent


@pytest.mark.parametrize("term", ["linux", "dumb", ""])
def test_terminals_without_windows_only_ring(term: str) -> None:
    def use(announcer: Announcer) -> None:
        announcer.set_title("41 %")
        announcer.announce("done")

    assert written({"TERM": term}, use) == BELL
    assert written({"TERM": term, SWITCH: "off"}, use) == ""
    assert written({"TERM": "xterm", SWITCH: "0"}, use) == ""


# The status


def history_of(*events: Event) -> RunHistory:
    return RunHistory().apply_all(events)


def test_the_percentage_counts_steps_of_all_stages(tmp_path: Path) -> None:
    prepare(tmp_path)
    plan = recorded_plan(tmp_path)
    history = RunHistory()
    assert training_status(history) == TrainingStatus(0)
    percents = []
    for event in recorded_events(tmp_path / "logs" / RUN, plan):
        history.apply(event)
        if isinstance(event, Step):
            percents.append(training_status(history).percent)
    assert percents == [int(100 * number / plan.total_steps) for number in range(1, plan.total_steps + 1)]


def test_the_title_has_the_map_once_there_is_one() -> None:
    set_language("en")
    assert TrainingStatus(41).title == "41 % · freezetui"
    assert TrainingStatus(41, 0.8712).title == "41 % · mAP 0.87 · freezetui"


# The command


FINISHED = Finished(run="logs/loss_x", best="best.pth", last="last.pth", map50=0.87, map50_95=0.5, seconds=3.0)
STOPPED = Stopped(epoch=1, step=2, checkpoint="logs/loss_x/last.ckpt")


def printed_by(events: tuple[Event, ...], capsys: pytest.CaptureFixture[str]) -> str:
    history = history_of(*events)
    with AnnouncingPrinter(LinePrinter(history), history) as printer:
        for event in events:
            printer.show(event)
    return capsys.readouterr().out


def test_a_training_in_a_terminal_sets_the_title_and_rings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("TMUX", raising=False)
    out = printed_by((STARTED, step(3), epoch(0), FINISHED), capsys)
    assert SAVE in out
    assert "% · freezetui" in out
    assert f"{BELL}\x1b]9;" in out
    assert out.endswith(RESTORE)


def test_a_user_who_stops_is_not_rung_for(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    out = printed_by((STARTED, step(3), STOPPED), capsys)
    assert "]9;" not in out
    assert out.endswith(RESTORE)


@pytest.mark.parametrize("json", [True, False])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_is_piped_has_no_escape_sequences(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, json: bool, is_terminal: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    run_training(lambda _control: iter((STARTED, step(3), epoch(0), FINISHED)), json=json)
    out = capsys.readouterr().out
    assert (BELL in out) is (is_terminal and not json)
    assert ("\x1b]2;" in out) is (is_terminal and not json)


# The wizard

TrainingScript = Callable[[Freezetui, Pilot[int], list[str]], Awaitable[None]]


def trains(
    workspace: Path,
    script: TrainingScript,
    end: Event,
    *,
    size: tuple[int, int] = (80, 24),
    language: str = "en",
) -> str:
    """Drive a wizard while a recorded training stands at its twentieth event; all that its terminal is told."""
    prepare(workspace)
    plan, run = recorded_plan(workspace), workspace / "logs" / RUN
    may_end = threading.Event()
    told: list[str] = []

    def events(_control: Control) -> Iterator[Event]:
        for done, event in enumerate(recorded_events(run, plan)):
            if done == 20:
                may_end.wait()
                break
            yield event
        yield end

    async def whole(app: Freezetui, pilot: Pilot[int]) -> None:
        app.announcer = Announcer({"TERM": "xterm"})
        app.announcer.attach(told.append)
        try:
            app.training.follow(events)
            await until(pilot, lambda: app.training_status is not None and app.training_status.percent > 0)
            await script(app, pilot, told)
        finally:
            may_end.set()
        await until(pilot, lambda: not app.training.is_running and app.training_status is None)
        await pilot.pause()
        app.announcer.detach()

    drive(workspace, whole, size=size, language=language, furthest_screen="results")
    return "".join(told)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_a_running_training_shows_on_every_screen(tmp_path: Path, language: str, size: tuple[int, int]) -> None:
    async def script(app: Freezetui, pilot: Pilot[int], told: list[str]) -> None:
        assert app.training_status is not None
        percent = f"{app.training_status.percent} %"
        for name in ("hardware", "data", "runs"):
            app.show_screen(name)
            await until(pilot, lambda: percent in shown(app).partition("\n")[0])
            line = shown(app).partition("\n")[0]
            assert ("Results" if language == "en" else "结果") in line
            assert any(block in line for block in "▁▂▃▄▅▆▇█") is (size[0] > 80 or language == "zh_CN")
        assert f"\x1b]2;{percent} · " in "".join(told)

    trains(tmp_path, script, STOPPED, language=language, size=size)


def test_the_line_is_laid_out_once_and_painted_only_when_it_changes(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int], told: list[str]) -> None:
        header = app.screen.query_one(StepHeader)
        await pilot.pause()
        status = app.training_status
        assert status is not None
        with mock.patch.object(Label, "refresh", autospec=True, side_effect=Label.refresh) as refresh:
            header.show_training(status)
            assert not refresh.called
            header.show_training(TrainingStatus(99, 0.5, (3.0, 2.0, 1.0)))
            assert refresh.called
            assert not any(call.kwargs.get("layout") for call in refresh.call_args_list)

    trains(tmp_path, script, STOPPED, size=(120, 40))


def test_the_end_is_announced_but_not_to_a_user_who_stopped(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int], told: list[str]) -> None:
        assert "]9;" not in "".join(told)

    reason = Message("disk", "no space {place}", {"place": "\x1b]2;evil\x07"})
    failed = Failed(code="disk", message=reason, exit_code=1, checkpoint=None)
    for number, (end, is_told) in enumerate([(FINISHED, True), (STOPPED, False), (failed, True)]):
        told = trains(tmp_path / str(number), script, end)
        assert (f"{BELL}\x1b]9;" in told) is is_told
        assert told.endswith(RESTORE)
        assert "\x1b]2;evil" not in told


# After the end


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = logs_folder(tmp_path) / "loss_2026_01_02"
    folder.mkdir(parents=True)
    return folder


def test_the_run_and_the_command_that_resumes_it_are_named(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_language("en")
    (run / "last.ckpt").touch()
    lines = list(farewell(run, STOPPED, tmp_path))
    assert run.name in lines[0]
    assert shlex.split(lines[1]) == ["freezetui", "resume", run.name, "--workspace", str(tmp_path)]
    monkeypatch.chdir(tmp_path)
    assert shlex.split(list(farewell(run, None, tmp_path))[1]) == ["freezetui", "resume", run.name]
    elsewhere = tmp_path / "elsewhere" / "a run"
    elsewhere.mkdir(parents=True)
    (elsewhere / "last.ckpt").touch()
    assert shlex.split(list(farewell(elsewhere, None, tmp_path))[1]) == ["freezetui", "resume", str(elsewhere)]


def test_without_a_checkpoint_nothing_can_be_resumed(tmp_path: Path, run: Path) -> None:
    set_language("en")
    (line,) = farewell(run, None, tmp_path)
    assert "resume" not in line
    assert run.name in line


def test_a_finished_run_names_its_weights(tmp_path: Path, run: Path) -> None:
    set_language("en")
    text = "\n".join(farewell(run, FINISHED, tmp_path))
    assert "best.pth" in text
    assert f"freezetui resume {run.name}" in text


def test_a_session_without_a_training_says_nothing(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "Hardware")
        assert list(app.farewell) == []

    drive(tmp_path, script)
