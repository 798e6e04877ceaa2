"""The figure of where the particles of a swarm went, parameter by parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from campaigns.records import Purpose, Trial, TrialState
from campaigns.space import Choice, Continuous, Integer, Parameter
from loop.optimizers.swarm import PARTICLE
from loop.reporting.drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    as_pixels,
    drawn,
    figure,
    named,
    thousands,
)
from loop.reporting.log_axis import logarithmic
from loop.reporting.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BY = "by"  # on a trial's meta
PANELS = 9
COLUMNS = 3
SWARMS = (BLUE, PURPLE)  # further swarms of one campaign take them in turn
AUTHORS = (GREEN, PURPLE, GREY)
LOST = frozenset({TrialState.FAILED, TrialState.LOST})


@dataclass(frozen=True)
class Paths:
    """The trials of a campaign by who asked for them, the repeats of winners left out.

    particles: every particle's trials in order, by swarm and number; others: all other trials, by
    their author; failed: those of both that came to nothing.
    """

    particles: Mapping[tuple[str, int], Sequence[Trial]]
    others: Mapping[str, Sequence[Trial]]
    failed: Sequence[Trial]

    @classmethod
    def of(cls, record: Record) -> Paths | None:
        """None where no trial is a particle's."""
        particles: dict[tuple[str, int], list[Trial]] = {}
        others: dict[str, list[Trial]] = {}
        trials = record.state.history.trials.values()
        searched = [trial for trial in trials if trial.purpose is not Purpose.CONFIRM]
        for trial in searched:
            if PARTICLE in trial.meta:
                one = trial.author, int(trial.meta[PARTICLE])
                particles.setdefault(one, []).append(trial)
            else:  # "by" is the part of an optimiser that asked for it
                others.setdefault(str(trial.meta.get(BY, trial.author)), []).append(trial)
        failed = [trial for trial in searched if trial.state in LOST]
        return cls(dict(sorted(particles.items())), others, failed) if particles else None

    @property
    def last(self) -> int:
        """The number of the last trial shown."""
        shown = (*self.particles.values(), *self.others.values())
        return max(trials[-1].number for trials in shown)


def swarm(record: Record) -> str:
    """SVG: a small panel a parameter, its value over the trials; "" without a particle."""

    def draw() -> Figure | None:
        from matplotlib.ticker import MaxNLocator

        paths = Paths.of(record)
        if paths is None:
            return None
        shown = record.campaign.space.parameters[:PANELS]
        columns = min(COLUMNS, len(shown))
        rows = -(-len(shown) // columns)
        made = figure(10.0, 0.7 + 2.45 * rows)
        grid = made.subplots(rows, columns, sharex=True, squeeze=False).ravel()
        for axes, parameter in zip(grid, shown, strict=False):
            _panel(axes, paths, parameter, record)
        for axes in grid[len(shown) :]:
            axes.set_visible(False)
        for axes in grid[max(0, len(shown) - columns) : len(shown)]:
            axes.set_xlabel("trial")
            axes.tick_params(labelbottom=True)
        grid[0].set_xlim(0.0, paths.last + 1.0)
        grid[0].xaxis.set_major_locator(MaxNLocator(6, integer=True))
        handles, labels = grid[0].get_legend_handles_labels()
        made.legend(handles, labels, loc="outside upper left", ncols=5)
        return made

    return drawn("swarm", "The path of the swarm", draw)


def _panel(axes: Axes, paths: Paths, parameter: Parameter, record: Record) -> None:
    height = _heights(parameter)
    _particles(axes, paths, parameter.name, height)
    for i, (author, trials) in enumerate(paths.others.items()):
        axes.plot(*_places(trials, parameter.name, height), "o", ms=4.5, mew=0,
                  color=AUTHORS[i % len(AUTHORS)], label=author,
                  rasterized=as_pixels(len(trials)))  # fmt: skip
    if paths.failed:
        axes.plot(*_places(paths.failed, parameter.name, height), "x", ms=7, mew=1.6, color=RED,
                  label="failed", rasterized=as_pixels(len(paths.failed)))  # fmt: skip
    best = record.state.recommendation
    if best is not None:
        axes.axhline(height(best.parameters[parameter.name]), color=ORANGE, lw=1.4, ls="--",
                     label="recommended", zorder=1)  # fmt: skip
    _scale(axes, parameter)


def _particles(axes: Axes, paths: Paths, name: str, height: Any) -> None:
    swarms = list(dict.fromkeys(author for author, _ in paths.particles))
    told: set[str] = set()
    for (author, _), trials in paths.particles.items():
        word = "particles" if len(swarms) == 1 else f"particles of {author}"
        axes.plot(*_places(trials, name, height), "-o", lw=0.9, ms=3.5, mew=0, alpha=0.75,
                  color=SWARMS[swarms.index(author) % len(SWARMS)],
                  label="" if author in told else word,
                  rasterized=as_pixels(len(trials) * len(paths.particles)))  # fmt: skip
        told.add(author)


def _places(trials: Sequence[Trial], name: str, height: Any) -> tuple[list[int], list[float]]:
    return [t.number for t in trials], [height(t.parameters[name]) for t in trials]


def _heights(parameter: Parameter) -> Any:
    """Where a value stands on the axis: numbers as they are, other options by their order."""
    if isinstance(parameter, Choice) and parameter.kind != "number":
        places = {option: float(i) for i, option in enumerate(parameter.options)}
        return lambda value: places[value]
    return float


def _scale(axes: Axes, parameter: Parameter) -> None:
    """The whole allowed range, on the parameter's own scale, its name above it."""
    axes.set_title(named(parameter.name, parameter.unit), loc="left")
    if isinstance(parameter, Continuous | Integer):
        low, high = float(parameter.low), float(parameter.high)
        if parameter.scale == "log":
            pad = (high / low) ** 0.04
            axes.set_ylim(low / pad, high * pad)
            logarithmic(axes, "y")
            return
        axes.set_ylim(low - 0.04 * (high - low), high + 0.04 * (high - low))
        thousands(axes, "y")
    elif parameter.kind != "number":
        axes.set_yticks(range(len(parameter.options)),
                        [named(str(option)) for option in parameter.options])  # fmt: skip
    else:
        thousands(axes, "y")
