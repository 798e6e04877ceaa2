"""What the outcomes of a campaign say of its objective, setting by setting."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from campaigns.problems import CampaignError
from campaigns.records import Setting, Trial
from loop.optimizers.gaussian_process import Array, Places

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.objective import Objective
    from loop.history import History, Key


@dataclass(frozen=True, slots=True)
class Evidence:
    """The objective's outcomes, larger being better; n settings, m outcomes.

    settings: the n different settings, first measured first; latest: the latest trial of each (n);
    place: which setting each outcome belongs to (m,); y: outcomes times the objective's sign (m,);
    sem: their standard errors (m,), NaN where unknown; barred: settings that a measured outcome
    constraint or a failure rules out. Censored outcomes bound a value without telling it, and are
    left out.
    """

    objective: Objective
    settings: tuple[Setting, ...]
    latest: tuple[int, ...]
    place: Places
    y: Array
    sem: Array
    barred: frozenset[Key]

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
        return cls(
            objective=objective,
            settings=tuple(latest[key].parameters for key in places),
            latest=tuple(latest[key].number for key in places),
            place=np.array([places[history.key(t.parameters)] for t, _ in found], dtype=np.intp),
            y=np.array([outcome.mean for _, outcome in found], dtype=np.float64) * objective.sign,
            sem=np.array(sems, dtype=np.float64),
            barred=violating(campaign, history),
        )

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


def violating(campaign: Campaign, history: History) -> frozenset[Key]:
    """Settings whose mean outcome breaks an outcome constraint."""
    barred: set[Key] = set()
    for constraint in campaign.constraints:
        values: defaultdict[Key, list[float]] = defaultdict(list)
        for trial, outcome in history.outcomes(constraint.metric):
            values[history.key(trial.parameters)].append(outcome.mean)
        for key, measured in values.items():
            if not constraint.met(sum(measured) / len(measured)):
                barred.add(key)
    return frozenset(barred)
