"""The curves of a run: losses, mAP, and what else is measured."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

from textual import getters
from textual.app import ComposeResult
from textual.containers import Grid, Vertical

from engine.hardware import Card, Hardware
from tui.text import _
from tui.text.stages import STAGE_NAMES
from tui.widgets.metric_row import MetricRow
from tui.widgets.plot import Plot
from tui.widgets.plot_series import Border, Mark, Series
from tui.wizard.run_history import RunHistory

ZOOMED_PART = 1 / 3
"""Of the epochs so far: what the zoomed plots show."""
KEPT_USES = 60
"""Values of the use of the processor or card: the last minutes."""
MIN_MAP_RANGE = 0.3
"""The zoomed axis of mAP spans at least this: on a shorter one noise would look like progress."""
SHOWN_MAP = 0.0005
"""A smaller mAP is written as 0.000: none is the best."""
GIB = 2**30


class Curves(Vertical):
    """The losses and mAP over one x axis in epochs, and in one line each what else is measured."""

    DEFAULT_CSS = """
    Curves { height: 1fr; min-height: 8; }
    Curves #metrics { grid-size: 2; grid-gutter: 0 2; grid-rows: 1; height: 2; }
    """

    _loss = getters.query_one("#loss-plot", Plot)
    _map = getters.query_one("#map-plot", Plot)
    _lr = getters.query_one("#lr", MetricRow)
    _memory = getters.query_one("#memory", MetricRow)
    _data_wait = getters.query_one("#data-wait", MetricRow)
    _use = getters.query_one("#use", MetricRow)

    def __init__(self, *, live: bool = False) -> None:
        """Create empty plots. `live`: the run trains on this machine now, so the use of its processor or card is shown too."""
        super().__init__()
        self._live = live
        self._zoomed = False
        self._hardware: Hardware | None = None
        self._uses: deque[float] = deque(maxlen=KEPT_USES)

    @property
    def is_zoomed(self) -> bool:
        """Whether only the last third of the epochs is shown."""
        return self._zoomed

    def compose(self) -> ComposeResult:
        """Two plots and the other figures."""
        yield Plot(_("loss"), may_be_logarithmic=True, id="loss-plot")
        yield Plot("mAP50", x_title=_("epochs"), id="map-plot")
        with Grid(id="metrics"):
            yield MetricRow(_("learning rate"), id="lr")
            yield MetricRow(_("memory"), minimum=0.0, id="memory")
            yield MetricRow(_("data wait"), minimum=0.0, maximum=1.0, id="data-wait")
            if self._live:
                yield MetricRow(_("processor"), minimum=0.0, maximum=100.0, id="use")

    def zoom(self, history: RunHistory) -> None:
        """Show the last third of the epochs so far, or all of them again."""
        self._zoomed = not self._zoomed
        self._show_plots(history)

    def show(self, history: RunHistory, hardware: Hardware | None) -> None:
        """Show a run; `hardware` gives the total memory."""
        self._show_plots(history)
        latest = history.latest
        self._lr.show("" if latest is None else f"{latest.lr:.1e}", history.lr.points)
        card = None if hardware is None else _card(history, hardware)
        total = _memory_total(history, hardware, card)
        self._memory.show(
            "" if latest is None else _memory_text(latest.memory_bytes, total),
            history.memory.points,
            label=_("GPU memory") if history.device.startswith("cuda") else _("memory"),
            maximum=total,
        )
        data_wait = "" if latest is None else f"{latest.data_wait * 100:.0f} %"
        self._data_wait.show(data_wait, history.data_wait.points)
        if self._live and hardware is not None and hardware is not self._hardware:
            self._hardware = hardware
            self._show_use(history, hardware)

    def _show_use(self, history: RunHistory, hardware: Hardware) -> None:
        card = _card(history, hardware)
        source = hardware.processor if card is None else card
        if source.utilisation is not None:
            self._uses.append(source.utilisation)
        figures = (
            None if source.utilisation is None else f"{source.utilisation} %",
            None if source.temperature is None else f"{source.temperature} °C",
        )
        label = _("processor") if card is None else _("card")
        self._use.show(", ".join(filter(None, figures)), tuple(self._uses), label=label)

    def _show_plots(self, history: RunHistory) -> None:
        first, last = _epoch_range(history)
        if self._zoomed and history.epochs_done > first:
            last = history.epochs_done
            first = last - (last - first) * ZOOMED_PART
        border = history.unfreeze_epoch
        stage = None if border is None else Border(border, _(STAGE_NAMES["unfreeze"]))
        self._loss.show(
            tuple(_losses(history)), x_range=(first, last), border=stage, marks=tuple(_lowest_loss(history))
        )
        self._map.show(
            (
                Series(
                    "",
                    [(epoch + 1, map50) for epoch, map50, _map in history.maps],
                    "$map",
                    value_text=_map_text(history),
                ),
            ),
            x_range=(first, last),
            y_range=_zoomed_map_range(history, first) if self._zoomed and history.maps else (0.0, 1.0),
            border=stage,
            marks=tuple(_best_map(history)),
        )


def _epoch_range(history: RunHistory) -> tuple[float, float]:
    """The ends of the x axis: from the first epoch to a little more than those so far, so that it does not change in every step."""
    first = history.first_epoch
    done = history.epochs_done - first if history.latest is not None else 0.0
    planned = max(1.0, (history.last_epoch or 0) + 1 - first, done)
    return first, first + min(planned, _rounded_up(done))


def _zoomed_map_range(history: RunHistory, first: float) -> tuple[float, float]:
    """Round ends of the axis for the mAP from epoch `first` on, at least `MIN_MAP_RANGE` apart."""
    shown = [map50 for epoch, map50, _map in history.maps if epoch + 1 >= first]
    shown += [map50 for epoch, map50, _map in history.maps if epoch + 1 < first][-1:]  # the line comes from there
    low, high = math.floor(min(shown) * 10) / 10, math.ceil(max(shown) * 10) / 10
    missing = max(0.0, MIN_MAP_RANGE - (high - low))
    low = max(0.0, low - missing / 2)
    high = min(1.0, max(high, low + MIN_MAP_RANGE))
    return round(min(low, high - MIN_MAP_RANGE), 2), round(high, 2)


def _rounded_up(epochs: float) -> float:
    """The next of 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40 and so on."""
    power = 1
    while epochs > 10 * power:
        power *= 10
    steps = (1, 2, 3, 4, 5, 6, 8, 10) if power == 1 else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
    return next(step * power for step in steps if epochs <= step * power)


def _losses(history: RunHistory) -> Iterator[Series]:
    latest = history.latest
    text = "" if latest is None else f"{latest.loss:.3g}"
    yield Series(_("train"), history.train_loss.curve, "$train", smoothed=True, value_text=text)
    if history.validation:
        points = [(epoch + 1, loss) for epoch, loss in history.validation]
        yield Series(_("validation"), points, "$val", dashed=True, value_text=f"{points[-1][1]:.3g}")


def _lowest_loss(history: RunHistory) -> Iterator[Mark]:
    if history.lowest_loss is not None:
        epoch, loss = history.lowest_loss
        yield Mark(epoch + 1, loss, _("lowest {value}, epoch {epoch}", value=f"{loss:.3g}", epoch=epoch + 1))


def _map_text(history: RunHistory) -> str:
    if not history.maps:
        return _("measured after epoch {epoch}", epoch=history.next_evaluation)
    return f"{history.maps[-1][1]:.3f}"


def _best_map(history: RunHistory) -> Iterator[Mark]:
    if history.best_map is not None and history.best_map[1] >= SHOWN_MAP:
        epoch, map50 = history.best_map
        yield Mark(epoch + 1, map50, _("best {value}, epoch {epoch}", value=f"{map50:.3f}", epoch=epoch + 1))


def _card(history: RunHistory, hardware: Hardware) -> Card | None:
    """The card that the run trains on."""
    if not history.device.startswith("cuda"):
        return None
    return hardware.cuda_card(int(history.device.partition(":")[2] or 0))


def _memory_total(history: RunHistory, hardware: Hardware | None, card: Card | None) -> int | None:
    if hardware is not None and history.device == "cpu":
        return hardware.memory.total
    return None if card is None else card.memory_total


def _memory_text(used: int, total: int | None) -> str:
    return f"{used / GIB:.1f} GiB" if total is None else f"{used / GIB:.1f} / {total / GIB:.1f} GiB"
