"""Figures of the influence of each parameter: Sobol indices as bars, main effects as curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaigns.space import Choice
from loop.reporting.drawing import (
    BLUE,
    GREY,
    INK,
    LONGEST,
    ORANGE,
    as_pixels,
    drawn,
    figure,
    named,
    thousands,
)
from loop.reporting.influence import Influence, Share
from loop.reporting.log_axis import logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from surrogates.sensitivity import Index

BARS = 24  # parameters with bars, the most influential ones
PANELS = 12  # parameters with a curve
HALF = 0.19  # of the place between two parameters: how far the bars' middles lie off it


def bars(found: Influence, salt: str) -> str:
    """SVG: first-order and total indices of every parameter, with their intervals."""

    def draw() -> Figure:
        shares = found.shares[:BARS]
        made = figure(10.0, 1.3 + 0.5 * len(shares))
        axes = made.subplots()
        places = range(len(shares))
        for label, colour, shift, told in (
            ("alone (first order)", BLUE, -HALF, [one.first for one in shares]),
            ("with all others (total)", ORANGE, HALF, [one.total for one in shares]),
        ):
            axes.barh([i + shift for i in places], [one.value for one in told], height=1.8 * HALF,
                      color=colour, alpha=0.85, label=label, xerr=_reach(told),
                      error_kw={"ecolor": INK, "elinewidth": 1.1, "capsize": 2.5})  # fmt: skip
        axes.set_yticks(list(places), [named(one.parameter.name)[:LONGEST] for one in shares])
        axes.set_ylim(len(shares) - 0.5, -0.5)
        axes.set_xlim(0.0, 1.0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("share of the variance of " + named(found.objective.metric))
        axes.legend(loc="lower right")
        return made

    return drawn(f"influence-{salt}", f"Influence on {found.objective.metric}", draw)


def _reach(told: list[Index]) -> list[list[float]]:
    return [[one.value - one.low for one in told], [one.high - one.value for one in told]]


def curves(found: Influence, salt: str) -> str:
    """SVG: the main effect of each parameter over the outcomes of all trials."""

    def draw() -> Figure:
        shares = found.shares[:PANELS]
        columns = min(len(shares), 3)
        rows = -(-len(shares) // columns)
        made = figure(10.0, 0.5 + 2.7 * rows)
        grid = made.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        for axes, share in zip(grid, shares, strict=False):
            _panel(axes, found, share)
        for axes in grid[len(shares) :]:
            axes.set_visible(False)
        made.supylabel(named(found.objective.metric, found.objective.unit), fontsize=11.5)
        thousands(grid[0], "y")
        return made

    return drawn(f"effects-{salt}", f"Main effects on {found.objective.metric}", draw)


def _panel(axes: Axes, found: Influence, share: Share) -> None:
    parameter, effect = share.parameter, share.effect
    text = isinstance(parameter, Choice) and parameter.kind != "number"
    values = [trial.parameters[parameter.name] for trial, _ in found.points]
    x = [parameter.options.index(value) for value in values] if text else values  # type: ignore[union-attr]
    axes.scatter(x, [outcome.mean for _, outcome in found.points], s=16, c=GREY, alpha=0.7,
                 linewidths=0, rasterized=as_pixels(len(found.points)))  # fmt: skip
    if text:
        axes.errorbar(effect.at, effect.mean, [effect.mean - effect.low, effect.high - effect.mean],
                      color=BLUE, fmt="o", ms=6, capsize=3, elinewidth=1.3)  # fmt: skip
        axes.set_xticks(
            range(len(parameter.options)),  # type: ignore[union-attr]
            [named(str(option))[:12] for option in parameter.options],  # type: ignore[union-attr]
        )
    else:
        axes.fill_between(effect.at, effect.low, effect.high, color=BLUE, alpha=0.22, lw=0)
        axes.plot(effect.at, effect.mean, color=BLUE)
        if not isinstance(parameter, Choice) and parameter.scale == "log":
            logarithmic(axes, "x")
    axes.set_xlabel(named(parameter.name, parameter.unit))
