"""Which data set a typed path means. The word `sample` stands for the drawn sample set of the workspace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.dataset import sample_folder
from engine.dataset.sample_folder import lacks_sample
from engine.plan import DataSource

SAMPLE = "sample"


def data_source(
    text: str,
    workspace: Path,
    *,
    format: str = "auto",
    classes_file: str | Path | None = None,
    mapping: Mapping[str, str] | None = None,
) -> DataSource:
    """The absolute source for `text`. Quotes that a file manager puts around a path are removed."""
    path = text.strip()
    if len(path) > 1 and path[0] == path[-1] and path[0] in "'\"":
        path = path[1:-1]
    return DataSource(
        path=str(sample_path(workspace) if path == SAMPLE else Path(path).expanduser().absolute()),
        format=format,
        classes_file=None if classes_file is None else str(Path(classes_file).expanduser().absolute()),
        mapping=dict(mapping or {}),
    )


def absolute_source(source: DataSource, workspace: Path) -> DataSource:
    """`source` with absolute paths; the sample set is drawn if it does not exist yet."""
    absolute = data_source(
        source.path, workspace, format=source.format, classes_file=source.classes_file, mapping=source.mapping
    )
    draw_sample_if_missing(absolute, workspace)
    return absolute


def sample_path(workspace: Path) -> Path:
    """Where the sample set of a workspace is."""
    return (workspace / SAMPLE).absolute()


def draw_sample_if_missing(source: DataSource, workspace: Path) -> None:
    """Draw the sample set where `source` means it and it is not there, or its drawing was interrupted."""
    path = Path(source.path)
    if path != sample_path(workspace) or not lacks_sample(path):
        return
    from engine.dataset.sample_dataset import draw_sample_dataset

    draw_sample_dataset(path, replace=False)


def count_drawn_images(workspace: Path) -> int:
    """How many images of the sample set are drawn already, while it is being drawn."""
    return sample_folder.count_drawn_images(sample_path(workspace))
