"""Durations as text."""

from __future__ import annotations

from tui.text.translate import _


def duration(seconds: float) -> str:
    """A duration in its two largest units."""
    total = max(0, round(seconds))
    days, hours, minutes = total // 86400, total % 86400 // 3600, total % 3600 // 60
    if days:
        return _("{days} d {hours} h", days=days, hours=hours)
    if hours:
        return _("{hours} h {minutes} min", hours=hours, minutes=minutes)
    if minutes:
        return _("{minutes} min {seconds} s", minutes=minutes, seconds=total % 60)
    return _("{seconds} s", seconds=total)
