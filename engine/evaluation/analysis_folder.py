"""The folder of an evaluation: figures, the worst images with their boxes, and evaluation.json."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.dataset.images import UnreadableImage, load_image
from engine.evaluation.analysis import Analysis
from engine.evaluation.analysis_figures import FIGURES
from engine.evaluation.detect import strongest
from engine.evaluation.draw import draw_detections
from engine.evaluation.figure_text import FigureTexts
from engine.evaluation.samples import write_jpeg
from engine.files import atomic_write, error_reason, make_folder, write_text
from engine.messages import bad_input, json_text

EVALUATION = "evaluation.json"
WORST = "worst_images"


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder for `save_analysis`, which must be new or empty. One that stays empty is removed again if it was new.

    Raises:
        BadInput: it has files, it is a file itself, or it cannot be created or written.
    """
    try:
        is_new = not folder.exists()
        is_used = not is_new and any(folder.iterdir())
    except OSError as error:
        raise bad_input(
            "evaluate.save",
            "--save {path}: this is not a folder that can be written ({reason}); name a new folder.",
            path=folder,
            reason=error_reason(error),
        ) from error
    if is_used:
        raise bad_input(
            "evaluate.save_used",
            "--save {path}: this folder has files, and none is overwritten; name a new folder, such as {free}.",
            path=folder,
            free=_free_name(folder),
        )
    make_folder(folder)
    try:
        yield folder
    except BaseException:
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise


def save_analysis(folder: Path, analysis: Analysis, texts: FigureTexts | None = None) -> list[Path]:
    """Write figures, the worst images, and last evaluation.json into an empty folder; returns the files.

    `texts`: what stands in the figures; by default English. If it ends early, nothing is left in the folder.

    Raises:
        BadInput: the folder cannot be written.
    """
    written: list[Path] = []
    texts = texts or FigureTexts()
    try:
        for name, draw in FIGURES.items():
            png = draw(analysis, texts)
            written.append(folder / name)
            _write_bytes(folder / name, png)
        _save_worst_images(folder / WORST, analysis, written)
        written.append(folder / EVALUATION)
        write_text(folder / EVALUATION, json_text(analysis.to_full_json(), indent=1) + "\n")
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        with suppress(OSError):
            (folder / WORST).rmdir()
        raise
    return written


def _write_bytes(path: Path, content: bytes) -> None:
    atomic_write(path, lambda file: file.write(content))


def _save_worst_images(folder: Path, analysis: Analysis, written: list[Path]) -> None:
    """JPEG files with the detections from the threshold on in colour, the true boxes thin and white, and a mark at each mistake."""
    if not analysis.worst_images:
        return
    make_folder(folder)
    for number, image in enumerate(analysis.worst_images, start=1):
        with suppress(UnreadableImage):  # it was readable a minute ago; the list in evaluation.json names it
            pixels = load_image(analysis.dataset, image.result.image_index).pixels
            shown, _ = strongest(image.result.detections, analysis.scores.threshold)
            drawn = draw_detections(pixels, shown, analysis.classes, image.result.truth, image.matches)
            path = folder / f"{number:02d}_{_file_stem(image.path)}.jpg"
            written.append(path)
            write_jpeg(path, drawn)


def _file_stem(path: Path) -> str:
    """At most 120 bytes of the name, so that the new one is not too long."""
    return path.stem.encode("utf-8", "ignore")[:120].decode("utf-8", "ignore")


def _free_name(folder: Path) -> Path:
    return next(
        path for number in range(2, 10_000) if not (path := folder.with_name(f"{folder.name}_{number}")).exists()
    )
