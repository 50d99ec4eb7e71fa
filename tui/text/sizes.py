"""Sizes and durations as people read them."""

from __future__ import annotations

from tui.text.translate import _


def gibibytes(size: int | None) -> str:
    """Memory, which makers count in powers of two."""
    return _("unknown") if size is None else f"{size / 2**30:.1f} GiB"


def gigabytes(size: int | None) -> str:
    """Disk space, which makers count in powers of ten."""
    return _("unknown") if size is None else f"{size / 1e9:.0f} GB"


def megabytes(size: int) -> str:
    """The size of a file, as file managers show it."""
    return f"{size / 1e6:.1f} MB"
