"""Times as people read them."""

from __future__ import annotations

from tui.text.translate import _


def duration(seconds: float) -> str:
    """A length of time, as exact as it is worth being."""
    whole = max(0, round(seconds))
    days, hours, minutes = whole // 86400, whole % 86400 // 3600, whole % 3600 // 60
    if days:
        return _("{days} d {hours} h", days=days, hours=hours)
    if hours:
        return _("{hours} h {minutes} min", hours=hours, minutes=minutes)
    if minutes:
        return _("{minutes} min {seconds} s", minutes=minutes, seconds=whole % 60)
    return _("{seconds} s", seconds=whole)
