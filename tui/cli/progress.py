"""Progress bars and spinners on standard error, where it is a terminal and no log is shown on it; nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from tui.cli.command_log import is_shown

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

Update = Callable[[int, int], None]
"""Takes what is done and the total."""
T = TypeVar("T")


@contextmanager
def bytes_bar(name: str, size: int) -> Iterator[Update]:
    """A progress bar for a download of `size` bytes."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    with _progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        transient=False,
    ) as bar:
        task = bar.add_task(name, total=size)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def count_bar(name: str) -> Iterator[Update]:
    """A progress bar for things that are counted."""
    with count_bars(name) as (update,):
        yield update


@contextmanager
def count_bars(*names: str) -> Iterator[tuple[Update, ...]]:
    """Progress bars, one below the other, for things that are counted at the same time."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    with _progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        transient=True,
    ) as bar:
        tasks = [bar.add_task(name, total=None) for name in names]
        yield tuple(partial(_update, bar, task) for task in tasks)


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """A spinner with a text, for work whose progress is unknown."""
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with _progress(*columns, transient=True) as bar:
        bar.add_task(text, total=None)
        yield


def counted(items: Iterable[T], total: int, name: str) -> Iterator[T]:
    """`items` with a progress bar: up to the last, or where they are printed on the same terminal, up to the first."""
    with ExitStack() as stack:
        update = stack.enter_context(count_bar(name))
        for number, item in enumerate(items, start=1):
            if sys.stdout.isatty():
                stack.close()
            else:
                update(number, total)
            yield item


def _update(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total or None)


def _progress(*columns: ProgressColumn, transient: bool) -> Progress:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    # Standard output is not redirected: what is printed meanwhile would end up on standard error.
    return Progress(
        *columns,
        console=console,
        disable=not console.is_terminal or is_shown(),
        transient=transient,
        redirect_stdout=False,
        redirect_stderr=False,
    )
