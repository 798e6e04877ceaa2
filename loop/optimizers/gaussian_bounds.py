"""Bounds beside the outcomes of a Gaussian process: what they say, and as what they enter it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from loop.optimizers.censoring import Sites, conditioned, moments, sites_of
from loop.optimizers.gaussian_process import JITTER, Array, Data, Prior


@dataclass(frozen=True, slots=True)
class Bounds:
    """Outcomes that are known to lie beyond a value; k of them.

    points: k x d coordinates; value: what is known (k,); side: 1 where the outcome is larger, -1
    where it is smaller (k,); sem: standard error of the outcome (k,), NaN where none was stated.
    """

    points: Array
    value: Array
    side: Array
    sem: Array

    def __len__(self) -> int:
        return len(self.value)

    def noise(self, prior: Prior, data: Data) -> Array:
        """Noise variance of each outcome (k,), as `Prior.noise` has it; where no sem was stated,
        that of the exact outcomes stands in: a bound is not known better than a value."""
        if prior.noise_sd is None:
            sem = np.where(np.isnan(self.sem), data.stated_sem, self.sem)
            variances = sem**2 + prior.spread_sd**2
        else:
            variances = np.full(len(self), prior.noise_sd**2)
        return np.maximum(variances, JITTER * prior.variance)


def centre_and_scale(data: Data, bounds: Bounds) -> tuple[float, float]:
    """Mean and standard deviation of the outcomes, those behind bounds thought in; see
    `censoring.moments`. Where nothing differs, the stated sem is the scale, else the size."""
    values = np.concatenate([data.y, bounds.value])
    side = np.concatenate([np.zeros(len(data.y)), bounds.side])
    centre, scale = moments(values, side)
    return centre, scale or data.stated_sem or abs(centre) or 1.0


def sites(prior: Prior, data: Data, bounds: Bounds) -> Sites:
    """The Gaussian outcomes that say what the bounds do, given the exact ones.

    Exact outcomes are conditioned on first, in closed form; only the bounds are approximated.
    log_z is the log probability of the bounds given the exact outcomes.
    """
    if data.y.size:
        points, (values, variances) = data.points, data.pooled(prior.noise(data))
    else:
        points, values, variances = bounds.points[:0], data.y, data.y
    points = np.concatenate([points, bounds.points])
    covariance = prior.covariance(points, points)
    before = conditioned(np.full(len(points), prior.mean), covariance, values, variances)
    return sites_of(*before, bounds.value, bounds.side, bounds.noise(prior, data))


def with_sites(prior: Prior, data: Data, bounds: Bounds) -> Data:
    """The data and, as outcomes of points of their own, the sites of the bounds."""
    if not len(bounds):
        return data
    found = sites(prior, data, bounds)
    places = len(data.points) + np.arange(len(bounds), dtype=np.intp)
    unknown = np.full(len(bounds), np.nan)
    return replace(
        data,
        points=np.concatenate([data.points, bounds.points]),
        place=np.concatenate([data.place, places]),
        y=np.concatenate([data.y, found.mean]),
        sem=np.concatenate([data.sem, unknown]),
        known=np.concatenate([np.full(len(data.y), np.nan), found.variance]),
    )
