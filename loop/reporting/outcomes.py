"""Figures of what came out: predicted against measured, and the outcome over the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from campaigns.records import Bound, Setting
from campaigns.space import Choice, Parameter
from loop.reporting.drawing import (
    BLUE,
    COLOURS,
    GREEN,
    GRID,
    INK,
    MUTED,
    ORANGE,
    as_pixels,
    drawn,
    figure,
    named,
    thousands,
)
from loop.reporting.log_axis import logarithmic
from loop.reporting.record import Line, Record
from loop.summary import Standing, standings, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FACETS = 12  # at most so many levels of one parameter become small multiples
PANELS = 12  # parameters shown against the outcome
CANDIDATES = 5000  # untried settings shown


# predicted against measured ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Check:
    """How predictions compare with the measurements that came later."""

    n: int
    within: int  # measurements inside their prediction's interval
    level: float
    bias: float  # mean of predicted minus measured
    rmse: float


def checked(record: Record) -> list[Line]:
    """Trials with a prediction and, later, an exact measurement."""
    return [
        line
        for line in record.lines.values()
        if line.prediction is not None
        and line.observation is not None
        and line.observation.bound is Bound.EXACT
    ]


def check(record: Record) -> Check | None:
    """The comparison in numbers, None where there is none to make."""
    pairs = [(one.prediction, one.observation) for one in checked(record)]
    told = [(p, o.mean) for p, o in pairs if p is not None and o is not None]
    if not told:
        return None
    errors = [p.mean - measured for p, measured in told]
    return Check(
        n=len(told),
        within=sum(p.lower <= measured <= p.upper for p, measured in told),
        level=told[0][0].level,
        bias=sum(errors) / len(errors),
        rmse=(sum(error**2 for error in errors) / len(errors)) ** 0.5,
    )


def predicted_against_measured(record: Record) -> str:
    """SVG: every cell that was predicted and then ran to its end."""

    def draw() -> Figure | None:
        lines = checked(record)
        if not lines:
            return None
        made = figure(6.2, 5.0)
        axes = made.subplots()
        told = [(o.mean, p) for o, p in ((x.observation, x.prediction) for x in lines) if o and p]
        x, y = [m for m, _ in told], [p.mean for _, p in told]
        below = [max(0.0, p.mean - p.lower) for _, p in told]
        above = [max(0.0, p.upper - p.mean) for _, p in told]
        axes.errorbar(x, y, [below, above], fmt="o", ms=5, color=BLUE, ecolor=BLUE, elinewidth=1.0,
                      alpha=0.85, label=f"prediction, {told[0][1].level:.0%} interval")  # fmt: skip
        ends = [*x, *(p.lower for _, p in told), *(p.upper for _, p in told)]
        low, high = min(ends), max(ends)
        pad = 0.04 * (high - low or 1.0)
        span = (low - pad, high + pad)
        axes.plot(span, span, color=MUTED, lw=1.0, ls="--", label="predicted = measured")
        axes.set(xlim=span, ylim=span)
        axes.set_aspect("equal")
        objective = record.campaign.objectives[0]
        axes.set_xlabel("measured " + named(objective.metric, objective.unit))
        axes.set_ylabel("predicted " + named(objective.metric, objective.unit))
        thousands(axes)
        thousands(axes, "y")
        axes.legend(loc="upper left")
        return made

    return drawn("check", "Predicted against measured", draw)


# the outcome over the parameters -------------------------------------------------------------


@dataclass(frozen=True)
class Ground:
    """What the figures of the space draw."""

    names: tuple[str, ...]
    units: dict[str, str]
    found: list[Standing]
    untried: list[Setting]
    chosen: Setting | None
    label: str  # of the outcome
    logarithmic: frozenset[str]  # parameters on a logarithmic scale


def over_parameters(record: Record) -> str:
    """SVG: small multiples for three parameters with few levels, a map for two, else panels."""

    def draw() -> Figure | None:
        ground = _ground(record)
        if not ground.found:
            return None
        numeric = [name for name in ground.names if _numeric(ground, name)]
        if len(ground.names) == 3 == len(numeric):
            facet = min(numeric, key=lambda name: len(_levels(ground, name)))
            if len(_levels(ground, facet)) <= FACETS:
                return _multiples(ground, facet)
        if len(ground.names) == 2 == len(numeric):
            return _map(ground)
        return _panels(record, ground)

    return drawn("space", "Outcome over the parameters", draw)


def _ground(record: Record) -> Ground:
    space, objective = record.campaign.space, record.campaign.objectives[0]
    found = standings(record.state)
    untried: list[Setting] = []
    if space.finite and len(space.candidates) <= CANDIDATES:
        tried = {space.key(one.parameters) for one in found}
        untried = [one for one in space.candidates if space.key(one) not in tried]
    best = record.state.recommendation
    return Ground(
        names=tuple(space.names),
        units={item.name: item.unit for item in space.parameters},
        found=found,
        untried=untried,
        chosen=None if best is None else best.parameters,
        label=named(objective.metric, objective.unit),
        logarithmic=frozenset(p.name for p in space.parameters if _scale(p) == "log"),
    )


def _scale(parameter: Parameter) -> str:
    return "linear" if isinstance(parameter, Choice) else parameter.scale


def _numeric(ground: Ground, name: str) -> bool:
    return all(
        isinstance(one.parameters[name], int | float) and not isinstance(one.parameters[name], bool)
        for one in ground.found
    )


def _levels(ground: Ground, name: str) -> list[Any]:
    """The distinct values of a parameter, in order."""
    settings = [*(one.parameters for one in ground.found), *ground.untried]
    return sorted({setting[name] for setting in settings})


def _multiples(ground: Ground, facet: str) -> Figure:
    """One map a level of `facet`, all with the same axes and colours."""
    levels = _levels(ground, facet)
    columns = min(len(levels), 3)
    rows = -(-len(levels) // columns)
    x, y = (name for name in ground.names if name != facet)
    made = figure(10.0, 0.8 + 2.75 * rows)
    grid = made.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    colours = _colours(ground)
    marks = None
    for axes, level in zip(grid, levels, strict=False):
        marks = _cells(axes, ground, x, y, colours, (facet, level)) or marks
        axes.set_title(f"{named(facet)} = {value_text(level)} {_unit(ground, facet)}".strip())
    for axes in grid[len(levels) :]:
        axes.set_visible(False)
    for axes in grid[max(0, len(levels) - columns) : len(levels)]:
        axes.set_xlabel(named(x, ground.units[x]))
        axes.tick_params(labelbottom=True)
    for axes in grid[::columns]:
        axes.set_ylabel(named(y, ground.units[y]))
    if marks is not None:
        made.colorbar(marks, ax=list(grid), label="mean " + ground.label, aspect=35, pad=0.015)
    return made


def _map(ground: Ground) -> Figure:
    x, y = ground.names
    made = figure(7.4, 5.0)
    axes = made.subplots()
    marks = _cells(axes, ground, x, y, _colours(ground), None)
    axes.set_xlabel(named(x, ground.units[x]))
    axes.set_ylabel(named(y, ground.units[y]))
    if marks is not None:
        made.colorbar(marks, ax=axes, label="mean " + ground.label, aspect=30)
    return made


def _colours(ground: Ground) -> Any:
    from matplotlib.colors import Normalize

    means = [one.mean for one in ground.found]
    return Normalize(min(means), max(means) if max(means) > min(means) else min(means) + 1.0)


def _cells(
    axes: Axes, ground: Ground, x: str, y: str, colours: Any, where: tuple[str, Any] | None
) -> Any:
    """Tried settings coloured by their mean outcome, untried ones small, the chosen one ringed."""

    def here(setting: Setting) -> bool:
        return where is None or setting[where[0]] == where[1]

    rest = [one for one in ground.untried if here(one)]
    if rest:
        axes.scatter([one[x] for one in rest], [one[y] for one in rest], s=9, c=MUTED, alpha=0.55,
                     linewidths=0, rasterized=as_pixels(len(rest)))  # fmt: skip
    tried = [one for one in ground.found if here(one.parameters)]
    marks = None
    if tried:
        marks = axes.scatter(
            [one.parameters[x] for one in tried],
            [one.parameters[y] for one in tried],
            c=[one.mean for one in tried], cmap=COLOURS, norm=colours, s=95, edgecolors=MUTED,
            linewidths=0.6, rasterized=as_pixels(len(tried)),
        )  # fmt: skip
    if ground.chosen is not None and here(ground.chosen):
        axes.scatter([ground.chosen[x]], [ground.chosen[y]], s=260, facecolors="none",
                     edgecolors=ORANGE, linewidths=2.2)  # fmt: skip
    axes.grid(visible=False)
    axes.margins(0.09)
    return marks


def _unit(ground: Ground, name: str) -> str:
    unit = ground.units.get(name, "1")
    return "" if unit in ("", "1") else unit


def _panels(record: Record, ground: Ground) -> Figure:
    """Each parameter against the outcome of every trial."""
    names = ground.names[:PANELS]
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    made = figure(10.0, 0.5 + 2.9 * rows)
    grid = made.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    metric = record.campaign.objectives[0].metric
    points = record.state.history.outcomes(metric)
    for axes, name in zip(grid, names, strict=False):
        _panel(axes, ground, name, points)
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    for axes in grid[::columns]:
        axes.set_ylabel(ground.label)
    thousands(grid[0], "y")
    return made


def _panel(axes: Axes, ground: Ground, name: str, points: Sequence[tuple[Any, Any]]) -> None:
    numeric = _numeric(ground, name)
    for predicted, colour in ((True, BLUE), (False, GREEN)):
        chosen = [(t, o) for t, o in points if hasattr(o, "at_cycle") is predicted]
        if chosen:
            x = [t.parameters[name] if numeric else str(t.parameters[name]) for t, _ in chosen]
            axes.scatter(x, [o.mean for _, o in chosen], s=20, c=colour, alpha=0.75, linewidths=0,
                         rasterized=as_pixels(len(chosen)))  # fmt: skip
    if ground.chosen is not None:
        value = ground.chosen[name]
        axes.axvline(value if numeric else str(value), color=ORANGE, lw=1.6)  # type: ignore[arg-type]
    if name in ground.logarithmic:
        logarithmic(axes, "x")
    axes.set_xlabel(named(name, ground.units.get(name, "1")))
    axes.grid(color=GRID)
    axes.title.set_color(INK)
