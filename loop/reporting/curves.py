"""The figure of a target: measured and simulated curves, and what every value deviates by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loop.reporting.calibration import Calibration, Compared, Curve, label
from loop.reporting.drawing import (
    BLUE,
    GREY,
    INK,
    LONGEST,
    MUTED,
    ORANGE,
    as_pixels,
    drawn,
    figure,
    named,
    thousands,
)
from loop.reporting.log_axis import logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SDS = 2.0  # standard deviations or errors that a bar or a band reaches to both sides
MOST_CURVES = 3


def measured_against_simulated(found: Calibration) -> str:
    """SVG: curves on the left where there are any, deviations of all values on the right."""

    def draw() -> Figure | None:
        if not found.runs and not found.trials:
            return None
        shown = found.curves[:MOST_CURVES]
        made = figure(10.0, max(3.6 * len(shown), 1.6 + 0.36 * len(found.compared), 3.2))
        if not shown:
            _deviations(made.subplots(), found)
            return made
        left, right = made.subfigures(1, 2, squeeze=False, width_ratios=(1.05, 1.0)).ravel()
        panels = left.subplots(len(shown), 1, squeeze=False).ravel()
        for axes, curve in zip(panels, shown, strict=True):
            _curve(axes, found, curve)
        _deviations(right.subplots(), found)
        return made

    return drawn("target", "Measured against simulated values", draw)


def _curve(axes: Axes, found: Calibration, curve: Curve) -> None:
    members = [found.compared[place] for place in curve.places]
    for i, values in enumerate(found.trials):
        axes.plot(curve.x, [values[place] for place in curve.places], color=GREY, lw=0.8,
                  alpha=0.45, label="" if i else "other trials", zorder=1,
                  rasterized=as_pixels(len(found.trials) * len(curve.x)))  # fmt: skip
    if found.runs:
        means = [one.simulated for one in members if one.simulated is not None]
        axes.errorbar(curve.x, [mean.value for mean in means],
                      [SDS * (mean.error or 0.0) for mean in means], color=BLUE, fmt="o-", ms=5,
                      capsize=3, elinewidth=1.3, label="simulated", zorder=2)  # fmt: skip
    axes.errorbar(curve.x, [one.aim.value for one in members],
                  [SDS * one.aim.sd for one in members], color=ORANGE, fmt="D", ms=6, capsize=4,
                  markerfacecolor="none", markeredgewidth=1.6, elinewidth=1.3, label="measured",
                  zorder=3)  # fmt: skip
    axes.set_xlabel(f"number in the name ({_clipped(curve.name)}_at_…)")
    axes.set_ylabel(named(label(curve.name, curve.unit), curve.unit))
    axes.set_xmargin(0.06)
    if curve.log:
        _positive(axes, found, curve, members)
        logarithmic(axes, "x")
        logarithmic(axes, "y")
    else:
        thousands(axes)
        thousands(axes, "y")
    _legend(axes, 3)


def _clipped(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _positive(axes: Axes, found: Calibration, curve: Curve, members: Sequence[Compared]) -> None:
    """Limits from the values alone: an error bar that reaches to zero would take the whole axis."""
    values = [one.aim.value for one in members]
    values += [one.simulated.value for one in members if one.simulated is not None]
    values += [row[place] for row in found.trials for place in curve.places if row[place] > 0]
    low, high = min(values), max(values)
    pad = max((high / low) ** 0.06, 1.05)
    axes.set_ylim(low / pad, high * pad)
    reach = max((curve.x[-1] / curve.x[0]) ** 0.05, 1.02)
    axes.set_xlim(curve.x[0] / reach, curve.x[-1] * reach)


def _deviations(axes: Axes, found: Calibration) -> None:
    """One row a value, the first on top: its own uncertainty, and how far the simulation is."""
    rows = [(i, one) for i, one in enumerate(found.compared) if one.uncertainty is not None]
    sure = [(i, one.uncertainty) for i, one in rows if one.uncertainty]
    if sure:
        axes.barh([i for i, _ in sure], [2.0 * SDS * width for _, width in sure],
                  left=[-SDS * width for _, width in sure], height=0.62, color=ORANGE, alpha=0.22,
                  linewidth=0, label="measured ± 2 sd")  # fmt: skip
    axes.axvline(0.0, color=MUTED, lw=1.0)
    known = [(i, one.deviation, one.deviation_error or 0.0) for i, one in rows]
    told = [(i, value, error) for i, value, error in known if value is not None]
    if told:
        axes.errorbar([value for _, value, _ in told], [i for i, _, _ in told],
                      xerr=[SDS * error for _, _, error in told], color=BLUE, fmt="o", ms=6,
                      capsize=3, elinewidth=1.3, label="simulated ± 2 s.e.")  # fmt: skip
    names = [_clipped(label(one.aim.metric, one.unit)) for one in found.compared]
    axes.set_yticks(range(len(names)), names)
    axes.use_sticky_edges = False
    axes.set_xmargin(0.06)
    axes.set_ylim(len(found.compared) - 0.5, -0.5)
    axes.set_xlabel("simulated minus measured (%)")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", colors=INK, length=0)
    _legend(axes, 2)


def _legend(axes: Axes, columns: int) -> None:
    """Above the panel: inside it would lie on the data."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles, labels, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns,
                    borderaxespad=0.2, columnspacing=1.2, handlelength=1.6)  # fmt: skip
