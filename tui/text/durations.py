"""Durations and times of day as text."""

from __future__ import annotations

import time
from typing import Final

from tui.text.translate import N_, _

WEEKDAYS: Final = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))


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


def time_of_day(moment: float, now: float) -> str:
    """The local time of day of a Unix time that is still to come; with the weekday if it is not today, with the date after a week."""
    then, today = time.localtime(moment), time.localtime(now)
    clock = time.strftime("%H:%M", then)
    if then[:3] == today[:3]:
        return clock
    if moment - now < 6 * 86400:
        return f"{_(WEEKDAYS[then.tm_wday])} {clock}"
    return f"{time.strftime('%Y-%m-%d', then)} {clock}"


def rough_duration(seconds: float) -> str:
    """A duration that is only estimated, in one unit."""
    if seconds < 55:
        return _("{seconds} s", seconds=max(10, round(seconds / 10) * 10))
    if seconds < 90 * 60:
        return _("{minutes} min", minutes=round(seconds / 60))
    hours = seconds / 3600
    return _("{hours} h", hours=f"{round(2 * hours) / 2:g}" if hours < 10 else round(hours))
