"""The Train screen at a glance: a training whose figures are given, and what its first screenful answers."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from engine.dataset.images import encode_image, read_image
from engine.evaluation.detect import Detections, TrueBoxes
from engine.evaluation.predict import Prediction
from engine.evaluation.samples import save_samples
from engine.events import BatchChanged, EpochFinished, Evaluated, Event, Finished, RunStarted, StageStarted, Step
from engine.training.control import Control
from tests.given_hardware import PROCESSOR_ONLY, RTX_3060, GivenHardware
from tests.tui.driving import drive, shown, until, until_shown
from tui.app import Freezetui
from tui.dialogs.number_prompt import NumberPrompt
from tui.screens.train import TrainScreen
from tui.widgets.label import Label
from tui.widgets.plot_canvas import BORDER
from tui.widgets.training_curves import _zoomed_map_range
from tui.widgets.training_panel import TrainingPanel, _steps_text, _time_parts
from tui.wizard.run_history import RunHistory

Script = Callable[[Freezetui, Pilot[int]], Awaitable[None]]
STAGES = [
    {"name": "freeze", "first_epoch": 0, "last_epoch": 3, "batch_size": 8, "steps_per_epoch": 10},
    {"name": "unfreeze", "first_epoch": 4, "last_epoch": 19, "batch_size": 4, "steps_per_epoch": 20},
]
STARTED = 1_767_323_045.0
BUSY = GivenHardware(
    replace(PROCESSOR_ONLY, processor=replace(PROCESSOR_ONLY.processor, utilisation=97, temperature=66))
)
BUSY_CARD = GivenHardware(replace(PROCESSOR_ONLY, cards=(replace(RTX_3060, utilisation=93, temperature=71),)))


def training(run: Path, until_epoch: float, device: str = "cpu") -> Iterator[Event]:
    """Steps of one second: the losses fall to a fifth, mAP rises from epoch 2 on, the unfreeze stage begins with epoch 5."""
    now = STARTED
    recipe = {"method": "modern", "optimizer_type": "adamw", "eval_period": 2}
    plan = {"stages": STAGES, "device": device, "images": {"train": 80}, "recipe": recipe}
    yield RunStarted(time=now, run=str(run), plan=plan, epoch=0, step=0, continued=False)
    for stage in STAGES:
        name, first, steps = stage["name"], int(str(stage["first_epoch"])), int(str(stage["steps_per_epoch"]))
        batch = int(str(stage["batch_size"]))
        yield StageStarted(time=now, stage=name, epoch=first, batch_size=batch, init_lr=1e-3, min_lr=1e-5)  # type: ignore[arg-type]
        for epoch in range(first, int(str(stage["last_epoch"])) + 1):
            for number in range(steps):
                if epoch + (number + 1) / steps > until_epoch:
                    return
                now += 1.0
                loss = 5.0 / (1 + 0.2 * (epoch + number / steps))
                yield Step(
                    time=now, stage=name, epoch=epoch, step=number, steps=steps, loss=loss, box=0.0, objectness=0.0,
                    classes=0.0, lr=1e-3, images_per_second=8.0, data_wait=0.03, memory_bytes=3 * 2**30,
                )  # type: ignore[arg-type]  # fmt: skip
            yield EpochFinished(time=now, stage=name, epoch=epoch, train_loss=loss, val_loss=1.1 * loss, seconds=9)  # type: ignore[arg-type]
            if epoch % 2:
                best = 0.05 * epoch
                classes = {"cat": best, "dog": best / 4, "白猫": best / 2}
                yield Evaluated(time=now, epoch=epoch, map50=best, map50_95=best / 2, best=True, per_class=classes)


def watch(
    workspace: Path,
    until_epoch: float,
    script: Script,
    *,
    then: tuple[Event, ...] = (),
    size: tuple[int, int] = (80, 24),
    language: str = "en",
    hardware: GivenHardware = BUSY,
    device: str = "cpu",
) -> None:
    """Show the training as it is at `until_epoch`; `then`: what follows once the script has ended."""
    may_end = threading.Event()

    def events(_: Control) -> Iterator[Event]:
        yield from training(workspace / "logs" / "loss_given", until_epoch, device)
        yield from then
        may_end.wait()

    async def whole(app: Freezetui, pilot: Pilot[int]) -> None:
        try:
            app.training.follow(events)
            app.show_screen("train")
            await until(pilot, lambda: app.hardware is not None and app.training.history.run is not None)
            await until(pilot, lambda: app.training.history.epochs_done >= until_epoch - 0.1)
            await script(app, pilot)
        finally:
            may_end.set()
        await until(pilot, lambda: not app.training.is_running)

    drive(
        workspace, whole, size=size, language=language, screen_name="review", furthest_screen="review",
        open_hardware=hardware.open,
    )  # fmt: skip


def footer(app: Freezetui) -> str:
    return shown(app).splitlines()[-1]


def border_columns(lines: list[str]) -> set[int]:
    """Where the border of the stages is; the y axis, which is at the same place in every line, is left out."""
    return {column for line in lines for column, character in enumerate(line) if character == BORDER and column > 12}


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
def test_the_first_screenful_answers_the_questions_of_a_new_user(tmp_path: Path, size: tuple[int, int]) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "best 0.350, epoch 8")
        text = shown(app)
        for answer in (
            *("epoch 9/20  unfreeze", "step 10/20", "8 images/s", "batch 4"),  # where am I
            *("train", "validation", "lowest", "advised"),  # is it learning
            *("3 min 50 s left, until ", "elapsed: 2 min 10 s"),  # when is it done
            *("mAP50", "epochs", "unfreeze"),  # what does it find
            *("p pause", "s stop and save", "c classes", "z zoom", "l log"),  # what can I do
            *("learning rate", "3.0 / 16.0 GiB", "data wait", "97 %, 66 °C"),
        ):
            assert answer in text
        assert app.screen.query_one("#body").max_scroll_y == 0
        lines = [line for line in text.splitlines() if "▶" not in line]
        assert len(border_columns(lines)) == 1, "at the same column in both plots"
        assert all(cell_len(line) == size[0] for line in lines)

    watch(tmp_path, 8.5, script, size=size)


def test_before_the_second_stage_both_times_are_given_and_no_steps_are_counted_before_the_first(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "this stage: 35 s", "measured after epoch 2")

    async def nothing_done(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause(0.1)
        assert "0 steps" not in shown(app)

    watch(tmp_path, 0.5, script)
    watch(tmp_path, 0.0, nothing_done)


def test_high_screens_show_the_last_events_and_low_ones_the_rest(tmp_path: Path) -> None:
    async def high(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "Epoch 8: mAP50 0.350")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "Epoch 8: mAP50" not in shown(app))
        assert "mAP50" in shown(app)

    watch(tmp_path, 8.5, high, size=(120, 40))


def test_a_card_shows_its_memory_use_and_temperature(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "3.0 / 12.0 GiB", "93 %, 71 °C")

    watch(tmp_path, 1.5, script, hardware=BUSY_CARD, device="cuda:0")


def test_z_shows_the_last_third_and_all_again(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "└0───")
        await pilot.press("z")
        await until(pilot, lambda: "└0───" not in shown(app))
        assert "z whole" in footer(app)
        assert "8" in shown(app).split("└", 1)[1]
        await pilot.press("z")
        await until_shown(app, pilot, "└0───")

    watch(tmp_path, 9.0, script)


def test_c_shows_the_classes_then_the_images_then_the_curves(tmp_path: Path) -> None:
    import numpy as np

    run = tmp_path / "logs" / "loss_given"
    run.mkdir(parents=True)
    encode_image(tmp_path / "street.png", np.full((40, 60, 3), 200, np.uint8))
    box = np.array([[5, 5, 30, 30]], np.float32)
    found = Detections(box, np.array([0.9], np.float32), np.array([0], np.int32))
    truth = TrueBoxes(box, np.array([0], np.int32))
    street = Prediction(tmp_path / "street.png", read_image(tmp_path / "street.png"), found, ("cat",), truth)
    save_samples(run, 7, None, 0.5, [street])

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "best 0.350")
        await pilot.press("c")
        await until_shown(app, pilot, "weakest class first", "白猫")
        text = shown(app)
        assert text.index("dog ") < text.index("白猫") < text.index("cat ")
        assert "z zoom" not in footer(app), "there is nothing to zoom"
        await pilot.press("c")
        await until_shown(app, pilot, "after epoch 8", "street.png")
        await until(pilot, lambda: "n image" in footer(app))
        await pilot.press("n", "c")
        await until_shown(app, pilot, "best 0.350", "z zoom")
        assert "esc back" not in footer(app)
        for views in (1, 2):
            await pilot.press(*"c" * views)
            await until(pilot, lambda: "esc back" in footer(app))
            await pilot.press("escape")
            await until_shown(app, pilot, "best 0.350", "z zoom")
            assert isinstance(app.screen, TrainScreen)

    watch(tmp_path, 8.5, script)


def test_before_the_first_evaluation_it_is_said_when_there_are_classes_and_images(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        for _ in ("classes", "images"):
            await pilot.press("c")
            await until_shown(app, pilot, "The first evaluation comes after epoch 2.")
            await pilot.pause(0)

    watch(tmp_path, 0.5, script)


def test_after_a_smaller_batch_steps_and_batch_are_those_of_now(tmp_path: Path) -> None:
    halved = BatchChanged(time=STARTED + 6, stage="freeze", epoch=0, step=5, batch_size=4, init_lr=1e-3, min_lr=1e-5)
    after = Step(
        time=STARTED + 7, stage="freeze", epoch=0, step=5, steps=15, loss=4.0, box=0.0, objectness=0.0, classes=0.0, lr=1e-3,
        images_per_second=8.0, data_wait=0.03, memory_bytes=2**30,
    )  # fmt: skip

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "step 6/15", "batch 4")

    watch(tmp_path, 0.5, script, then=(halved, after))


def test_the_number_of_epochs_can_be_any_that_is_not_done(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, NumberPrompt))
        await pilot.press("8", "enter")
        await until_shown(app, pilot, "from 9 to")
        assert isinstance(app.screen, NumberPrompt), "the ninth epoch has begun"
        await pilot.press("backspace", *"12")
        await until(pilot, lambda: "from 9 to" not in shown(app))
        await pilot.press("escape")

    watch(tmp_path, 8.5, script)


def test_keys_that_do_nothing_are_not_shown(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "p pause")
        app.training.stop()
        await until(pilot, lambda: "stop and save" not in footer(app))
        assert "pause" not in footer(app)
        assert "batch" not in footer(app)
        assert "l log" in footer(app)

    async def preparing(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "s stop and save")
        assert "z zoom" not in footer(app)
        assert "pause" not in footer(app)

    watch(tmp_path, 8.5, script)
    watch(tmp_path, 0.0, preparing)


def test_the_zoomed_axis_of_map_does_not_make_noise_look_like_progress(tmp_path: Path) -> None:
    def noisy(number: int) -> Evaluated:
        map50 = 0.34 + 0.01 * (number % 2)
        return Evaluated(time=STARTED + 900 + number, epoch=7, map50=map50, map50_95=0.1, best=False)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "0.350")
        await pilot.press("z")
        await until(pilot, lambda: app.screen.query_one(TrainingPanel).is_zoomed)
        low, high = _zoomed_map_range(app.training.history, 6.0)
        assert high - low >= 0.3
        assert low <= 0.34 < 0.35 <= high

    watch(tmp_path, 9.0, script, then=tuple(map(noisy, range(4))))


def test_between_the_last_frozen_step_and_the_first_one_of_everything_the_next_epoch_starts(tmp_path: Path) -> None:
    frozen = [event for event in training(tmp_path / "logs" / "loss_given", 4.0) if isinstance(event, Step)]
    begins = StageStarted(time=STARTED + 50, stage="unfreeze", epoch=4, batch_size=4, init_lr=1e-3, min_lr=1e-5)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "epoch 5/20  unfreeze   starting")
        assert "validating" not in shown(app)

    assert frozen[-1].epoch == 3
    watch(tmp_path, 4.0, script, then=(begins,))


def test_at_the_end_one_time_is_said_and_the_steps_are_done(tmp_path: Path) -> None:
    end = Finished(time=STARTED + 400, run="", best="", last="", map50=0.95, map50_95=0.4, seconds=51.0)
    history = RunHistory().apply_all(training(tmp_path / "logs" / "loss_given", 20.0)).apply_all([end])
    assert not list(_time_parts(history, "ended"))
    assert _steps_text(history) == "360 steps; at least 400 are advised."


def test_a_program_that_takes_the_processor_for_longer_than_a_moment_is_said(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        panel, history = app.screen.query_one(TrainingPanel), app.training.history

        def measured(percent: int) -> str:
            processor = replace(PROCESSOR_ONLY.processor, others=percent)
            panel.show(history, "training", replace(PROCESSOR_ONLY, processor=processor))
            label = panel.query_one("#neighbours", Label)
            return str(label.content) if label.display else ""

        assert measured(45) == "", "it may end at once"
        assert "Another program takes 40 % of the processor" in measured(40)
        assert measured(5) == ""

    watch(tmp_path, 6.0, script)
