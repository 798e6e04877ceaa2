"""What the model learns from: every modelled metric as arrays, in the model's own scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from campaigns.objective import OutcomeConstraint
from campaigns.records import FailureKind

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.objective import Objective
    from campaigns.records import Setting
    from loop.history import History

Array = NDArray[np.float64]

# A measurement called exact still gets this share of the metric's variance as noise: without it
# the covariance matrix of close settings is singular in double precision.
LEAST_NOISE = 1e-6
# What is modelled beside the metrics where settings have failed: above 0 where a setting gave an
# outcome, below where it failed as infeasible. No instrument measures a metric of this name.
FEASIBLE = "(feasible)"
MARGIN_NOISE = 1e-3  # small: a setting that gave an outcome stays believed to be feasible


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
        series: objectives' metrics first, then those of the outcome constraints, none twice, then
            `FEASIBLE` where it is asked for and settings have failed as infeasible.
        objectives: the campaign's, each with the index of its series.
        constraints: those whose metric has been measured, each with the index of its series, and
            that a setting be feasible.
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
    series = [
        _series(campaign, history, metric, noise)
        for metric in metrics(campaign)
        if history.outcomes(metric)
    ]
    return assembled(campaign, series)


def with_failures(evidence: Evidence, campaign: Campaign, history: History) -> Evidence:
    """The evidence, and where settings have failed as infeasible which of them do."""
    failed = infeasible(history)
    if not failed:
        return evidence
    return assembled(campaign, [*evidence.series, _feasibility(campaign, history, failed)])


def metrics(campaign: Campaign) -> list[str]:
    """Those of the objectives, then those of the outcome constraints, none twice."""
    names = [one.metric for one in campaign.objectives]
    return list(dict.fromkeys([*names, *(one.metric for one in campaign.constraints)]))


def assembled(campaign: Campaign, series: Sequence[Series]) -> Evidence:
    """The evidence of these series, which hold every objective."""
    index = {one.metric: i for i, one in enumerate(series)}
    constraints = [*campaign.constraints, OutcomeConstraint(FEASIBLE, at_least=0.0)]
    return Evidence(
        tuple(series),
        tuple((index[o.metric], o) for o in campaign.objectives),
        tuple((index[c.metric], c) for c in constraints if c.metric in index),
    )


def infeasible(history: History, fidelity: str = "") -> list[Setting]:
    """Settings that failed as infeasible; what a person has rejected says nothing of the rest."""
    return [
        trial.parameters
        for trial in history.trials.values()
        if trial.fidelity == fidelity
        and trial.failure is not None
        and trial.failure.kind is not FailureKind.REJECTED
        and history.infeasible(trial.parameters, fidelity)
    ]


def _feasibility(campaign: Campaign, history: History, failed: Sequence[Setting]) -> Series:
    """How far every setting is from the other side, as one more outcome to keep."""
    told = history.outcomes(campaign.objectives[0].metric, exact=False)
    fine = [trial.parameters for trial, _ in told]
    x = encoded(campaign, [*fine, *failed])
    margin = margins(x, np.arange(len(x)) < len(fine))
    return Series(FEASIBLE, x, margin, np.full(len(x), MARGIN_NOISE), offset=0.0, scale=1.0)


def margins(x: Array, fine: NDArray[np.bool_]) -> Array:
    """The distance of each row (n x d) to the nearest of the other side, below 0 for those that are
    not fine, divided by the mean distance (n).

    It is nearly linear across the border, which labels of +1 and -1 are not: a smooth process fits
    it, and tells further failures beyond the border instead of falling back to even odds.
    """
    sign = np.where(fine, 1.0, -1.0)
    if fine.all() or not fine.any():
        return sign
    distance = np.sqrt(((x[:, None, :] - x[None, :, :]) ** 2).sum(-1))
    nearest = np.where(fine[:, None] != fine[None, :], distance, np.inf).min(axis=1)
    scaled: Array = sign * nearest / nearest.mean()
    return scaled


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
