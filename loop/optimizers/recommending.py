"""From outcomes to the one setting believed best, with the interval of its objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from campaigns.records import Estimate, Recommendation, Setting
from loop.optimizers.base import NothingToRecommend
from loop.optimizers.candidates import pool
from loop.optimizers.evidence import Evidence
from loop.optimizers.gaussian_process import Array

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from loop.history import History
    from loop.optimizers.gaussian_model import GaussianModel

SAMPLED = 2048  # settings looked at where the whole of an endless space is asked about


def by_posterior_mean(campaign: Campaign, history: History, model: GaussianModel) -> Recommendation:
    """The setting with the best posterior mean, among those tried or in the whole space.

    A setting of which only a bound is known was tried, too. Ties go to the setting measured (or
    listed) first. Raises NothingToRecommend, also where no outcome at all is exact.
    """
    evidence = _evidence(campaign, history)
    settings = _permitted(history, evidence, evidence.tried())
    if campaign.recommend.among == "space":
        settings = _permitted(history, evidence, _whole(campaign, settings))
    posterior = model.posterior(campaign.space, evidence, settings)
    best = int(np.argmax(posterior.mean))
    return _recommendation(
        campaign, history, evidence, settings[best],
        float(posterior.mean[best]), float(posterior.sd[best]),
    )  # fmt: skip


def best_observed(campaign: Campaign, history: History) -> Recommendation:
    """The setting with the best mean outcome: no model, and too lucky by nature.

    The interval comes from the stated standard errors; where there are none, from what repeats
    scatter by, and without repeats from what all outcomes differ by (wide, on the safe side).
    Raises NothingToRecommend.
    """
    evidence = _evidence(campaign, history)
    permitted = {history.key(s) for s in _permitted(history, evidence, evidence.settings)}
    means = evidence.means()
    open_ = np.array([history.key(s) in permitted for s in evidence.settings])
    best = int(np.argmax(np.where(open_, means, -np.inf)))
    return _recommendation(
        campaign, history, evidence, evidence.settings[best],
        float(means[best]), _mean_sd(evidence, means, best),
    )  # fmt: skip


def _evidence(campaign: Campaign, history: History) -> Evidence:
    evidence = Evidence.of(campaign, history)
    if not evidence.settings:
        raise NothingToRecommend(f"no trial has an outcome for {evidence.objective.metric} yet")
    return evidence


def _permitted(history: History, evidence: Evidence, settings: Sequence[Setting]) -> list[Setting]:
    """Those that neither an outcome constraint nor a failure rules out."""
    kept = [
        setting
        for setting in settings
        if history.key(setting) not in evidence.barred and not history.infeasible(setting)
    ]
    if not kept:
        raise NothingToRecommend("no setting with an outcome meets the outcome constraints")
    return kept


def _whole(campaign: Campaign, tried: Sequence[Setting]) -> Sequence[Setting]:
    """The whole space, or a fixed sample of it around and away from what was tried."""
    return pool(campaign.space, SAMPLED, tried, np.random.default_rng(campaign.seed))


def _mean_sd(evidence: Evidence, means: Array, best: int) -> float:
    """Standard error of the mean outcome of setting `best`."""
    mine = evidence.place == best
    count = int(mine.sum())
    sems = evidence.sem[mine]
    if not np.isnan(sems).any():
        return float(np.sqrt(np.sum(sems**2))) / count
    scatter = evidence.y - means[evidence.place]
    repeats = len(scatter) - len(means)
    if repeats:
        return math.sqrt(float(scatter @ scatter) / repeats / count)
    return float(np.std(evidence.y)) / math.sqrt(count)


def _recommendation(
    campaign: Campaign,
    history: History,
    evidence: Evidence,
    setting: Setting,
    mean: float,
    sd: float,
) -> Recommendation:
    objective, level = evidence.objective, campaign.recommend.level
    half = NormalDist().inv_cdf(0.5 + level / 2.0) * sd
    mean *= objective.sign
    estimate = Estimate(mean, mean - half, mean + half, level, objective.unit)
    limits = evidence.limits
    numbers = {history.key(s): n for s, n in zip(limits.settings, limits.trials, strict=True)}
    numbers |= {
        history.key(s): number for s, number in zip(evidence.settings, evidence.latest, strict=True)
    }
    return Recommendation(
        parameters=dict(setting),
        objectives={objective.metric: estimate},
        trial=numbers.get(history.key(setting)),
    )
