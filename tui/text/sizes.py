"""Sizes as text."""

from __future__ import annotations

from engine.messages import format_bytes
from tui.text.translate import _


def format_size(size: float | None) -> str:
    """A number of bytes as text; "unknown" for None."""
    return _("unknown") if size is None else format_bytes(size)
