"""What the model learns from: every modelled metric as arrays, in the model's own scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.objective import Objective, OutcomeConstraint
    from campaigns.records import Setting
    from loop.history import History

Array = NDArray[np.float64]

# A measurement called exact still gets this share of the metric's variance as noise: without it
# the covariance matrix of close settings is singular in double precision.
LEAST_NOISE = 1e-6


@dataclass(frozen=True)
class Series:
    """One metric's outcomes, standardised: value = offset + scale * y.

    Attributes:
        x: settings in the unit cube, n x d.
        y: standardised means, n.
        variance: squared standard errors in units of scale squared, n; None: to be inferred.
    """

    metric: str
    x: Array
    y: Array
    variance: Array | None
    offset: float
    scale: float

    def standardised(self, value: float) -> float:
        """A value of the metric in the model's scale."""
        return (value - self.offset) / self.scale


@dataclass(frozen=True)
class Evidence:
    """All a fit needs: one series a metric with data, and which of them mean what.

    Attributes:
        series: objectives' metrics first, then those of the outcome constraints, none twice.
        objectives: the campaign's, each with the index of its series.
        constraints: those whose metric has been measured, each with the index of its series.
    """

    series: tuple[Series, ...]
    objectives: tuple[tuple[int, Objective], ...]
    constraints: tuple[tuple[int, OutcomeConstraint], ...]

    def utility(self, means: Array) -> Array:
        """Standardised means (n x m) as objectives to be maximised (n x number of objectives)."""
        columns = []
        for index, objective in self.objectives:
            column = means[:, index]
            if objective.point is not None:
                aim = self.series[index].standardised(objective.point)
                columns.append(-np.abs(column - aim))
            else:
                columns.append(objective.sign * column)
        return np.stack(columns, axis=1)

    def excess(self, means: Array) -> Array:
        """By how much standardised means (n x m) break the outcome constraints, summed (n)."""
        total = np.zeros(len(means))
        for index, sign, limit in self.limits():
            total += np.maximum(sign * means[:, index] - limit, 0.0)
        return total

    def limits(self) -> list[tuple[int, float, float]]:
        """(series, sign, limit) a bound: `sign * y[series] <= limit` in the standardised scale."""
        found = []
        for index, constraint in self.constraints:
            one = self.series[index]
            if constraint.at_most is not None:
                found.append((index, 1.0, one.standardised(constraint.at_most)))
            if constraint.at_least is not None:
                found.append((index, -1.0, -one.standardised(constraint.at_least)))
        return found


def outcomes_known(campaign: Campaign, history: History) -> int:
    """How many outcomes the least known objective has."""
    return min(len(history.outcomes(objective.metric)) for objective in campaign.objectives)


def gather(
    campaign: Campaign, history: History, noise: Literal["observed", "inferred"]
) -> Evidence:
    """The evidence of a history in which every objective has at least one exact outcome.

    With `noise = "observed"` a metric's own standard errors are used where all its outcomes have
    one; a metric of which one outcome has none gets its noise inferred for all.
    """
    series: list[Series] = []
    index: dict[str, int] = {}
    objectives = [objective.metric for objective in campaign.objectives]
    for metric in [*objectives, *(constraint.metric for constraint in campaign.constraints)]:
        if metric not in index and history.outcomes(metric):
            index[metric] = len(series)
            series.append(_series(campaign, history, metric, noise))
    return Evidence(
        tuple(series),
        tuple((index[o.metric], o) for o in campaign.objectives),
        tuple((index[c.metric], c) for c in campaign.constraints if c.metric in index),
    )


def _series(
    campaign: Campaign, history: History, metric: str, noise: Literal["observed", "inferred"]
) -> Series:
    known = history.outcomes(metric)
    means = np.array([outcome.mean for _, outcome in known], dtype=np.float64)
    sems = [outcome.sem for _, outcome in known]
    offset, scale = float(means.mean()), _scale(means, sems)
    variance = None
    if noise == "observed" and all(sem is not None for sem in sems):
        variance = np.maximum((np.array(sems, dtype=np.float64) / scale) ** 2, LEAST_NOISE)
    x = encoded(campaign, [trial.parameters for trial, _ in known])
    return Series(metric, x, (means - offset) / scale, variance, offset, scale)


def _scale(means: Array, sems: Sequence[float | None]) -> float:
    """Standard deviation of the means; a guess from sem or size where they do not vary."""
    spread = float(means.std(ddof=1)) if len(means) > 1 else 0.0
    if spread > 1e-12 * float(np.abs(means).max()):
        return spread
    guesses = [*(sem for sem in sems if sem), float(np.abs(means).max()), 1.0]
    return next(guess for guess in guesses if guess > 0)


def encoded(campaign: Campaign, settings: Sequence[Setting]) -> Array:
    """Settings in the unit cube, n x d. Recorded ones may lie outside: the model allows it."""
    if not settings:
        return np.empty((0, campaign.space.dimension))
    return np.asarray(campaign.space.encode(settings), dtype=np.float64)
