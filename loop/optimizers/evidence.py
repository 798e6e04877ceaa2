"""What the outcomes of a campaign say of its objective, setting by setting."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from campaigns.problems import CampaignError
from campaigns.records import Bound, Outcome, Setting, Trial
from loop.optimizers.gaussian_process import Array, Places

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.objective import Objective, OutcomeConstraint
    from loop.history import History, Key


SIDE = {Bound.AT_LEAST: 1, Bound.AT_MOST: -1}  # where the true outcome lies


@dataclass(frozen=True, slots=True)
class Limits:
    """The objective's outcomes that only bound it, larger being better; k of them.

    settings, trials: what each tells of (k); value: the bounds times the objective's sign (k,);
    side: 1 where the outcome is larger, -1 where it is smaller, the sign taken in (k,); sem: of the
    outcomes (k,), NaN where unknown.
    """

    settings: tuple[Setting, ...]
    trials: tuple[int, ...]
    value: Array
    side: Array
    sem: Array

    @classmethod
    def of(cls, history: History, objective: Objective) -> Limits:
        """The bounds known now."""
        found = bounding(history, objective.metric)
        sems = [np.nan if outcome.sem is None else outcome.sem for _, outcome in found]
        sides = [SIDE[outcome.bound] for _, outcome in found]
        return cls(
            tuple(trial.parameters for trial, _ in found),
            tuple(trial.number for trial, _ in found),
            np.array([outcome.mean for _, outcome in found], dtype=np.float64) * objective.sign,
            np.array(sides, dtype=np.float64) * objective.sign,
            np.array(sems, dtype=np.float64),
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """The objective's outcomes, larger being better; n settings, m outcomes.

    settings: the n different settings, first measured first; latest: the latest trial of each (n);
    place: which setting each outcome belongs to (m,); y: outcomes times the objective's sign (m,);
    sem: their standard errors (m,), NaN where unknown; barred: settings that a measured outcome
    constraint or a failure rules out; limits: the outcomes that bound a value without telling
    it, which are in none of the others; bounded: the different settings that have only those.
    """

    objective: Objective
    settings: tuple[Setting, ...]
    latest: tuple[int, ...]
    place: Places
    y: Array
    sem: Array
    barred: frozenset[Key]
    limits: Limits
    bounded: tuple[Setting, ...]

    @classmethod
    def of(cls, campaign: Campaign, history: History) -> Evidence:
        """What is known now. Raises CampaignError unless there is one scalar objective."""
        objective = single_objective(campaign)
        found = history.outcomes(objective.metric)
        places: dict[Key, int] = {}
        latest: dict[Key, Trial] = {}
        for trial, _ in found:
            key = history.key(trial.parameters)
            places.setdefault(key, len(places))
            latest[key] = trial
        sems = [np.nan if outcome.sem is None else outcome.sem for _, outcome in found]
        limits = Limits.of(history, objective)
        bounded = {history.key(setting): setting for setting in limits.settings}
        return cls(
            objective=objective,
            settings=tuple(latest[key].parameters for key in places),
            latest=tuple(latest[key].number for key in places),
            place=np.array([places[history.key(t.parameters)] for t, _ in found], dtype=np.intp),
            y=np.array([outcome.mean for _, outcome in found], dtype=np.float64) * objective.sign,
            sem=np.array(sems, dtype=np.float64),
            barred=violating(campaign, history),
            limits=limits,
            bounded=tuple(setting for key, setting in bounded.items() if key not in places),
        )

    def tried(self) -> tuple[Setting, ...]:
        """The settings with an exact outcome, then those of which only bounds are known."""
        return (*self.settings, *self.bounded)

    def means(self) -> Array:
        """Plain mean outcome of each setting (n,)."""
        n = len(self.settings)
        return np.asarray(np.bincount(self.place, self.y, n) / np.bincount(self.place, None, n))


def single_objective(campaign: Campaign) -> Objective:
    """The campaign's objective. Raises CampaignError where there are several, or one value is aimed
    at (the discrepancy from a target file is simply made small)."""
    kind = campaign.optimizer.kind
    if len(campaign.objectives) != 1:
        raise CampaignError(
            [f"optimizer.kind: '{kind}' takes one objective, not {len(campaign.objectives)}; "
             "'bo' and 'nsga2' take several"]
        )  # fmt: skip
    objective = campaign.objectives[0]
    if objective.point is not None:
        raise CampaignError(
            [f"optimizer.kind: '{kind}' maximizes or minimizes, also the discrepancy from a "
             "target file; objectives[0].target is a number, which 'bo' takes"]
        )  # fmt: skip
    return objective


def bounding(history: History, metric: str, fidelity: str = "") -> list[tuple[Trial, Outcome]]:
    """The outcomes of a metric that only bound it; `History.outcomes` has the exact ones."""
    found = history.outcomes(metric, exact=False, fidelity=fidelity)
    return [(trial, outcome) for trial, outcome in found if outcome.bound is not Bound.EXACT]


def violating(campaign: Campaign, history: History) -> frozenset[Key]:
    """Settings whose mean outcome breaks an outcome constraint, or of which only bounds are known
    and one of them lies beyond it."""
    barred: set[Key] = set()
    for constraint in campaign.constraints:
        values: defaultdict[Key, list[float]] = defaultdict(list)
        for trial, outcome in history.outcomes(constraint.metric):
            values[history.key(trial.parameters)].append(outcome.mean)
        for key, measured in values.items():
            if not constraint.met(sum(measured) / len(measured)):
                barred.add(key)
        for trial, outcome in bounding(history, constraint.metric):
            key = history.key(trial.parameters)
            if key not in values and _beyond(constraint, outcome):
                barred.add(key)
    return frozenset(barred)


def _beyond(constraint: OutcomeConstraint, outcome: Outcome) -> bool:
    """Whether a bound rules out that the true value keeps the constraint."""
    if outcome.bound is Bound.AT_LEAST:
        return constraint.at_most is not None and outcome.mean > constraint.at_most
    return constraint.at_least is not None and outcome.mean < constraint.at_least
