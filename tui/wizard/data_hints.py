"""What the Data screen says about the path field and the Enter key."""

from __future__ import annotations

from pathlib import Path

from engine.messages import printable
from tui.text import _, ngettext
from tui.text.joining import join_sentences
from tui.wizard.data_source import SAMPLE, count_drawn_images, sample_path
from tui.wizard.dataset_inspection import DatasetInspection
from tui.wizard.dataset_summary import unreadable_count
from tui.wizard.path_completion import PathStatus

MAX_LISTED_COMPLETIONS = 12


def completion_hint(typed: PathStatus) -> str:
    """How the typed path can be completed with Tab."""
    names = [printable(Path(text).name) + ("/" if text.endswith(("/", "\\")) else "") for text in typed.completions]
    return "" if not names else _("Tab: {names}", names="  ".join(names[:MAX_LISTED_COMPLETIONS]))


def continue_hint(inspection: DatasetInspection) -> str:
    """With how many images Enter continues: those that can be read, once that is known."""
    unreadable = unreadable_count(inspection)
    count = sum(inspection.dataset.image_counts().values()) - unreadable
    hint = ngettext("Enter continues with {count} image.", "Enter continues with {count} images.", count)
    if not unreadable:
        return hint
    return join_sentences(hint, ngettext("{count} cannot be read.", "{count} cannot be read.", unreadable))


def reading_hint(path: Path, progress: tuple[int, int] | None, workspace: Path) -> str:
    """How far the reading of the labels is.

    Args:
        path: the data set.
        progress: files that are read, and all of them (0: not known yet); None: the reading has not begun.
        workspace: where the sample set is.
    """
    if path == sample_path(workspace) and not path.exists():
        return ngettext(
            "Drawing the sample set: {count} image ...",
            "Drawing the sample set: {count} images ...",
            count_drawn_images(workspace),
        )
    if progress is None:
        return _("Reading {path} ...", path=path.name)
    done, total = progress
    if not total:
        return ngettext(
            "Reading {path}: {count} file ... Esc stops.",
            "Reading {path}: {count} files ... Esc stops.",
            done,
            path=path.name,
        )
    return _("Reading {path}: {done} of {total} ... Esc stops.", path=path.name, done=done, total=total)


def suggestion_hint(path: str) -> str:
    """What Enter does while the field is empty; `path` is what is suggested."""
    if path == SAMPLE:
        return _("Enter uses the sample set, drawn in seconds, to try everything out.")
    return _("Enter uses {path}, which looks like a data set.", path=Path(path).name)


def path_help() -> str:
    """What F1 says about the screen."""
    keys = {
        "Tab": _("completes the path"),
        "F2": _("draws the sample set"),
        "F3": _("chooses the folder from a tree"),
        "F4 F5": _("show the previous and the next image"),
        "F6": _("renames the classes"),
        "F7": _("chooses the format, or recognises it"),
        "PgUp PgDn": _("scroll the findings"),
        "Ctrl+R": _("reads the data set again"),
        "Esc": _("stops the reading, or goes back"),
    }
    width = max(map(len, keys))
    folder = _(
        "The folder of the data set at any level, or its data.yaml, .json, .csv or list. Spaces, Chinese characters and links work."
    )
    return "\n".join((folder, "", *(f"{key:{width}}  {meaning}" for key, meaning in keys.items())))
