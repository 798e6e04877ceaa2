"""Fresh repeats of the recommended setting, and means over runs of one setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.objective import Objective
from campaigns.records import Outcome, Purpose, Trial
from loop.state import CampaignState

REPEATS = 3  # from so many runs on their own scatter tells their standard error


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean over runs of one setting; `error` is its standard error, None if not known."""

    value: float
    error: float | None
    runs: int

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Mean | None:
        """The error is taken from the scatter of three runs or more, else from what the runs state
        of themselves; None without any outcome."""
        if not outcomes:
            return None
        n = len(outcomes)
        mean = math.fsum(one.mean for one in outcomes) / n
        if n >= REPEATS:
            squares = math.fsum((one.mean - mean) ** 2 for one in outcomes)
            return cls(mean, math.sqrt(squares / (n - 1) / n), n)
        sems = [one.sem for one in outcomes if one.sem is not None]
        error = math.sqrt(math.fsum(sem**2 for sem in sems)) / n if len(sems) == n else None
        return cls(mean, error, n)


def towards_curve(state: CampaignState) -> Objective | None:
    """The first objective that is the discrepancy from a target of several values."""
    return next((one for one in state.campaign.objectives if one.curve is not None), None)


def confirmations(state: CampaignState, metric: str) -> list[tuple[Trial, Outcome]]:
    """The fresh repeats of the recommended setting that gave the metric."""
    best, history = state.recommendation, state.history
    if best is None:
        return []
    key = history.key(best.parameters)
    return [
        (trial, outcome)
        for trial, outcome in history.outcomes(metric)
        if trial.purpose is Purpose.CONFIRM and history.key(trial.parameters) == key
    ]


def remeasured(state: CampaignState) -> tuple[Objective, Mean] | None:
    """The discrepancy over the fresh repeats of the recommended setting, where there are some."""
    objective = towards_curve(state)
    if objective is None:
        return None
    mean = Mean.of([outcome for _, outcome in confirmations(state, objective.metric)])
    return None if mean is None else (objective, mean)
