"""What a reader says about the labels it reads: findings, and the books of what was used and what was left out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from engine.dataset.formats.books import Books, Kind
from engine.dataset.formats.file_tree import FileTree
from engine.dataset.index import Finding, Severity, finding

MAX_NAMES = 3
"""A finding about many files names so many of them."""


@dataclass(slots=True)
class ReadingLog:
    """Findings about the files of `tree`, and the books."""

    tree: FileTree
    findings: list[Finding] = field(default_factory=list, init=False)
    books: Books = field(default_factory=Books, init=False)
    losses: defaultdict[Kind, list[Finding]] = field(default_factory=lambda: defaultdict(list), init=False)
    """The findings about what was left out."""

    @property
    def root(self) -> Path:
        """The folder of the data set."""
        return self.tree.root

    def add_finding(self, severity: Severity, code: str, file: Path | str, template: str, **values: object) -> None:
        """Add a finding about `file`; `template` is a format string over `file` and `values`."""
        self.findings.append(finding(severity, code, relative_path(Path(file), self.root), template, **values))

    def see(self, kind: Kind, count: int = 1) -> None:
        """Count something that the reader met, before it is known whether it can be used."""
        self.books.seen[kind] += count

    def keep(self, kind: Kind, count: int = 1) -> None:
        """Count something that was used."""
        self.books.kept[kind] += count

    def leave_out(
        self,
        kind: Kind,
        severity: Severity,
        code: str,
        file: Path | str,
        template: str,
        *,
        count: int = 1,
        boxes: int | None = None,
        **values: object,
    ) -> None:
        """Report that `count` things which were seen are not used, with `boxes` boxes in them that were seen too.

        See `add_finding`; `count` is a value of the template, and so is `boxes` where it is given.
        """
        self.books.left_out[kind] += count
        if boxes is not None:
            self.books.left_out["box"] += boxes
            values = {**values, "boxes": boxes}
        self.add_finding(severity, code, file, template, count=count, **values)
        self.losses["box" if boxes else kind].append(self.findings[-1])

    def leave_out_boxes(self, reasons: list[Finding], count: int) -> None:
        """Report, with one finding or several, that `count` boxes which were seen are not used."""
        self.findings += reasons
        self.losses["box"] += reasons
        self.books.left_out["box"] += count

    def drop_boxes(self, reason: Finding, count: int) -> None:
        """Leave out `count` boxes that were counted as used before."""
        self.books.kept["box"] -= count
        self.leave_out_boxes([reason], count)


def relative_path(path: Path, root: Path) -> str:
    """`path` relative to `root` with forward slashes where it is inside, else as it is; `root` itself is named in full."""
    try:
        return path.relative_to(root).as_posix() if path != root else str(path)
    except ValueError:
        return str(path)
