"""Benches of several objectives: the true front of what was measured, and its hypervolume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from campaigns.objective import Objective
from campaigns.problems import CampaignError, unknown
from campaigns.records import Setting
from loop.optimizers.front import non_dominated
from loop.reporting.front import Array, reference_point, utilities, value_at
from loop.state import CampaignState, goodness
from loop.station import Station, true_values

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from loop.history import Key

Points: TypeAlias = tuple[tuple[float, ...], ...]  # a number an objective, all to be maximised


def measured(state: CampaignState) -> tuple[Setting, ...]:
    """The settings of which every objective is known, each once."""
    history = state.history
    settings: dict[Key, Setting] = {}
    known = []
    for objective in state.campaign.objectives:
        found = history.outcomes(objective.metric)
        settings |= {history.key(trial.parameters): trial.parameters for trial, _ in found}
        known.append({history.key(trial.parameters) for trial, _ in found})
    return tuple(settings[key] for key in settings if all(key in keys for keys in known))


def true_fronts(
    campaign: Campaign, line: Mapping[str, Station], stages: Sequence[Sequence[Setting]]
) -> list[Points] | None:
    """For every stage the noise-free values of its settings that no other one of it beats.

    Settings that truly break an outcome constraint are left out. None where an instrument does not
    know the truth of every setting.
    """
    settings = {campaign.space.key(one): one for stage in stages for one in stage}
    truths = _truths(campaign, line, list(settings.values()))
    if truths is None:
        return None
    values, allowed = truths
    points = dict(zip(settings, utilities(campaign.objectives, values), strict=True))
    kept = {key for key, keep in zip(settings, allowed, strict=True) if keep}
    return [_front(campaign, points, kept, stage) for stage in stages]


def _truths(
    campaign: Campaign, line: Mapping[str, Station], settings: Sequence[Setting]
) -> tuple[list[tuple[float, ...]], list[bool]] | None:
    """True values of every objective a setting, and whether it truly meets the constraints."""
    bounds = [Objective(bound.metric, unit=bound.unit) for bound in campaign.constraints]
    columns = []
    for objective in (*campaign.objectives, *bounds):
        column = true_values(line, objective, settings)
        if column is None or None in column:
            return None
        columns.append([value for value in column if value is not None])
    several = len(campaign.objectives)
    rows = list(zip(*columns, strict=True))
    allowed = [
        all(b.met(v) for b, v in zip(campaign.constraints, row[several:], strict=True))
        for row in rows
    ]
    return [row[:several] for row in rows], allowed


def _front(
    campaign: Campaign, points: Mapping[Key, Array], kept: set[Key], stage: Sequence[Setting]
) -> Points:
    keys = [key for one in stage if (key := campaign.space.key(one)) in kept]
    rows = np.array([points[key] for key in keys]).reshape(-1, len(campaign.objectives))
    return tuple(tuple(map(float, row)) for row in rows[non_dominated(rows)])


# the reference point -------------------------------------------------------------------------


def check_reference(campaign: Campaign, given: Mapping[str, float]) -> None:
    """Raises CampaignError for a name that is none of several objectives."""
    names = [objective.metric for objective in campaign.objectives]
    if given and len(names) == 1:
        raise CampaignError([f"--reference: is for several objectives; {names[0]} is the only one"])
    problems = [
        f"--reference {name}: {unknown('objective', name, names)}"
        for name in given
        if name not in names
    ]
    if problems:
        raise CampaignError(problems)


def reference(
    objectives: Sequence[Objective], fronts: Sequence[Points], given: Mapping[str, float]
) -> dict[str, float]:
    """The point that all volumes are measured from, as values of the metrics.

    What is not given lies behind the worst of the fronts taken together by a tenth of their range;
    around a target it is the larger of the two values. Empty where no front has a point to tell.
    """
    names = [objective.metric for objective in objectives]
    points = np.array([point for front in fronts for point in front]).reshape(-1, len(names))
    if not len(points):
        return dict(given) if len(given) == len(names) else {}
    found = reference_point(points).tolist()
    worst = {o.metric: value_at(o, u) for o, u in zip(objectives, found, strict=True)}
    return {**worst, **given}


def volume(objectives: Sequence[Objective], front: Points, values: Mapping[str, float]) -> float:
    """The hypervolume of a front above a reference point of metric values; 0 without one."""
    if not values:
        return 0.0
    from loop.optimizers.hypervolume import hypervolume

    corner = np.array([goodness(one, values[one.metric]) for one in objectives])
    return hypervolume(np.array(front).reshape(-1, len(objectives)), corner)
