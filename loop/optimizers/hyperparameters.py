"""Working out a Gaussian process prior from the data, with weak beliefs that keep it sane."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from loop.optimizers.gaussian_bounds import Bounds, centre_and_scale, sites
from loop.optimizers.gaussian_process import (
    Array,
    Data,
    Kernel,
    Prior,
    cholesky,
    squared_distances,
)

# Log-normal beliefs about the hyperparameters, outcomes standardised to sd 1 and coordinates in
# the unit cube. With 8 to 50 outcomes whose noise is as large as their differences the likelihood
# says next to nothing of the length scale, so the belief about it is tight; it grows with the
# square root of the dimension like the distances themselves (Hvarfner, Hellsten, Nardi 2024).
LENGTH_SCALE = 0.25  # times sqrt(d)
LENGTH_SCALE_LOG_SD = 0.2
SD = 1.0
SD_LOG_SD = 0.3
SPREAD = 0.1  # scale of the half-Cauchy belief about the spread, beside half the stated sem
SPREAD_UNSTATED = 0.3  # the same where an outcome came without a sem

MOST_POINTS = 256  # points the hyperparameters are learnt from; more would cost and add little
MOST_BOUNDS = 128  # the same for outcomes that only bound a value
FIRST_STEP, LAST_STEP = 0.8, 0.15  # of the search, in log units
LOWEST_SPREAD = 0.02


@dataclass(frozen=True, slots=True)
class Fixed:
    """Hyperparameters that are given, in the outcome's unit; None = to be worked out."""

    mean: float | None = None
    sd: float | None = None
    noise_sd: float | None = None
    length_scale: float | None = None
    kernel: Kernel = "matern52"


def log_marginal_likelihood(prior: Prior, data: Data, squared: Array) -> float:
    """log p(y) under the prior; squared: n x n squared distances of the data's points.

    Outcomes of one point are pooled first, which is exact: what they scatter by around their
    weighted mean enters as a factor of its own.
    """
    from scipy.linalg import solve_triangular

    noise = prior.noise(data)
    pooled, variances = data.pooled(noise)
    factor = cholesky(prior.at_distances(squared), variances)
    white = solve_triangular(factor, pooled - prior.mean, lower=True, check_finite=False)
    between = -0.5 * white @ white - np.log(np.diag(factor)).sum()
    scatter = data.y - pooled[data.place]
    within = -0.5 * (scatter * scatter / noise + np.log(noise)).sum()
    constant = -0.5 * len(data.y) * math.log(2.0 * math.pi)
    return float(between + within + 0.5 * np.log(variances).sum() + constant)


def fitted(data: Data, fixed: Fixed, bounds: Bounds | None = None) -> Prior:
    """The prior that makes the data and the weak beliefs most probable together.

    What `fixed` gives stays as given. Without data the beliefs alone answer. The result moves and
    scales with the outcomes: a shift or a factor on y and sem is one on mean and sds. Bounds enter
    by the probability that they hold given the exact outcomes (`gaussian_bounds.sites`); the
    beliefs are then centred on the moments of all outcomes, those behind bounds thought in.
    """
    limits = None if bounds is None or not len(bounds) else bounds
    if not data.y.size and limits is None:
        return _start(data, fixed, 0.0, fixed.sd or 1.0, mean_sd=0.0)
    centre, scale = _moments(data, limits)
    start = _start(data, fixed, centre, scale, mean_sd=scale)
    data, limits = _thinned(data), None if limits is None else _fewer(limits)
    squared = squared_distances(data.points, data.points)
    belief = _Belief.of(data, fixed, start, _moments(data, limits)[1])
    names = belief.free

    def prior_at(logs: tuple[float, ...]) -> Prior:
        changes: dict[str, Any] = {n: math.exp(v) for n, v in zip(names, logs, strict=True)}
        return replace(start, **changes)

    def score(logs: tuple[float, ...]) -> float:
        prior = prior_at(logs)
        told = log_marginal_likelihood(prior, data, squared) if data.y.size else 0.0
        if limits is not None:
            told += sites(prior, data, limits).log_z
        return told + belief.log_density(prior)

    lowest = {"spread_sd": math.log(LOWEST_SPREAD * belief.scale)}
    best = _climbed(
        score,
        tuple(math.log(getattr(start, name)) for name in names),
        tuple(lowest.get(name, -math.inf) for name in names),
    )
    return prior_at(best)


@dataclass(frozen=True, slots=True)
class _Belief:
    fixed: Fixed
    centre: Prior
    scale: float  # what the outcomes differ by
    width: float  # of the half-Cauchy belief about the spread

    @classmethod
    def of(cls, data: Data, fixed: Fixed, centre: Prior, scale: float) -> _Belief:
        """The beliefs beside some data; asked for a density many times, so worked out once."""
        share = SPREAD_UNSTATED if np.isnan(data.sem).any() else SPREAD
        return cls(fixed, centre, scale, share * scale + 0.5 * data.stated_sem)

    @property
    def free(self) -> tuple[str, ...]:
        """The hyperparameters to be worked out."""
        given = self.fixed
        return tuple(
            name
            for name, value in (
                ("length_scale", given.length_scale),
                ("sd", given.sd),
                ("spread_sd", given.noise_sd),
            )
            if value is None
        )

    def log_density(self, prior: Prior) -> float:
        """Log density of the beliefs, up to a constant."""
        z_length = math.log(prior.length_scale / self.centre.length_scale) / LENGTH_SCALE_LOG_SD
        z_sd = math.log(prior.sd / self.centre.sd) / SD_LOG_SD
        density = -0.5 * (z_length**2 + z_sd**2)
        if self.fixed.noise_sd is None:
            density -= math.log1p((prior.spread_sd / self.width) ** 2)
        return density


def _moments(data: Data, bounds: Bounds | None) -> tuple[float, float]:
    """Mean of the outcomes and what they differ by."""
    if bounds is not None:
        return centre_and_scale(data, bounds)
    return float(np.mean(data.y)), data.scale


def _start(data: Data, fixed: Fixed, centre: float, scale: float, mean_sd: float) -> Prior:
    """Where the search starts: the centre of the beliefs; scale: what the outcomes differ by."""
    dimension = max(1, data.points.shape[1])
    return Prior(
        mean=centre if fixed.mean is None else fixed.mean,
        mean_sd=mean_sd if fixed.mean is None else 0.0,
        sd=SD * scale if fixed.sd is None else fixed.sd,
        length_scale=fixed.length_scale or LENGTH_SCALE * math.sqrt(dimension),
        kernel=fixed.kernel,
        spread_sd=SPREAD * scale if fixed.noise_sd is None else 0.0,
        noise_sd=fixed.noise_sd,
    )


def _thinned(data: Data) -> Data:
    """At most MOST_POINTS of the points, evenly taken from first to last."""
    n = len(data.points)
    if n <= MOST_POINTS:
        return data
    kept = np.linspace(0, n - 1, MOST_POINTS).round().astype(np.intp)
    new_place = np.full(n, -1, dtype=np.intp)
    new_place[kept] = np.arange(MOST_POINTS)
    rows = new_place[data.place] >= 0
    return Data(data.points[kept], new_place[data.place[rows]], data.y[rows], data.sem[rows])


def _fewer(bounds: Bounds) -> Bounds:
    """At most MOST_BOUNDS of the bounds, evenly taken from first to last."""
    k = len(bounds)
    if k <= MOST_BOUNDS:
        return bounds
    kept = np.linspace(0, k - 1, MOST_BOUNDS).round().astype(np.intp)
    return Bounds(bounds.points[kept], bounds.value[kept], bounds.side[kept], bounds.sem[kept])


def _climbed(
    score: Callable[[tuple[float, ...]], float],
    start: tuple[float, ...],
    lowest: tuple[float, ...],
) -> tuple[float, ...]:
    """A local maximum of `score` by compass search: deterministic, no gradient, never lost."""
    best, top, step = start, score(start), FIRST_STEP
    while step > LAST_STEP:
        improved = False
        for i in range(len(start)):
            for change in (step, -step):
                value = max(best[i] + change, lowest[i])
                trial = (*best[:i], value, *best[i + 1 :])
                if trial != best and (found := score(trial)) > top + 1e-9:
                    best, top, improved = trial, found, True
                    break
        step = step if improved else step / 2.0
    return best
