"""The figure of what each channel did when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loop.reporting.drawing import CARD, GREY, STATES, as_pixels, drawn, figure, thousands
from loop.reporting.record import Record, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DAY_S = 86400.0
HIGHEST = 9.0  # inches
DENSE = 400  # bars of one kind above which the gaps between them are thin


def timeline(record: Record) -> str:
    """SVG: one row a channel, one bar an attempt, coloured by how it ended."""

    def draw() -> Figure | None:
        from matplotlib.ticker import MaxNLocator

        runs = [run for run in record.runs if run.end > run.start]
        if not runs:
            return None
        channels = max(run.channel for run in runs) + 1
        made = figure(10.0, min(HIGHEST, 1.5 + 0.24 * max(channels, 4)))
        axes = made.subplots()
        start = min(run.start for run in runs)
        for kind in [name for name in STATES if any(_kind(run) == name for run in runs)]:
            _bars(axes, kind, [run for run in runs if _kind(run) == kind], start)
        axes.set_ylim(channels + 0.5, 0.5)
        axes.set_xlim(0.0, 1.01 * (max(run.end for run in runs) - start) / DAY_S)
        axes.set_xlabel("days since the first start")
        axes.set_ylabel("channel")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        if runs[0].step:
            _name_steps(axes, runs)
        axes.grid(visible=False, axis="y")
        thousands(axes)
        made.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=6)
        return made

    return drawn("timeline", "What each channel did when", draw)


def _name_steps(axes: Axes, runs: Sequence[Run]) -> None:
    """The step's name beside its channels, and a line between two steps."""
    channels: dict[str, list[int]] = {}
    for run in runs:
        channels.setdefault(run.step, []).append(run.channel + 1)
    middles = [(min(found) + max(found)) / 2 for found in channels.values()]
    axes.set_yticks(middles, list(channels))
    axes.set_ylabel("")
    for found in channels.values():
        if max(found) < max(max(other) for other in channels.values()):
            axes.axhline(max(found) + 0.5, color=GREY, linewidth=0.8)


def _kind(run: Run) -> str:
    if run.training and run.state != "failed":
        return "training"
    return run.state if run.state in STATES else "running"


def _bars(axes: Axes, kind: str, runs: Sequence[Run], start: float) -> None:
    axes.barh(
        [run.channel + 1 for run in runs],
        [(run.end - run.start) / DAY_S for run in runs],
        left=[(run.start - start) / DAY_S for run in runs],
        height=0.78, color=STATES.get(kind, GREY), edgecolor=CARD, label=kind,
        linewidth=0.7 if len(runs) < DENSE else 0.2,
        rasterized=as_pixels(len(runs)),
    )  # fmt: skip
