"""How the recommended setting stands to the outcome constraints, and why none is recommended."""

from __future__ import annotations

import math
from dataclasses import dataclass

from campaigns.objective import OutcomeConstraint
from loop.state import CampaignState


@dataclass(frozen=True, slots=True)
class Kept:
    """A constrained metric of one setting: the mean over the `trials` that measured it."""

    constraint: OutcomeConstraint
    mean: float
    unit: str
    trials: int

    @property
    def met(self) -> bool:
        """Whether the mean keeps the bounds."""
        return self.constraint.met(self.mean)


def constrained(state: CampaignState) -> list[Kept]:
    """Every constrained metric that trials of the recommended setting have an outcome for."""
    best, history = state.recommendation, state.history
    if best is None:
        return []
    key, found = history.key(best.parameters), []
    for constraint in state.campaign.constraints:
        outcomes = [
            outcome
            for trial, outcome in history.outcomes(constraint.metric)
            if history.key(trial.parameters) == key
        ]
        if outcomes:
            mean = math.fsum(one.mean for one in outcomes) / len(outcomes)
            found.append(Kept(constraint, mean, outcomes[-1].unit, len(outcomes)))
    return found


def bounds_text(constraint: OutcomeConstraint) -> str:
    """`between 1 and 2`, `at least 0.8 mAh`: what a constraint asks for."""
    low, high = constraint.at_least, constraint.at_most
    unit = "" if constraint.unit in ("", "1") else f" {constraint.unit}"
    if low is not None and high is not None:
        return f"between {low:g} and {high:g}{unit}"
    return f"at least {low:g}{unit}" if low is not None else f"at most {high:g}{unit}"


def nothing_recommended(state: CampaignState) -> str:
    """Why there is no recommendation, as half a sentence."""
    measured = _measured(state)
    if not measured:
        return "no trial gave a usable measurement"
    were = f"{measured} trial{' was' if measured == 1 else 's were'} measured"
    constraints = state.campaign.constraints
    if constraints:
        wanted = " and ".join(f"{one.metric} {bounds_text(one)}" for one in constraints)
        several = "s" * (len(constraints) > 1)
        return f"{were} and none meets the outcome constraint{several}: {wanted}"
    if all(state.history.infeasible(t.parameters) for t in state.history.trials.values()):
        return f"{were}, but every setting counts as infeasible by the failure rules"
    return f"{were}; nothing is recommended yet"


def _measured(state: CampaignState) -> int:
    """Trials with an exact outcome of every objective."""
    metrics = [objective.metric for objective in state.campaign.objectives]
    found = [{trial.number for trial, _ in state.history.outcomes(metric)} for metric in metrics]
    return len(set.intersection(*found))
