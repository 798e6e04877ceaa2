"""The objective that nobody measures: how far the measured values are from a target."""

from __future__ import annotations

from collections.abc import Mapping

from campaigns.campaign import Campaign
from campaigns.objective import Objective
from campaigns.records import Bound, Observation
from campaigns.target import Target


def completed(
    campaign: Campaign, observations: Mapping[str, Observation]
) -> dict[str, Observation]:
    """The observations of one trial with every discrepancy that follows from them.

    Raises ValueError where a value cannot be compared with its target.
    """
    found = dict(observations)
    for objective in campaign.objectives:
        curve = objective.curve
        if curve is not None and all(_known(found.get(metric)) for metric in curve.metrics):
            found[objective.metric] = _discrepancy(objective, curve, found)
    return found


def corrected(
    campaign: Campaign, before: Mapping[str, Observation], change: Observation
) -> list[Observation]:
    """A corrected value and the discrepancies that change with it. Raises ValueError."""
    now = completed(campaign, {**before, change.metric: change})
    return [
        change,
        *(
            now[objective.metric]
            for objective in campaign.objectives
            if objective.curve is not None
            and change.metric in objective.curve.metrics
            and objective.metric in now
        ),
    ]


def measured(objective: Objective) -> tuple[str, ...]:
    """The metrics that an instrument must give for an objective."""
    return (objective.metric,) if objective.curve is None else objective.curve.metrics


def _known(observation: Observation | None) -> bool:
    return observation is not None and observation.bound is Bound.EXACT


def _discrepancy(
    objective: Objective, target: Target, found: Mapping[str, Observation]
) -> Observation:
    parts = [found[metric] for metric in target.metrics]
    values = {part.metric: part.mean for part in parts}
    sds = {part.metric: part.sem for part in parts if part.sem is not None}
    sem = target.spread(values, sds) if len(sds) == len(parts) else None
    sources = {part.source for part in parts}
    source = sources.pop() if len(sources) == 1 else ""
    mean = target.discrepancy(values)
    return Observation(objective.metric, mean, sem, objective.unit, source=source)
