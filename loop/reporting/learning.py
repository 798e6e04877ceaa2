"""Figures of how the search came along: the best so far, its true value, the regret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loop.reporting.drawing import (
    BLUE,
    GREEN,
    MUTED,
    ORANGE,
    drawn,
    figure,
    named,
    reach,
    thousands,
)
from loop.reporting.record import Moment, Record, Truth

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def best_so_far(record: Record, truth: Truth | None) -> str:
    """SVG: the recommended value with its interval and the best outcome, over trials and hours."""

    def draw() -> Figure | None:
        told = [m for m in record.moments if m.recommendation is not None]
        if not told and not any(m.best is not None for m in record.moments):
            return None
        made = figure(10.0, 3.9)
        left, right = made.subplots(1, 2, sharey=True)
        for axes, use in ((left, _trials), (right, _hours)):
            _values(axes, record, told, truth, use)
            axes.set_xlim(left=0.0)
        objective = record.campaign.objectives[0]
        left.set_ylabel(named(objective.metric, objective.unit))
        left.set_xlabel("trials with an outcome")
        right.set_xlabel("instrument-hours")
        thousands(left, "y")
        thousands(right)
        made.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=5)
        return made

    return drawn("best", "Best value so far over trials and over instrument-hours", draw)


def _trials(moment: Moment) -> float:
    return float(moment.trials)


def _hours(moment: Moment) -> float:
    return moment.hours


def _values(
    axes: Axes, record: Record, told: Sequence[Moment], truth: Truth | None, use: object
) -> None:
    assert callable(use)
    seen = [(use(m), m.best) for m in record.moments if m.best is not None]
    if seen:
        changes = _changes(seen)
        axes.step(*zip(*changes, strict=True), where="post", color=MUTED, lw=1.2,
                  marker="s" if len(changes) == 1 else None, ms=5,
                  label="best single outcome")  # fmt: skip
    if told:
        metric = record.campaign.objectives[0].metric
        x = [use(m) for m in told]
        estimates = [m.recommendation.objectives[metric] for m in told if m.recommendation]
        lower, upper = [e.lower for e in estimates], [e.upper for e in estimates]
        level = f"{estimates[-1].level:.0%} interval"
        means = [e.mean for e in estimates]
        if len(told) == 1:  # a band over a single point has no width
            axes.errorbar(x, means, reach(estimates), color=BLUE, fmt="o", ms=6, capsize=4,
                          elinewidth=1.4, label=level)  # fmt: skip
        else:
            axes.fill_between(
                x, lower, upper, step="post", color=BLUE, alpha=0.16, lw=0, label=level
            )
        axes.step(x, means, where="post", color=BLUE, label="recommended (model)")
        _marks(axes, x, means, BLUE)
    if told and truth is not None:
        x = [use(m) for m in told]
        axes.step(x, truth.recommended, where="post", color=GREEN, ls="--", label="its true value",
                  marker="D" if len(told) == 1 else None, ms=6)  # fmt: skip
        if truth.best is not None:
            axes.axhline(truth.best, color=ORANGE, lw=1.2, ls=":", label="best true value")


def _marks(axes: Axes, x: Sequence[float], y: Sequence[float], colour: str) -> None:
    """A mark on every step; alone it is all there is to see."""
    if len(x) <= 60:
        axes.plot(x, y, "o", color=colour, ms=6 if len(x) == 1 else 3, clip_on=False)


def _changes(points: Sequence[tuple[float, float | None]]) -> list[tuple[float, float]]:
    """The points at which a step changes, and the last one: a curve of thousands stays small."""
    kept: list[tuple[float, float]] = []
    for x, y in points:
        if y is not None and (not kept or kept[-1][1] != y):
            kept.append((x, y))
    last = points[-1]
    if last[1] is not None and kept and kept[-1][0] != last[0]:
        kept.append((last[0], last[1]))
    return kept


def regret(record: Record, truth: Truth | None) -> str:
    """SVG: how far the recommended setting's true value is from the best, where both are known."""

    def draw() -> Figure | None:
        told = [m for m in record.moments if m.recommendation is not None]
        if truth is None or truth.best is None or not told:
            return None
        sign = record.campaign.objectives[0].sign
        missed = [sign * (truth.best - value) for value in truth.recommended]
        made = figure(10.0, 2.6)
        left, right = made.subplots(1, 2, sharey=True)
        for axes, use in ((left, _trials), (right, _hours)):
            x = [use(m) for m in told]
            axes.step(x, missed, where="post", color=GREEN)
            _marks(axes, x, missed, GREEN)
            axes.set_xlim(left=0.0)
            axes.set_ylim(0.0, max(1.12 * max(missed), 1e-9))
        objective = record.campaign.objectives[0]
        left.set_ylabel("regret" if objective.unit in ("", "1") else f"regret ({objective.unit})")
        left.set_xlabel("trials with an outcome")
        right.set_xlabel("instrument-hours")
        thousands(left, "y")
        thousands(right)
        return made

    return drawn("regret", "Regret over trials and over instrument-hours", draw)
