"""Logarithmic axes with plain numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW, SEVERAL = 0.7, 2.3  # decades up to which ticks are as on a linear axis, and at 1, 2 and 5
WIDEST = 5  # decades up to which every power of ten has its number
NARROW = 4  # ticks at most on an axis over less than `FEW` decades


def logarithmic(axes: Axes, which: str) -> None:
    """Make the axis ("x" or "y") logarithmic, its ticks as many as it needs, labelled 0.05, 2000.

    To be called once everything is drawn: the ticks follow from the limits.
    """
    from matplotlib.ticker import (
        FuncFormatter,
        LogLocator,
        MaxNLocator,
        NullFormatter,
        NullLocator,
    )

    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    decades = math.log10(high / low)
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
    if decades < FEW:
        axis.set_major_locator(MaxNLocator(NARROW))
    else:
        parts = (1.0, 2.0, 5.0) if decades < SEVERAL else (1.0,)
        ticks = 12 if decades <= WIDEST else WIDEST
        axis.set_major_locator(LogLocator(subs=parts, numticks=ticks))
