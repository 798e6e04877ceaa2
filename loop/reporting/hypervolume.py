"""Figure of the hypervolume: how much of the objectives' space the search has come to dominate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from campaigns.objective import Objective
from loop.optimizers.hypervolume import hypervolume
from loop.reporting.drawing import BLUE, INK, drawn, figure, thousands
from loop.reporting.front import (
    Array,
    Outcomes,
    Tried,
    reference_point,
    tried,
    utilities,
)
from loop.reporting.record import Record
from loop.summary import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 5  # objectives up to which the exact volume is computed: its cost grows with their number
LINE = 18  # characters of the unit beside the name
LF = "\n"


@dataclass(frozen=True, slots=True)
class Step:
    """The volume from `trials` ended trials, or `hours` instrument-hours, on."""

    trials: float
    hours: float
    volume: float


@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """How the dominated volume grew.

    reference: where it is measured from, all objectives to be maximised (m); steps: one wherever it
    changed, and the last moment.
    """

    reference: Array
    steps: tuple[Step, ...]


def growth(record: Record) -> Growth | None:
    """The hypervolume over the campaign; None with one objective, or before a setting counts.

    Settings count with the mean of the outcomes they had by then, as far as these meet the outcome
    constraints. The reference point follows from the final data, and is the same throughout.
    """
    objectives = record.campaign.objectives
    if not 2 <= len(objectives) <= MOST:
        return None
    final = utilities(objectives, [one.values for one in tried(record.state) if one.allowed])
    if not len(final):
        return None
    reference, outcomes = reference_point(final), Outcomes(record.state)
    steps, known = [Step(0.0, 0.0, 0.0)], set[int]()
    for moment in record.moments:
        if moment.ended is None or moment.ended in known or not outcomes.add(moment.ended):
            continue
        known.add(moment.ended)
        volume = _volume(objectives, outcomes.found, reference)
        if volume != steps[-1].volume:
            steps.append(Step(moment.trials, moment.hours, volume))
    last = record.moments[-1]
    return Growth(reference, (*steps, Step(last.trials, last.hours, steps[-1].volume)))


def _volume(objectives: Sequence[Objective], found: Sequence[Tried], reference: Array) -> float:
    points = utilities(objectives, [one.values for one in found if one.allowed])
    return hypervolume(points, reference)


def over_cost(record: Record, found: Growth | None) -> str:
    """SVG: the hypervolume over trials and over instrument-hours."""

    def draw() -> Figure | None:
        if found is None:
            return None
        from matplotlib.ticker import MaxNLocator

        made = figure(10.0, 3.4)
        left, right = made.subplots(1, 2, sharey=True)
        _curve(left, [one.trials for one in found.steps], found.steps)
        _curve(right, [one.hours for one in found.steps], found.steps)
        left.set_ylim(0.0, 1.12 * max(one.volume for one in found.steps) or 1.0)
        left.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        left.set_xlabel("trials with an outcome")
        right.set_xlabel("instrument-hours")
        left.set_ylabel(_label(record))
        thousands(left, "y")
        thousands(right)
        return made

    return drawn("hypervolume", "Hypervolume over trials and over instrument-hours", draw)


def _curve(axes: Axes, x: Sequence[float], steps: Sequence[Step]) -> None:
    y = [one.volume for one in steps]
    axes.fill_between(x, y, step="post", color=BLUE, alpha=0.13, lw=0)
    axes.step(x, y, where="post", color=BLUE)
    axes.plot(x[-1], y[-1], "o", color=BLUE, ms=6, clip_on=False)
    axes.annotate(number(y[-1]), (x[-1], y[-1]), (-2, 7), textcoords="offset points", ha="right",
                  color=INK, fontsize=10.5, annotation_clip=False)  # fmt: skip
    axes.set_xlim(left=0.0)


def _label(record: Record) -> str:
    """`hypervolume (Wh/kg · W/kg)`."""
    units = [one.unit for one in record.campaign.objectives if one.unit not in ("", "1")]
    told = f"({' · '.join(units)})" if units else ""
    return f"hypervolume{' ' if len(told) <= LINE else LF}{told}".rstrip()
