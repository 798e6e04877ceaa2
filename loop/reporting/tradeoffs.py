"""Figure of several objectives: what was tried, and the front no other setting beats."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from campaigns.records import Estimate
from loop.history import Key
from loop.reporting.drawing import (
    BLUE,
    MUTED,
    ORANGE,
    as_pixels,
    drawn,
    figure,
    named,
    reach,
    thousands,
)
from loop.reporting.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[Estimate, Estimate]


def front(record: Record) -> str:
    """SVG: the first two objectives of every setting tried, and the front with its intervals."""

    def draw() -> Figure | None:
        best, objectives = record.state.recommendation, record.campaign.objectives
        if best is None or not best.front or len(objectives) < 2:
            return None
        made = figure(10.0, 4.4)
        axes = made.subplots()
        tried = _tried(record)
        across, up = [one[0] for one in tried], [one[1] for one in tried]
        axes.scatter(across, up, s=26, c=MUTED, alpha=0.75, linewidths=0,
                     label="tried, mean outcome", rasterized=as_pixels(len(tried)))  # fmt: skip
        x, y = objectives[0].metric, objectives[1].metric
        key = record.campaign.space.key(best.parameters)

        def points(chosen: bool) -> list[Point]:
            return [
                (estimates[x], estimates[y])
                for setting, estimates in best.front
                if (record.campaign.space.key(setting) == key) is chosen
            ]

        _crosses(axes, points(False), BLUE, "front (model)")
        _crosses(axes, points(True), ORANGE, "recommended")
        axes.set_xlabel(named(x, objectives[0].unit))
        axes.set_ylabel(named(y, objectives[1].unit))
        thousands(axes)
        thousands(axes, "y")
        made.legend(loc="outside upper left", ncols=3)
        return made

    return drawn("front", "Trade-offs between the first two objectives", draw)


def _crosses(axes: Axes, points: Sequence[Point], colour: str, label: str) -> None:
    if not points:
        return
    x, y = [a for a, _ in points], [b for _, b in points]
    axes.errorbar([one.mean for one in x], [one.mean for one in y], reach(y), reach(x), fmt="o",
                  ms=7, color=colour, ecolor=colour, elinewidth=1.0, alpha=0.9,
                  label=label)  # fmt: skip


def _tried(record: Record) -> list[tuple[float, float]]:
    """Mean outcomes of the first two objectives, a pair a setting that has both."""
    history = record.state.history
    means: list[dict[Key, float]] = []
    for objective in record.campaign.objectives[:2]:
        values: defaultdict[Key, list[float]] = defaultdict(list)
        for trial, outcome in history.outcomes(objective.metric):
            values[history.key(trial.parameters)].append(outcome.mean)
        means.append({key: math.fsum(found) / len(found) for key, found in values.items()})
    return [(value, means[1][key]) for key, value in means[0].items() if key in means[1]]
