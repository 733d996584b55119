"""Durations as people read them."""

from __future__ import annotations


def duration(seconds: float, *, whole: bool = False) -> str:
    """75.2 -> "1 min 15 s"; 8.31 -> "8.3 s", or `whole` "8 s"; 7300 -> "2 h 1 min"."""
    if whole:
        seconds = round(seconds)
    if seconds < 60:
        return f"{seconds:.0f} s" if whole else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
