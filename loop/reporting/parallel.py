"""Figure of the front's settings: one line each through all parameters and objectives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from campaigns.objective import Objective
from campaigns.records import Setting
from campaigns.space import Choice, Integer, Parameter
from loop.reporting.drawing import (
    CARD,
    COLOURS,
    GREY,
    GRID,
    INK,
    MUTED,
    ORANGE,
    as_pixels,
    drawn,
    figure,
)
from loop.reporting.front import lines, recommended, tried, window
from loop.reporting.record import Record
from loop.summary import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

PARAMETERS = 12  # with an axis, the first ones
OBJECTIVES = 4
GAP = 0.35  # of an axis' distance, more between parameters and objectives
OPTIONS = 8  # labelled one by one up to here
HEADS = 4  # lines of an axis' name
WIDE = 1220.0  # text of one point that fits side by side above all axes, in characters
FRONT = 16  # settings above which the lines are finer
SHADES = (0.25, 0.88)  # of the colour map: its ends are lost on a dark and on a light page

Values = tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """One upright axis: what stands above it, where a value lies in [0, 1], and its ticks."""

    name: str
    unit: str
    goal: str
    place: float
    height: Callable[[Any], float]
    ticks: Sequence[tuple[float, str]]


def parallel(record: Record) -> str:
    """SVG: the front in parallel coordinates, coloured by the first objective."""

    def draw() -> Figure | None:
        told = lines(record.state)
        objectives = record.campaign.objectives[:OBJECTIVES]
        if len(objectives) < 2 or not told:
            return None
        others = [(one.parameters, one.values) for one in tried(record.state)]
        axes = _axes(record, objectives, told, others)
        made = figure(10.0, 5.0)
        panel = made.subplots()
        _draw(panel, record, axes, told, others)
        return made

    return drawn("parallel", "Parameters and objectives of the front", draw)


def _draw(
    panel: Axes,
    record: Record,
    axes: Sequence[Axis],
    told: Sequence[tuple[Setting, Values]],
    others: Sequence[tuple[Setting, Values]],
) -> None:
    first = len(axes) - min(len(record.campaign.objectives), OBJECTIVES)
    end = axes[-1].place
    panel.axvspan(axes[first].place - 0.5, end + 0.5, color=GRID, alpha=0.4, lw=0)
    _background(panel, axes, first, others)
    colours, low, high = _colours(), min(v[0] for _, v in told), max(v[0] for _, v in told)

    fine = 1.6 if len(told) <= FRONT else 1.1

    def colour(value: float) -> Any:
        return colours(0.5 if high == low else (value - low) / (high - low))

    for setting, values in sorted(told, key=lambda one: recommended(record.state, one[0])):
        chosen = recommended(record.state, setting)
        panel.plot(
            [axis.place for axis in axes], _heights(axes, first, setting, values),
            color=ORANGE if chosen else colour(values[0]), lw=3.2 if chosen else fine,
            alpha=1.0 if chosen else 0.85, zorder=4 if chosen else 3,
            label="recommended" if chosen else None,
        )  # fmt: skip
    for axis in axes:
        _axis(panel, axis, len(axes))
    _scale(panel, axes[first], colour, low, high)
    panel.set_xlim(-0.6, end + 0.6)
    panel.set_ylim(-0.05, 1.04)
    panel.set_axis_off()


def _background(
    panel: Axes, axes: Sequence[Axis], first: int, others: Sequence[tuple[Setting, Values]]
) -> None:
    from matplotlib.collections import LineCollection

    places = [axis.place for axis in axes]
    paths = [
        list(zip(places, _heights(axes, first, setting, values), strict=True))
        for setting, values in others
    ]
    drawn_lines = LineCollection(paths, colors=GREY, linewidths=0.7, alpha=0.4, zorder=1)
    drawn_lines.set_rasterized(as_pixels(len(paths) * len(axes)))
    panel.add_collection(drawn_lines, autolim=False)


def _heights(axes: Sequence[Axis], first: int, setting: Setting, values: Values) -> list[float]:
    free = [axis.height(setting[axis.name]) for axis in axes[:first]]
    return [*free, *(axis.height(v) for axis, v in zip(axes[first:], values, strict=False))]


def _colours() -> Colormap:
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    whole, (low, high) = colormaps[COLOURS], SHADES
    steps = [whole(low + (high - low) * i / 63) for i in range(64)]
    return LinearSegmentedColormap.from_list("front", steps)


# axes ----------------------------------------------------------------------------------------


def _axes(
    record: Record,
    objectives: Sequence[Objective],
    told: Sequence[tuple[Setting, Values]],
    others: Sequence[tuple[Setting, Values]],
) -> list[Axis]:
    parameters = record.campaign.space.parameters[:PARAMETERS]
    made = [_of_parameter(one, float(place)) for place, one in enumerate(parameters)]
    for i, objective in enumerate(objectives):
        low, high = window([v[i] for _, v in told], [v[i] for _, v in others])
        made.append(_of_objective(objective, len(parameters) + GAP + i, low, high))
    return made


def _of_parameter(parameter: Parameter, place: float) -> Axis:
    if isinstance(parameter, Choice):
        return Axis(parameter.name, parameter.unit, "", place, *_options(parameter))
    low, high = float(parameter.low), float(parameter.high)
    inner = _decades(low, high) if parameter.scale == "log" else _rounds(low, high, parameter)

    def height(value: Any) -> float:
        return float(parameter.encode([value])[0, 0])

    ticks = [(height(value), _text(value)) for value in (low, *inner, high)]
    unit = parameter.unit if parameter.scale == "linear" else f"{parameter.unit}, log"
    return Axis(parameter.name, unit, "", place, height, _apart(ticks))


def _options(parameter: Choice) -> tuple[Callable[[Any], float], list[tuple[float, str]]]:
    options = parameter.options
    if parameter.ordered:
        places = [float(x) for x in parameter.encode(options)[:, 0]]
    else:
        places = [i / max(1, len(options) - 1) for i in range(len(options))]
    if len(options) == 1:
        places = [0.5]
    at = dict(zip(options, places, strict=True))
    texts = [one if isinstance(one, str) else _text(one) for one in options]
    ticks = sorted(zip(places, texts, strict=True))
    if len(ticks) > OPTIONS:
        ticks = _apart([ticks[0], *ticks[1:-1:3], ticks[-1]])
    return at.__getitem__, ticks


def _of_objective(objective: Objective, place: float, low: float, high: float) -> Axis:
    def height(value: float) -> float:
        return (value - low) / (high - low)

    inner = [(height(v), _text(v)) for v in _rounds(low, high, None)]
    goals = {"maximize": "↑ max", "minimize": "↓ min"}
    goal = goals.get(objective.goal, "")
    if objective.point is not None:
        goal = f"target {_text(objective.point)}"
    return Axis(objective.metric, objective.unit, goal, place, height, inner)


def _rounds(low: float, high: float, parameter: Parameter | None) -> list[float]:
    """A few round values between two others."""
    from matplotlib.ticker import MaxNLocator

    whole = isinstance(parameter, Integer)
    found = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(low, high)
    return [float(value) for value in found if low < value < high]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten between two values, or 2 and 5 times these where they are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = [10.0**i for i in range(first, last + 1)]
    if last - first <= 2:
        powers = [part * power for power in powers for part in (1.0, 2.0, 5.0)]
    return [value for value in powers if low < value < high]


def _apart(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Both ends, and of the others those that stand clear of them and of each other."""
    kept = [ticks[0]]
    for tick in ticks[1:-1]:
        if tick[0] - kept[-1][0] > 0.09 and ticks[-1][0] - tick[0] > 0.09:
            kept.append(tick)
    return [*kept, ticks[-1]]


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return number(value) if 1000 <= abs(value) < 1e6 else f"{value:.4g}"


def _axis(panel: Axes, axis: Axis, count: int) -> None:
    size = 10.5 if count <= 8 else 9.5 if count <= 11 else 8.6
    panel.plot([axis.place] * 2, [0.0, 1.0], color=MUTED, lw=1.1, zorder=5)
    for height, label in axis.ticks:
        panel.plot([axis.place - 0.04, axis.place], [height] * 2, color=MUTED, lw=1.0, zorder=5)
        panel.annotate(
            _cut(label, 12), (axis.place, height), (-5, 0), textcoords="offset points",
            ha="right", va="center", fontsize=size - 1.0, color=INK, zorder=6,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": CARD, "alpha": 0.7, "lw": 0},
        )  # fmt: skip
    head = _head(axis, room=int(WIDE / size / count))
    panel.annotate(head, (axis.place, 1.0), (0, 12), textcoords="offset points", ha="center",
                   va="bottom", fontsize=size, color=INK, linespacing=1.25)  # fmt: skip


def _head(axis: Axis, room: int) -> str:
    """The name over several lines, its unit below; an objective's goal at the top."""
    from textwrap import wrap

    words = " ".join(_cut(word, room) for word in axis.name.replace("_", " ").split())
    found = wrap(words, room, break_long_words=False)[:HEADS]
    unit = axis.unit.removeprefix("1, ") if axis.unit != "1" else ""
    return "\n".join([*([axis.goal] if axis.goal else []), *found, *([f"({unit})"] * bool(unit))])


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def _scale(
    panel: Axes, axis: Axis, colour: Callable[[float], Any], low: float, high: float
) -> None:
    """The first objective's axis in the colours of the lines: their key."""
    for i in range(40):
        ends = [low + (high - low) * (i + j) / 40 for j in (0, 1)]
        panel.plot([axis.place] * 2, [axis.height(end) for end in ends], lw=5,
                   color=colour(sum(ends) / 2), solid_capstyle="butt", zorder=6)  # fmt: skip
