"""Which keys of the Train screen do something now, which of them the footer shows, and what they are called there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from textual.binding import ActiveBinding, Binding

from engine.events import Stopped
from engine.recipe import MIN_BATCH_SIZE
from tui.text import N_, _
from tui.widgets.training_panel import TrainingPanel, View

if TYPE_CHECKING:
    from tui.workers.training_session import TrainingSession

Mode = Literal["idle", "running", "ended"]
"""What the screen shows: no training, one that runs here or elsewhere, one that has ended."""

VIEW_ACTIONS = frozenset({"next_view", "next_image", "zoom", "log", "app.show_help"})
STEERING_ACTIONS = frozenset({"pause", "stop_and_save", "lower_batch", "extend", "detach"})
SHOWN_ACTIONS: dict[Mode, frozenset[str]] = {
    "running": VIEW_ACTIONS | STEERING_ACTIONS,
    "ended": VIEW_ACTIONS | {"forward", "back", "pause", "extend"},
}
"""The actions whose keys the footer shows, as far as they do something."""
HIDDEN_IN_NARROW = frozenset({"lower_batch", "extend"})
HIDDEN_IN_NARROW_VIEWS = HIDDEN_IN_NARROW | {"detach"}
"""What the footer has no room for in a narrow window; F1 names these keys."""
NEXT_VIEWS: dict[View, str] = {"curves": N_("classes"), "classes": N_("images"), "images": N_("curves")}


@dataclass(frozen=True, slots=True)
class TrainingKeys:
    """The keys for the present state of a training."""

    mode: Mode
    session: TrainingSession
    panel: TrainingPanel
    can_steer: bool
    """Whether commands reach the training: those of another machine can only be watched."""
    is_wide: bool

    @property
    def _shows_curves(self) -> bool:
        return not self.panel.display or self.panel.view == "curves"

    def for_footer(self, bindings: dict[str, ActiveBinding]) -> dict[str, ActiveBinding]:
        """All keys, of which the footer shows those that it has room for."""
        if (shown := SHOWN_ACTIONS.get(self.mode)) is None:
            return bindings
        if not self._shows_curves:
            shown = (shown | {"back"}) - {"lower_batch"}
        if self.mode == "running" and not self.is_wide:
            shown -= HIDDEN_IN_NARROW if self._shows_curves else HIDDEN_IN_NARROW_VIEWS
        return {
            key: active._replace(
                binding=replace(
                    active.binding,
                    show=active.binding.show and active.binding.action in shown and self._is_useful(active.binding),
                    description=self._description(active.binding),
                )
            )
            for key, active in bindings.items()
        }

    def _is_useful(self, binding: Binding) -> bool:
        """Whether the key does more than say why it cannot do anything."""
        if self.mode == "running" and not self.can_steer and binding.action in STEERING_ACTIONS:
            return False
        return binding.action != "lower_batch" or (self.session.history.batch_size or 0) > MIN_BATCH_SIZE

    def _description(self, binding: Binding) -> str:
        is_paused = self.session.phase in ("pausing", "paused")
        if binding.action == "pause" and (self.mode == "ended" or is_paused):
            return _("resume")
        if binding.action == "next_view":
            return _(NEXT_VIEWS[self.panel.view])
        if binding.action == "zoom" and self.panel.is_zoomed:
            return _("whole")
        return binding.description

    def is_possible(self, action: str) -> bool | None:
        """Whether an action can do something now; None for those of all screens."""
        session, is_running = self.session, self.mode == "running"
        is_training = session.phase in ("training", "pausing", "paused")
        match action:
            case "pause":
                is_stopped = self.mode == "ended" and isinstance(session.last_event, Stopped)
                return is_stopped or (is_running and is_training)
            case "stop_and_save":
                return is_running and session.phase not in ("stopping", "detaching")
            case "detach":
                return is_running and session.can_detach
            case "lower_batch":
                return is_running and is_training
            case "extend":
                is_known = session.history.last_epoch is not None and session.input_error is None
                return is_known and (is_training or self.mode == "ended")
            case "log" | "next_view":
                return self.mode != "idle" and self.panel.display
            case "zoom":
                return self.panel.display and self.panel.view == "curves" and session.history.latest is not None
            case "next_image":
                return self.panel.display and self.panel.view == "images"
        return None
