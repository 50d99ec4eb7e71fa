"""Supervises a training: records its events, turns what ends it early into an event, and retries after out of memory."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from engine.dataset.index import Dataset
from engine.events import (
    EpochFinished,
    Evaluated,
    Event,
    Failed,
    LossNotFinite,
    OutOfMemory,
    RunStarted,
    WeightsLoaded,
)
from engine.messages import BadInput, Message, join_sentences
from engine.network.detector import Detector
from engine.parallel.group import SINGLE, CommunicationError, ProcessGroup
from engine.plan import Plan
from engine.runner.failures import (
    device_failed,
    device_failed_at_start,
    is_device_failure,
    loss_not_finite,
    network_does_not_fit,
    newest_checkpoint,
    out_of_memory,
    peer_failed,
)
from engine.runs.folder import save_plan, write_error
from engine.runs.lock import write_process_info
from engine.training.checkpoint import Checkpoint, current_stage, load_newest
from engine.training.command_reader import reading_commands
from engine.training.control import Control
from engine.training.determinism import deterministic
from engine.training.learner import NonFiniteLoss
from engine.training.oom import is_out_of_memory, release_memory
from engine.training.peers import FailureKind, FailureReport, PeerFailure, guarded, on_first
from engine.training.restored_logs import finished_epochs
from engine.training.run_log import RunLog
from engine.training.silent_log import SilentLog
from engine.training.trainer import PartialStep, Trainer

OnOutOfMemory = Literal["stop", "retry", "accumulate"]
"""What to do when memory runs out: end the run, retry with smaller batches, or retry and accumulate as many of them as
make the old step."""

MAX_RETRIES = 3


@dataclass(slots=True)
class StartState:
    """What a training starts from: weights that were loaded into the network, or a checkpoint to resume from.

    `note` says which settings were changed. The checkpoint takes as much memory as the training itself and is dropped as
    soon as it is restored.
    """

    loaded: WeightsLoaded | None = None
    checkpoint: Checkpoint | None = None
    note: Message | None = None


def supervise(
    run: Path,
    plan: Plan,
    dataset: Dataset,
    network: Detector,
    control: Control,
    start_state: StartState,
    on_out_of_memory: OnOutOfMemory,
    group: ProcessGroup = SINGLE,
) -> Iterator[Event]:
    """Train into `run`, whose lock the caller holds; yield every event after it is written into the run folder.

    Every process of `group` does that with the same arguments, but for the plan's device. They yield the same events; the first
    one alone writes and reads commands.

    Raises:
        CommunicationError: another process died or hangs. Nothing is recorded, since only who started them knows more.
    """
    checkpoint = start_state.checkpoint
    first_epoch = plan.stages[0].first_epoch if checkpoint is None else checkpoint.progress.epoch
    lengths, epochs = ({}, ()) if checkpoint is None else _stored_logs(plan, checkpoint)
    with guarded(group):
        if group.is_first:
            write_process_info(run)
            if start_state.note is not None:
                save_plan(run, plan)
        run_log = RunLog(run, plan, lengths, first_epoch, epochs) if group.is_first else SilentLog()
    start_state.note = join_sentences([note for note in (start_state.note, run_log.note) if note is not None])
    del checkpoint
    commands = reading_commands(run, control) if group.is_first else nullcontext()
    with closing(run_log), deterministic(plan), commands:
        supervisor = _Supervisor(run, plan, dataset, run_log, on_out_of_memory, group)
        yield from supervisor.events(network, control, start_state)


class _Supervisor:
    """Runs one training and handles its failures. Every event is recorded before it is yielded."""

    def __init__(
        self,
        run: Path,
        plan: Plan,
        dataset: Dataset,
        run_log: RunLog | SilentLog,
        on_oom: OnOutOfMemory,
        group: ProcessGroup,
    ) -> None:
        self.run = run
        self.plan = plan
        self.dataset = dataset
        self.run_log = run_log
        self.on_oom = on_oom
        self.group = group
        self._full_device = ""
        """The device whose memory ran out last."""

    def events(self, network: Detector, control: Control, start_state: StartState) -> Iterator[Event]:
        """From the first event of the run to its last."""
        yield self._record(self._run_started(start_state))
        if start_state.loaded is not None:
            yield self._record(start_state.loaded)
        trainer = yield from self._build_trainer(network, control, start_state.checkpoint)
        if trainer is None:
            return
        self.trainer = trainer
        start_state.checkpoint = None
        for retries_left in reversed(range(MAX_RETRIES + 1)):
            memory_ran_out = yield from self._train()
            if not memory_ran_out or not (yield from self._recover_from_out_of_memory(retries_left)):
                return

    def _run_started(self, start_state: StartState) -> RunStarted:
        checkpoint = start_state.checkpoint
        first, last = self.plan.stages[0].first_epoch, self.plan.stages[-1].last_epoch
        return RunStarted(
            run=str(self.run),
            plan=self._current_plan(checkpoint).to_json(),
            # A run whose last event alone is missing has done its last epoch.
            epoch=first if checkpoint is None else min(checkpoint.progress.epoch, last),
            step=0 if checkpoint is None else checkpoint.progress.step,
            continued=checkpoint is not None,
            note=start_state.note,
        )

    def _current_plan(self, checkpoint: Checkpoint | None) -> Plan:
        """The plan with the batch sizes that the run has now: those that were lowered before it was resumed."""
        if checkpoint is None:
            return self.plan
        images = len(self.dataset.splits["train"])
        stages = (current_stage(self.plan.recipe, stage, checkpoint.progress, images) for stage in self.plan.stages)
        changed = checkpoint.progress.activation_checkpointing
        return replace(
            self.plan,
            stages=tuple(stages),
            activation_checkpointing=self.plan.activation_checkpointing if changed is None else changed,
        )

    def _build_trainer(
        self, network: Detector, control: Control, checkpoint: Checkpoint | None
    ) -> Generator[Event, None, Trainer | None]:
        """The trainer; None, after an event that says why, where the device has too little memory for it or fails."""
        try:
            with guarded(self.group):
                trainer = Trainer(self.run, self.plan, self.dataset, network, control, checkpoint, self.group)
        except CommunicationError:
            raise
        except Exception as error:
            end: Event
            if isinstance(error, PeerFailure) and error.report.kind is not FailureKind.OUT_OF_MEMORY:
                end = self._failed(*peer_failed(error.report))
            elif isinstance(error, PeerFailure) or is_out_of_memory(error):
                end = network_does_not_fit(self.run, self.plan)
            elif is_device_failure(error):
                end = self._failed(*device_failed_at_start(self.plan, error))
            else:
                yield self._record(self._defect(error))
                raise
        else:
            return trainer
        release_memory(torch.device(self.plan.device))  # only now: until here `error` referenced the trainer
        yield self._record(end)
        return None

    def _train(self) -> Generator[Event, None, bool]:
        """Train until the end, whatever it is; True where memory ran out."""
        try:
            for event in self.trainer.train(self.run_log.sync):
                for (
                    report
                ) in self.trainer.control.pop_reports():  # first: nothing may follow the event that ends the run
                    yield self._record(report)
                yield self._record(event)
        except CommunicationError:
            raise
        except PeerFailure as error:
            return (yield from self._end_by(error.report))
        except NonFiniteLoss as error:
            yield self._record(loss_not_finite(self.trainer, error))
        except BadInput as error:
            yield self._record(self._failed(error.as_one_message(), None, error.exit_code))
        except OSError as error:
            yield self._record(self._failed(write_error(self.run, error).as_one_message(), None))
        except Exception as error:
            if is_out_of_memory(error):
                self._full_device = str(self.trainer.device)
                return True  # without `error`: its traceback references the tensors of the step
            if is_device_failure(error):
                yield self._record(self._failed(*device_failed(self.trainer, error)))
                if self.group.is_single:
                    return False
                raise  # the other processes wait for this one, which must end
            yield self._record(self._defect(error))
            raise
        return False

    def _end_by(self, report: FailureReport) -> Generator[Event, None, bool]:
        """Another process failed; see `_train`."""
        if report.kind is FailureKind.OUT_OF_MEMORY:
            self._full_device = report.device
            return True
        yield self._record(self._failed(*peer_failed(report)))
        return False

    def _recover_from_out_of_memory(self, retries_left: int) -> Generator[Event, None, bool]:
        """Roll back and save; True where the training is to be retried with activation checkpointing or a smaller batch."""
        checkpoint = yield from self._rollback_and_save()
        if checkpoint is None:
            return False
        event = self._out_of_memory(checkpoint)
        yield self._record(event)
        smaller = event.suggested_batch_size
        if self.on_oom == "stop" or retries_left == 0:
            return False
        if event.suggested_checkpointing:
            yield self._record(self.trainer.enable_checkpointing())
            return True
        if smaller is None:
            return False
        if event.during == "validation":
            self.trainer.lower_validation_batch(smaller)
        else:
            images_per_step = self.trainer.stage.batch_size * self.trainer.stage.accumulate
            accumulate = max(1, images_per_step // smaller) if self.on_oom == "accumulate" else None
            yield self._record(self.trainer.lower_batch(smaller, accumulate))
        return True

    def _rollback_and_save(self) -> Generator[Event, None, str | None]:
        """Go back to the state before the failed step and save it: the path of the checkpoint.

        None, after an event that says why, where that fails too.
        """
        trainer = self.trainer
        release_memory(trainer.device)
        try:
            for event in trainer.rollback():
                yield self._record(event)
            release_memory(trainer.device)
            saved = trainer.save()
        except NonFiniteLoss as error:
            yield self._record(loss_not_finite(trainer, error))
        except PartialStep:
            return (yield from self._restore_checkpoint())
        else:
            yield self._record(saved)
            return saved.path
        return None

    def _restore_checkpoint(self) -> Generator[Event, None, str | None]:
        """Restore the last checkpoint, since the weights are half updated; None where there is no memory for that."""
        trainer = self.trainer
        try:
            checkpoint = on_first(self.group, lambda: load_newest(trainer.run))
            with guarded(self.group):
                self.run_log.restore(*_stored_logs(self.plan, checkpoint))
                trainer.restore(checkpoint)
        except CommunicationError:
            raise
        except Exception as error:
            # Where memory runs out while a checkpoint is read, the reader reports a damaged file.
            if not is_out_of_memory(error) and not isinstance(error, BadInput | PeerFailure):
                raise
        else:
            return newest_checkpoint(trainer.run)
        yield self._record(self._out_of_memory(newest_checkpoint(trainer.run)))
        return None

    def _out_of_memory(self, checkpoint: str | None) -> OutOfMemory:
        """The event; what it suggests depends on the memory of the first process's machine."""
        return on_first(self.group, lambda: out_of_memory(self.trainer, checkpoint, self._full_device))

    def _record(self, event: Event) -> Event:
        """Write an event into the log. The event that ends a failed run is yielded even where the disk is full."""
        if isinstance(event, Failed | LossNotFinite | OutOfMemory):
            with suppress(BadInput):
                self.run_log.record(event)
        else:
            self.run_log.record(event)
        return event

    def _failed(self, message: Message, hint: Message | None, exit_code: int = BadInput.exit_code) -> Failed:
        return Failed(
            code=message.code,
            message=message,
            hint=hint,
            exit_code=exit_code,
            checkpoint=newest_checkpoint(self.run),
        )

    def _defect(self, error: Exception) -> Failed:
        message = Message("defect", "{error}: {reason}", {"error": type(error).__name__, "reason": str(error)})
        return self._failed(message, None, exit_code=1)


def _stored_logs(plan: Plan, checkpoint: Checkpoint) -> tuple[Mapping[str, int], tuple[EpochFinished | Evaluated, ...]]:
    """What a checkpoint says about the logs: their lengths, and the events of the finished epochs."""
    progress = checkpoint.progress
    return checkpoint.logs, finished_epochs(progress.epochs, plan.stages[0].first_epoch, progress.epoch)
