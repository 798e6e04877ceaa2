"""Bounds of an option that a campaign file gives."""

from __future__ import annotations

import math


def within(option: str, value: float, low: float, high: float) -> None:
    """Raises ValueError, option first, for a value that is not finite or beyond its bounds."""
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{option}: {value!r} is not allowed; {low:g} to {high:g} is")
