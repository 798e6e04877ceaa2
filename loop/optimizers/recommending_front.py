"""From outcomes to the trade-offs that nothing measured beats, without a model."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING

from campaigns.records import Estimate, Recommendation
from loop.optimizers.base import NothingToRecommend
from loop.optimizers.front import knee
from loop.optimizers.measured import Measured

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from loop.history import History


def observed_front(campaign: Campaign, history: History) -> Recommendation:
    """The front of mean outcomes, and its knee as the recommended setting.

    Only settings that were tried are considered. Where all break an outcome constraint, the one
    that breaks them least is recommended. Raises NothingToRecommend until one setting has an
    outcome of every objective.
    """
    measured = Measured.of(campaign, history)
    front = measured.front()
    if not front:
        raise NothingToRecommend("no setting has an outcome of every objective yet")
    best = front[knee(measured.utility[front])]
    several = len(campaign.objectives) > 1
    return Recommendation(
        parameters=dict(measured.settings[best]),
        objectives=_estimates(campaign, measured, best),
        front=tuple(
            (dict(measured.settings[i]), _estimates(campaign, measured, i))
            for i in front
            if several
        ),
        trial=measured.latest[best],
    )


def _estimates(campaign: Campaign, measured: Measured, place: int) -> Mapping[str, Estimate]:
    level = campaign.recommend.level
    z = NormalDist().inv_cdf(0.5 + level / 2.0)
    found = {}
    for i, objective in enumerate(campaign.objectives):
        mean, half = float(measured.means[place, i]), z * float(measured.sds[place, i])
        found[objective.metric] = Estimate(mean, mean - half, mean + half, level, objective.unit)
    return found
