"""What the check of a recommendation found: values believed against values measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from campaigns.objective import OutcomeConstraint
from campaigns.records import Estimate, Purpose, Setting, Trial
from loop.state import CampaignState


@dataclass(frozen=True, slots=True)
class Comparison:
    """One objective of a recommended setting, as believed and as the check measured it."""

    metric: str
    unit: str
    predicted: float
    measured: float
    tolerance: float  # relative to the prediction

    @property
    def difference(self) -> float:
        """Relative to the prediction."""
        if self.predicted == 0:
            return 0.0 if self.measured == 0 else math.copysign(math.inf, self.measured)
        return (self.measured - self.predicted) / abs(self.predicted)

    @property
    def agrees(self) -> bool:
        return abs(self.measured - self.predicted) <= self.tolerance * abs(self.predicted)


@dataclass(frozen=True, slots=True)
class Check:
    """One recommended setting, measured once more on the instrument of `[recommend.check]`.

    broken: the outcome constraints that it breaks there; reason: why there is no measurement
    """

    trial: int
    parameters: Setting
    comparisons: tuple[Comparison, ...]
    broken: tuple[OutcomeConstraint, ...] = ()
    reason: str = ""

    @property
    def agrees(self) -> bool:
        """Whether it was measured, all is within the tolerance, and no constraint is broken."""
        compared = bool(self.comparisons) and all(one.agrees for one in self.comparisons)
        return compared and not self.broken


def checks(state: CampaignState) -> list[Check]:
    """Those of the recommended setting first, then of the front's; none before they are over."""
    best = state.recommendation
    if best is None or state.campaign.recommend.check is None:
        return []
    believed = [(best.parameters, best.objectives), *best.front]
    done = {
        state.history.key(trial.parameters): trial
        for trial in state.history.trials.values()
        if trial.purpose is Purpose.CHECK and trial.state.terminal
    }
    keys = dict.fromkeys(state.history.key(setting) for setting, _ in believed)
    estimates = {state.history.key(setting): told for setting, told in reversed(believed)}
    return [_check(state, done[key], estimates[key]) for key in keys if key in done]


def _check(state: CampaignState, trial: Trial, believed: Mapping[str, Estimate]) -> Check:
    broken = tuple(
        constraint
        for constraint in state.campaign.constraints
        if constraint.metric in trial.outcomes
        and not constraint.met(trial.outcomes[constraint.metric].mean)
    )
    reason = "" if trial.failure is None else trial.failure.reason
    comparisons = tuple(_comparisons(state, trial, believed))
    return Check(trial.number, trial.parameters, comparisons, broken, reason)


def _comparisons(
    state: CampaignState, trial: Trial, believed: Mapping[str, Estimate]
) -> Iterator[Comparison]:
    spec = state.campaign.recommend.check
    assert spec is not None
    for metric, estimate in believed.items():
        if metric in trial.outcomes:
            value = trial.outcomes[metric].mean
            yield Comparison(metric, estimate.unit, estimate.mean, value, spec.tolerance)


def check_object(state: CampaignState) -> dict[str, Any] | None:
    """The check as JSON; None where the campaign has none or it is not over."""
    found, spec = checks(state), state.campaign.recommend.check
    if not found or spec is None:
        return None
    return {
        "instrument": spec.kind,
        "tolerance": spec.tolerance,
        "agree": sum(check.agrees for check in found),
        "settings": [
            {
                "trial": check.trial,
                "parameters": dict(check.parameters),
                "agrees": check.agrees,
                "objectives": {one.metric: _compared(one) for one in check.comparisons},
                "broken": [constraint.metric for constraint in check.broken],
                "reason": check.reason,
            }
            for check in found
        ],
    }


def _compared(one: Comparison) -> dict[str, Any]:
    """JSON has no infinity: a difference from nothing is null."""
    difference = one.difference if math.isfinite(one.difference) else None
    return {
        "believed": one.predicted,
        "measured": one.measured,
        "difference": difference,
        "agrees": one.agrees,
        "unit": one.unit,
    }
