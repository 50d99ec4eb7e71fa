"""Reads the class names of a data set in a thread, then shows the form for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from textual.screen import Screen

from engine.dataset.class_mapping import ClassNames
from engine.messages import BadInput
from engine.plan import DataSource
from engine.planning.request import DatasetReader
from tui.dialogs.class_names import ClassNamesChoice, ClassNamesDialog
from tui.wizard.dataset_inspection import read_class_names
from tui.workers.latest_query import LatestQuery


class ClassRenaming:
    """Renames the classes of one data set after the other."""

    def __init__(
        self,
        owner: Screen[None],
        datasets: DatasetReader,
        on_renamed: Callable[[DataSource], None],
        on_error: Callable[[BadInput], None],
        is_wanted: Callable[[], bool],
    ) -> None:
        """`on_renamed` gets the source with the names that the user entered; `is_wanted`: whether the form may still be shown."""
        self._owner = owner
        self._is_wanted = is_wanted
        self._on_renamed = on_renamed
        self._query = LatestQuery[DataSource, tuple[DataSource, ClassNames]](
            owner, lambda source: (source, read_class_names(source, datasets)), self._show_form, on_error
        )

    def start(self, source: DataSource, file_beside: Path | None) -> None:
        """Rename the classes of `source`; `file_beside` is the classes file to suggest where none is chosen."""
        if source.classes_file is None and file_beside is not None:
            source = replace(source, classes_file=str(file_beside))
        self._query.submit(source)

    def _show_form(self, result: tuple[DataSource, ClassNames]) -> None:
        source, names = result
        if not self._is_wanted():
            return

        def rename(choice: ClassNamesChoice | None) -> None:
            if choice is not None:
                self._on_renamed(replace(source, classes_file=choice.classes_file, mapping=dict(choice.mapping)))

        self._owner.app.push_screen(ClassNamesDialog(names, source.classes_file, source.mapping), rename)
