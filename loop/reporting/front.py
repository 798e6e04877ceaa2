"""The measured front of several objectives: which tried settings no other one beats."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from campaigns.objective import Objective
from campaigns.records import Estimate, Setting
from loop.history import Key
from loop.optimizers.front import non_dominated
from loop.state import CampaignState, goodness
from loop.summary import number, ordered, unit_of, worth

Array: TypeAlias = NDArray[np.float64]
Point: TypeAlias = tuple[Setting, Mapping[str, Estimate]]

MARGIN = 0.1  # of the front's range, by which the reference point lies behind its worst
ROUNDING = 1e-9  # of numbers' size: no range beyond what arithmetic may add
SMALLEST = 1e-60  # numbers below count as 0: products of several must not vanish
EDGE = 0.05  # of an axis, left free to each side


@dataclass(frozen=True, slots=True)
class Tried:
    """One setting of which every objective is known.

    values: mean outcomes, one an objective; allowed: neither a mean outcome that breaks an outcome
    constraint nor a failure rules it out; trials: their numbers.
    """

    parameters: Setting
    values: tuple[float, ...]
    allowed: bool
    trials: tuple[int, ...]


class Outcomes:
    """The mean outcomes of every setting tried, taken in trial by trial."""

    def __init__(self, state: CampaignState) -> None:
        """Nothing is taken in yet; `state` tells what is known of each trial in the end."""
        campaign = state.campaign
        self._state = state
        self._objectives = [objective.metric for objective in campaign.objectives]
        self._values: defaultdict[int, dict[str, float]] = defaultdict(dict)
        for metric in {*self._objectives, *(bound.metric for bound in campaign.constraints)}:
            for trial, outcome in state.history.outcomes(metric):
                self._values[trial.number][metric] = outcome.mean
        self._sums: defaultdict[Key, defaultdict[str, list[float]]]
        self._sums = defaultdict(lambda: defaultdict(list))
        self._trials: defaultdict[Key, list[int]] = defaultdict(list)
        self._found: dict[Key, Tried] = {}

    @property
    def trials(self) -> list[int]:
        """The numbers of the trials that anything is known of."""
        return sorted(self._values)

    @property
    def found(self) -> list[Tried]:
        """Every setting of which each objective is known by now, in the order they came."""
        return list(self._found.values())

    def add(self, number: int) -> bool:
        """Take in a trial; whether anything is known of it."""
        values = self._values.get(number)
        if not values:
            return False
        setting = self._state.history.trial(number).parameters
        key = self._state.history.key(setting)
        for metric, value in values.items():
            self._sums[key][metric].append(value)
        self._trials[key].append(number)
        means = {m: math.fsum(told) / len(told) for m, told in self._sums[key].items()}
        if all(metric in means for metric in self._objectives):
            told = tuple(means[metric] for metric in self._objectives)
            numbers = tuple(self._trials[key])
            self._found[key] = Tried(setting, told, self._allowed(setting, means), numbers)
        return True

    def _allowed(self, setting: Setting, means: Mapping[str, float]) -> bool:
        kept = all(
            bound.metric not in means or bound.met(means[bound.metric])
            for bound in self._state.campaign.constraints
        )
        return kept and not self._state.history.infeasible(setting)


def tried(state: CampaignState) -> list[Tried]:
    """Every setting with an exact outcome of each objective."""
    outcomes = Outcomes(state)
    for trial in outcomes.trials:
        outcomes.add(trial)
    return outcomes.found


# points, all to be maximised -----------------------------------------------------------------


def utilities(objectives: Sequence[Objective], values: Sequence[Sequence[float]]) -> Array:
    """Values (n x m) turned so that larger is better: a target as minus the distance from it."""
    rows = [[goodness(o, v) for o, v in zip(objectives, row, strict=True)] for row in values]
    return np.array(rows, dtype=np.float64).reshape(-1, len(objectives))


def measured_front(objectives: Sequence[Objective], settings: Sequence[Tried]) -> list[Tried]:
    """The allowed settings that no other allowed one dominates, by their mean outcomes."""
    allowed = [one for one in settings if one.allowed]
    kept = non_dominated(utilities(objectives, [one.values for one in allowed]))
    return [one for one, keep in zip(allowed, kept.tolist(), strict=True) if keep]


def reference_point(points: Array) -> Array:
    """Where hypervolume is measured from (m): behind the worst of the front of the points (n x m).

    A tenth of the front's range behind it in every objective (Ishibuchi et al. 2011), so that the
    ends of the front count, too; where the front has no range, a tenth of all points', else of the
    value itself. Raises ValueError where there is no point.
    """
    if not len(points):
        raise ValueError("a reference point needs at least one point")
    front = points[non_dominated(points)]
    worst = front.min(axis=0)
    size = np.abs(points).max(axis=0)
    spans = np.ptp(front, axis=0), np.ptp(points, axis=0)
    rows = zip(*(one.tolist() for one in (*spans, size)), strict=True)
    span = [_width(a if a > ROUNDING * big else b, big) for a, b, big in rows]
    return np.asarray(worst - MARGIN * np.array(span), dtype=np.float64)


def _width(span: float, size: float) -> float:
    """A range of numbers of a size; the size itself, or 1, where rounding is all that it holds."""
    if size < SMALLEST:
        return 1.0
    return span if span > ROUNDING * size else size


def value_at(objective: Objective, utility: float) -> float:
    """The value of an objective that is so good; of the two around a target the larger one."""
    return objective.sign * utility if objective.point is None else objective.point - utility


def reference_text(objectives: Sequence[Objective], reference: Sequence[float]) -> str:
    """`energy 120 Wh/kg and pH 0.4 off its target`: a reference point of utilities in words."""
    told = [
        f"{one.metric.replace('_', ' ')} {number(value_at(one, u))}{unit_of(one.unit)}"
        if one.point is None
        else f"{one.metric.replace('_', ' ')} {number(-u)}{unit_of(one.unit)} off its target"
        for one, u in zip(objectives, reference, strict=True)
    ]
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


# the model's front ---------------------------------------------------------------------------


def believed(state: CampaignState) -> list[Point]:
    """The front by the recommendation's model, best of the first objective first."""
    found, first = state.recommendation, state.campaign.objectives[0].metric
    front = () if found is None else found.front
    return sorted(front, key=lambda one: worth(state, one[1][first].mean), reverse=True)


def recommended(state: CampaignState, setting: Setting) -> bool:
    """Whether a setting is the one recommended."""
    found, space = state.recommendation, state.campaign.space
    return found is not None and space.key(setting) == space.key(found.parameters)


def lines(state: CampaignState) -> list[tuple[Setting, tuple[float, ...]]]:
    """The front with a value an objective: the model's where there is one, else the measured."""
    metrics = [objective.metric for objective in state.campaign.objectives]
    front = [(s, tuple(told[m].mean for m in metrics)) for s, told in believed(state)]
    if front:
        return front
    measured = measured_front(state.campaign.objectives, tried(state))
    return [(ordered(state, one.parameters), one.values) for one in measured]


# axes ----------------------------------------------------------------------------------------


def window(needed: Sequence[float], wished: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis: all that is needed, and of what is wished as much as keeps that readable.

    Wished values count up to once the needed range to each side of it.
    """
    finite = [value for value in needed if math.isfinite(value)]
    if not finite:
        finite = [value for value in wished if math.isfinite(value)]
    low, high = min(finite), max(finite)
    span = _width(high - low, max(abs(low), abs(high)))
    shown = [value for value in wished if low - span <= value <= high + span]
    low, high = min([low, *shown]), max([high, *shown])
    pad = EDGE * max(high - low, span)
    return low - pad, high + pad
