"""Figure of several objectives: what was tried, and the fronts that no other setting beats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from textwrap import fill
from typing import TYPE_CHECKING

from campaigns.objective import Objective
from campaigns.records import Estimate
from loop.reporting.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    RED,
    as_pixels,
    drawn,
    figure,
    named,
    reach,
    thousands,
)
from loop.reporting.front import (
    Array,
    Tried,
    believed,
    measured_front,
    recommended,
    reference_point,
    tried,
    utilities,
    value_at,
    window,
)
from loop.reporting.record import Record
from loop.summary import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TICKS = 6  # at most, along a panel
GRID_OF = 4  # objectives in the grid of pairs, the first ones
LINE = {2: 60, 3: 34, 4: 28}  # characters of an axis label's line, by objectives shown


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What the figure draws.

    others: settings tried behind the measured front; barred: those that an outcome constraint or a
    failure rules out; believed, chosen: the model's front and the recommended setting; reference:
    of the hypervolume, all to be maximised (m); limits: of every objective's axis.
    """

    objectives: Sequence[Objective]
    others: Sequence[Tried]
    barred: Sequence[Tried]
    front: Sequence[Tried]
    believed: Sequence[Sequence[Estimate]]
    chosen: Sequence[Sequence[Estimate]]
    reference: Array | None
    limits: Sequence[tuple[float, float]]

    @property
    def outside(self) -> int:
        """How many settings lie off the axes."""
        return sum(
            any(not a <= value <= b for value, (a, b) in zip(one.values, self.limits, strict=True))
            for one in (*self.others, *self.barred)
        )


def front(record: Record) -> str:
    """SVG: every setting tried, the measured front and the model's, with its intervals."""

    def draw() -> Figure | None:
        scene = _scene(record)
        if scene is None:
            return None
        shown = min(len(scene.objectives), GRID_OF)
        made = figure(10.0, 5.2) if shown == 2 else figure(10.0, 1.2 + 2.75 * (shown - 1))
        grid = made.subplots(shown - 1, shown - 1, squeeze=False, sharex="col", sharey="row")
        for down, across in product(range(shown - 1), repeat=2):
            axes = grid[down, across]
            if across > down:
                axes.set_visible(False)
                continue
            _panel(axes, scene, across, down + 1)
            if down == shown - 2:
                axes.set_xlabel(fill(wanted(scene.objectives[across]), LINE[shown]))
            if across == 0:
                axes.set_ylabel(fill(wanted(scene.objectives[down + 1]), LINE[shown]))
        handles, labels = grid[0, 0].get_legend_handles_labels()
        if shown == 2:
            made.legend(handles, labels, loc="outside upper left", ncols=3)
        else:
            made.legend(handles, labels, loc="upper right")
        return made

    return drawn("front", "Trade-offs between the objectives", draw)


def wanted(objective: Objective) -> str:
    """`maximize energy (Wh/kg) →`: an axis label that says which way is better."""
    name = named(objective.metric, objective.unit)
    if objective.point is not None:
        return f"{name}, target {number(objective.point)}"
    return f"maximize {name} →" if objective.sign > 0 else f"← minimize {name}"


def _scene(record: Record) -> Scene | None:
    state, objectives = record.state, record.campaign.objectives
    if len(objectives) < 2:
        return None
    settings, told = tried(state), believed(state)
    best = measured_front(objectives, settings)
    if not settings and not told:
        return None
    allowed = [one for one in settings if one.allowed]
    reference = None
    if allowed:
        reference = reference_point(utilities(objectives, [one.values for one in allowed]))
    rows = [[estimates[o.metric] for o in objectives] for _, estimates in told]
    mine = [recommended(state, setting) for setting, _ in told]
    return Scene(
        objectives=objectives,
        others=[one for one in allowed if one not in best],
        barred=[one for one in settings if not one.allowed],
        front=best,
        believed=[row for row, chosen in zip(rows, mine, strict=True) if not chosen],
        chosen=[row for row, chosen in zip(rows, mine, strict=True) if chosen],
        reference=reference,
        limits=[
            _limits(objectives[i], i, settings, best, rows, reference)
            for i in range(len(objectives))
        ],
    )


def _limits(
    objective: Objective,
    place: int,
    settings: Sequence[Tried],
    best: Sequence[Tried],
    rows: Sequence[Sequence[Estimate]],
    reference: Array | None,
) -> tuple[float, float]:
    needed = [one.values[place] for one in best] + [row[place].mean for row in rows]
    if reference is not None:
        needed += [turn(reference[place]) for turn in _turns(objective)]
    wished = [one.values[place] for one in settings]
    wished += [end for row in rows for end in (row[place].lower, row[place].upper)]
    return window(needed, wished)


def _turns(objective: Objective) -> list[Callable[[float], float]]:
    """From a utility to the values that have it: one, or one to each side of a target."""
    point = objective.point
    if point is None:
        return [lambda utility: value_at(objective, utility)]
    return [lambda utility: point - utility, lambda utility: point + utility]


# one panel -----------------------------------------------------------------------------------


def _panel(axes: Axes, scene: Scene, i: int, j: int) -> None:
    """Objective `j` over objective `i`."""
    from matplotlib.ticker import MaxNLocator

    if len(scene.objectives) == 2:
        _staircase(axes, scene)
    more = f" ({scene.outside} off the axes)" if scene.outside else ""
    _dots(axes, scene.others, (i, j), "tried, mean outcome" + more, s=24, c=GREY, linewidths=0)
    _dots(axes, scene.barred, (i, j), "tried, ruled out", s=26, c=RED, marker="x", linewidths=1.2)
    _dots(axes, scene.front, (i, j), "measured front", s=44, c=GREEN, linewidths=0, zorder=3)
    level = f"{_level(scene):.0%} intervals"
    _crosses(axes, scene.believed, (i, j), BLUE, f"front by the model, {level}", 4.5)
    _crosses(axes, scene.chosen, (i, j), ORANGE, "recommended", 8.5)
    if scene.reference is not None:
        spots = [[turn(scene.reference[k]) for turn in _turns(scene.objectives[k])] for k in (i, j)]
        x, y = zip(*product(*spots), strict=True)
        axes.scatter(x, y, s=80, c=INK, marker="+", linewidths=1.5, zorder=4,
                     label="reference of the hypervolume")  # fmt: skip
    for place, line in ((i, axes.axvline), (j, axes.axhline)):
        point = scene.objectives[place].point
        if point is not None:
            line(point, color=PURPLE, lw=1.3, ls=":")
    axes.set_xlim(scene.limits[i])
    axes.set_ylim(scene.limits[j])
    axes.xaxis.set_major_locator(MaxNLocator(TICKS))
    thousands(axes)
    thousands(axes, "y")


def _level(scene: Scene) -> float:
    told = [*scene.believed, *scene.chosen]
    return told[0][0].level if told else 0.0


def _dots(
    axes: Axes, settings: Sequence[Tried], places: tuple[int, int], label: str, **look: object
) -> None:
    if settings:
        x, y = ([one.values[place] for one in settings] for place in places)
        look.setdefault("zorder", 2)
        axes.scatter(x, y, label=label, alpha=0.85, rasterized=as_pixels(len(settings)), **look)  # type: ignore[arg-type]


def _crosses(
    axes: Axes,
    rows: Sequence[Sequence[Estimate]],
    places: tuple[int, int],
    colour: str,
    label: str,
    size: float,
) -> None:
    """Means with their intervals along both axes."""
    if not rows:
        return
    x, y = ([row[place] for row in rows] for place in places)
    fine = 1.0 if len(rows) <= 20 else 0.7
    _, _, bars = axes.errorbar(
        [one.mean for one in x], [one.mean for one in y], reach(y), reach(x), fmt="D", ms=size,
        color=colour, mec="none", elinewidth=fine, label=label, zorder=5,
    )  # fmt: skip
    for bar in bars:
        bar.set_alpha(0.55)


def _staircase(axes: Axes, scene: Scene) -> None:
    """The edge of what the measured front dominates, shaded down to the reference point."""
    if scene.reference is None:
        return
    corners = _corners(utilities(scene.objectives, [one.values for one in scene.front]))
    end = scene.reference.tolist()
    path = [(end[0], corners[0][1]), *corners, (corners[-1][0], end[1])]
    for across, up in product(*map(_turns, scene.objectives)):
        x, y = [across(u) for u, _ in path], [up(u) for _, u in path]
        axes.fill([*x, across(end[0])], [*y, up(end[1])], color=GREEN, alpha=0.1, lw=0, zorder=1)
        axes.plot(x, y, color=GREEN, lw=1.6, zorder=1.5)


def _corners(points: Iterable[Sequence[float]]) -> list[tuple[float, float]]:
    """The corners between the points (n x 2, none dominated), the points among them."""
    found: list[tuple[float, float]] = []
    for x, y in sorted({(float(x), float(y)) for x, y in points}):
        if found:
            found.append((found[-1][0], y))
        found.append((x, y))
    return found
