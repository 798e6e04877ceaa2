"""Outcomes that only bound a metric, made into outcomes that the models of `bo` can take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from loop.optimizers.bo_data import LEAST_NOISE, Array, Evidence, Series, encoded
from loop.optimizers.censoring import Sites, conditioned, moments, sites_of
from loop.optimizers.evidence import SIDE, bounding

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from loop.history import History

FEWEST_EXACT = 2  # exact outcomes below which bounds do not make a model worth its fit
# Fits that the sites are worked out under: one of the exact outcomes alone, whose level is too low
# where the largest are censored, and one that heard the sites. A third round moves little.
ROUNDS = 2
# A site with more variance than this, the metric's own being 1, says nothing and is left out: a
# weight of 1e-4 moves no mean, and numbers of another size make fits stop early.
LARGEST_VARIANCE = 1e4


@dataclass(frozen=True)
class Limits:
    """Bounds on one metric, in its unit; k of them.

    x: settings as the model takes them, k x d; value, side, sem: see `censoring.sites_of` (k,), the
    sem NaN where none was stated.
    """

    x: Array
    value: Array
    side: Array
    sem: Array

    @classmethod
    def of(cls, campaign: Campaign, history: History, metric: str, fidelity: str = "") -> Limits:
        """The bounds known now of a metric, as one fidelity told them."""
        found = bounding(history, metric, fidelity)
        sems = [np.nan if outcome.sem is None else outcome.sem for _, outcome in found]
        return cls(
            encoded(campaign, [trial.parameters for trial, _ in found]),
            np.array([outcome.mean for _, outcome in found], dtype=np.float64),
            np.array([SIDE[outcome.bound] for _, outcome in found], dtype=np.float64),
            np.array(sems, dtype=np.float64),
        )


def outcomes_told(campaign: Campaign, history: History) -> int:
    """How many outcomes the least known objective has, bounds counted where some are exact."""
    return min(_told(history, objective.metric) for objective in campaign.objectives)


def _told(history: History, metric: str) -> int:
    exact = len(history.outcomes(metric))
    return exact if exact < FEWEST_EXACT else len(history.outcomes(metric, exact=False))


def with_bounds(evidence: Evidence, campaign: Campaign, history: History) -> Evidence:
    """The evidence, and of every metric in it the bounds, as outcomes that say what they do.

    Use inside `fenced` only.
    """
    series = tuple(
        completed(one, Limits.of(campaign, history, one.metric), _alone) for one in evidence.series
    )
    return replace(evidence, series=series)


def _alone(series: Series) -> Any:
    from loop.optimizers.bo_model import fit

    return fit(Evidence((series,), (), ())).surrogate.model


def completed(series: Series, limits: Limits, fit: Callable[[Series], Any]) -> Series:
    """The series with the sites of its bounds, in the scale of all outcomes.

    fit: a fitted BoTorch model of one series. Where the noise is to be inferred it is that of the
    fit: the sites have variances of their own, and a model knows all variances or none.
    """
    if not len(limits.value):
        return series
    exact = _rescaled(series, limits)
    gp = fit(exact)
    variance = exact.variance
    if variance is None:
        variance = np.full(len(exact.y), max(float(gp.likelihood.noise.mean()), LEAST_NOISE))
    found = _joined(exact, variance, limits, _sites(gp, exact, variance, limits))
    for _ in range(ROUNDS - 1):
        found = _joined(exact, variance, limits, _sites(fit(found), exact, variance, limits))
    return found


def _rescaled(series: Series, limits: Limits) -> Series:
    """The series standardised by the moments of all outcomes, those behind bounds thought in."""
    values = series.offset + series.scale * series.y
    side = np.concatenate([np.zeros(len(values)), limits.side])
    offset, scale = moments(np.concatenate([values, limits.value]), side)
    scale = scale or series.scale
    variance = series.variance
    if variance is not None:
        variance = np.maximum(variance * (series.scale / scale) ** 2, LEAST_NOISE)
    return replace(
        series, y=(values - offset) / scale, variance=variance, offset=offset, scale=scale
    )


def _sites(gp: Any, exact: Series, variance: Array, limits: Limits) -> Sites:
    """The sites under a model's mean and covariance, given the exact outcomes; standardised."""
    import torch

    x = torch.from_numpy(np.concatenate([exact.x, limits.x]))
    with torch.no_grad():
        mean = gp.mean_module(x).numpy()
        covariance = gp.covar_module(x).to_dense().numpy()
    before = conditioned(mean, covariance, exact.y, variance)
    sem = limits.sem / exact.scale
    # a bound without a standard error is not known better than a value
    inferred = exact.variance is None
    noise = np.where(np.isnan(sem) | inferred, float(np.median(variance)), sem**2)
    bound = (limits.value - exact.offset) / exact.scale
    return sites_of(*before, bound, limits.side, np.maximum(noise, LEAST_NOISE))


def _joined(exact: Series, variance: Array, limits: Limits, sites: Sites) -> Series:
    told = sites.variance < LARGEST_VARIANCE
    if not told.any():
        return exact
    return replace(
        exact,
        x=np.concatenate([exact.x, limits.x[told]]),
        y=np.concatenate([exact.y, sites.mean[told]]),
        variance=np.concatenate([variance, sites.variance[told]]),
    )
