"""How long something lasts, as people say it."""

from __future__ import annotations

from tui.text.words import _


def lasting(seconds: float) -> str:
    """Two units at most; nobody plans an evening by seconds."""
    whole = max(0, round(seconds))
    days, hours, minutes = whole // 86400, whole % 86400 // 3600, whole % 3600 // 60
    if days:
        return _("{days} d {hours} h", days=days, hours=hours)
    if hours:
        return _("{hours} h {minutes} min", hours=hours, minutes=minutes)
    if minutes:
        return _("{minutes} min {seconds} s", minutes=minutes, seconds=whole % 60)
    return _("{seconds} s", seconds=whole)
