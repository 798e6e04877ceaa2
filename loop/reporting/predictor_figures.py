"""Figures of an evaluation of early predictors, each as SVG for a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loop.reporting.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    RED,
    drawn,
    figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from surrogates.life_evaluation import Evaluation, Tested
    from surrogates.life_scores import Answers

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED, GREY)
MARKS = ("o", "s", "^", "D", "v", "P")
SHOWN_LEVEL = 0.9  # of the intervals in figures
MOST_BARS = 20


def parity(found: Tested, salt: str) -> str:
    """SVG: predicted against true life with intervals, and residuals over predicted life."""

    def draw() -> Figure:
        made = figure(10.0, 4.7)
        left, right = made.subplots(1, 2)
        _parity(left, found.answers)
        _residuals(right, found.answers)
        return made

    return drawn(f"parity{salt}", f"Predicted against true life, {found.model}", draw)


def _shown(answers: Answers) -> tuple[float, Any, Any]:
    level = min(answers.intervals, key=lambda one: abs(one - SHOWN_LEVEL))
    return level, *answers.intervals[level]


def _sorts(answers: Answers) -> list[tuple[Any, str, str, str]]:
    """Which cells, their colour, mark, and name in the legend; the flagged ones apart."""
    flagged = answers.extrapolates
    sorts = [(~flagged, BLUE, "o", "prediction"), (flagged, ORANGE, "D", "flagged: extrapolates")]
    return [one for one in sorts if one[0].any()]


def _parity(axes: Axes, answers: Answers) -> None:
    level, lower, upper = _shown(answers)
    for kept, colour, mark, name in _sorts(answers):
        x, y = answers.life[kept], answers.mean[kept]
        axes.errorbar(
            x, y, [y - lower[kept], upper[kept] - y], fmt=mark, ms=4.5, color=colour,
            ecolor=colour, elinewidth=0.8, alpha=0.85, label=f"{name}, {level:.0%} interval",
        )  # fmt: skip
    low = 0.85 * float(min(answers.life.min(), lower.min()))
    high = 1.15 * float(max(answers.life.max(), upper.max()))
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.plot((low, high), (low, high), color=MUTED, lw=1.0, ls="--", label="predicted = true")
    for which in ("x", "y"):
        _cycles(axes, which, low, high)
    axes.set(xlabel="true life (cycles)", ylabel="predicted life (cycles)")
    axes.legend(loc="upper left", fontsize=9.0)


def _cycles(axes: Axes, which: str, low: float, high: float) -> None:
    """Marks of a logarithmic axis at round numbers of cycles."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    steps = (1, 2, 5) if high / low > 8 else (1, 2, 3, 4, 5, 7)
    axis = axes.xaxis if which == "x" else axes.yaxis
    marks = [m * 10.0**e for e in range(7) for m in steps if low <= m * 10.0**e <= high]
    axis.set_major_locator(FixedLocator(marks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _residuals(axes: Axes, answers: Answers) -> None:
    for kept, colour, mark, name in _sorts(answers):
        share = 100.0 * (answers.mean[kept] / answers.life[kept] - 1.0)
        axes.plot(
            answers.mean[kept], share, mark, ms=4.5, color=colour, alpha=0.85, ls="", label=name
        )
    axes.axhline(0.0, color=MUTED, lw=1.0, ls="--")
    low, high = 0.9 * float(answers.mean.min()), 1.1 * float(answers.mean.max())
    axes.set(xscale="log", xlim=(low, high))
    _cycles(axes, "x", low, high)
    axes.set(xlabel="predicted life (cycles)", ylabel="predicted minus true (% of true)")


def coverage(found: Evaluation) -> str:
    """SVG: what intervals cover against what they promise, and how wide they are."""

    def draw() -> Figure:
        made = figure(10.0, 4.2)
        left, right = made.subplots(1, 2)
        for model, colour, mark in zip(found.models, COLOURS, MARKS, strict=False):
            told = found.last(model).scores.coverage
            levels = [100.0 * one.level for one in told]
            style: dict[str, Any] = {"marker": mark, "ms": 5, "color": colour, "label": model}
            left.plot(levels, [100.0 * one.covered for one in told], **style)
            right.plot(levels, [100.0 * one.median_width for one in told], **style)
        first = found.last(found.models[0]).scores.coverage
        levels = [100.0 * one.level for one in first]
        left.fill_between(
            levels, [100.0 * one.band_low for one in first],
            [100.0 * one.band_high for one in first], color=GREY, alpha=0.25, lw=0,
            label="95 % of chance, if the level is true",
        )  # fmt: skip
        left.plot(levels, levels, color=MUTED, lw=1.0, ls="--", label="as promised")
        left.set(xlabel="level (%)", ylabel="lives inside (%)")
        right.set(xlabel="level (%)", ylabel="median width (% of predicted life)", ylim=(0, None))
        left.legend(loc="upper left", fontsize=9.0)
        return made

    return drawn("coverage", "Coverage against level", draw)


def over_cycles(found: Evaluation) -> str:
    """SVG: errors against the cycles that were looked at; "" for a single horizon."""

    def draw() -> Figure | None:
        if len({one.at_cycle for one in found.results}) < 2:
            return None
        made = figure(10.0, 3.9)
        left, right = made.subplots(1, 2)
        for model, colour, mark in zip(found.models, COLOURS, MARKS, strict=False):
            told = [one for one in found.results if one.model == model]
            x = [one.at_cycle for one in told]
            style: dict[str, Any] = {"marker": mark, "ms": 5, "color": colour, "label": model}
            left.plot(x, [100.0 * one.scores.mape for one in told], **style)
            right.plot(x, [one.scores.rmse_cycles for one in told], **style)
        left.set(xlabel="cycles used", ylabel="mean error (% of the life)", ylim=(0, None))
        right.set(xlabel="cycles used", ylabel="RMSE (cycles)", ylim=(0, None))
        left.legend(loc="upper right", fontsize=9.0)
        return made

    return drawn("cycles", "Error against cycles used", draw)


def importances(found: Tested, salt: str) -> str:
    """SVG: permutation importance, most important at the top; "" where it was not asked."""

    def draw() -> Figure | None:
        shown = found.importance[:MOST_BARS][::-1]
        if not shown:
            return None
        made = figure(10.0, 0.9 + 0.32 * len(shown))
        axes = made.subplots()
        _bars(axes, [one.name for one in shown], [one.mean for one in shown],
              [one.sd for one in shown])  # fmt: skip
        axes.set_xlabel("growth of the mean error of log life (natural) when shuffled")
        return made

    return drawn(f"importance{salt}", f"Importance of features, {found.model}", draw)


def _bars(axes: Axes, names: Sequence[str], means: Sequence[float], sds: Sequence[float]) -> None:
    at = range(len(names))
    axes.barh(at, means, 0.6, color=BLUE, xerr=sds, ecolor=INK, error_kw={"elinewidth": 1.0})
    axes.set_yticks(list(at), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.axvline(0.0, color=MUTED, lw=0.8)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
