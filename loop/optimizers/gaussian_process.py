"""A Gaussian process for few, very noisy data: prior, exact posterior, fantasies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]
Kernel: TypeAlias = Literal["gaussian", "matern52"]

JITTER = 1e-8  # of the prior variance: keeps the matrix of noiseless data positive definite


@dataclass(frozen=True, slots=True)
class Data:
    """Repeated noisy outcomes at n different points.

    points: n x d coordinates; place: which point each of the m outcomes belongs to (m,);
    y: the outcomes (m,); sem: their standard errors (m,), NaN where none was stated; known: the
    whole noise variance of outcomes that stand in for a bound (m,), NaN for all others.
    """

    points: Array
    place: Places
    y: Array
    sem: Array
    known: Array | None = None

    def __post_init__(self) -> None:
        if not self.place.shape == self.y.shape == self.sem.shape:
            raise ValueError("place, y and sem must have one entry an outcome")

    @property
    def stated_sem(self) -> float:
        """Median of the standard errors that were stated; 0 where none was."""
        stated = self.sem[~np.isnan(self.sem)]
        return float(np.median(stated)) if stated.size else 0.0

    @property
    def scale(self) -> float:
        """What the outcomes differ by: their standard deviation, else their sem, else 1."""
        return float(np.std(self.y)) or self.stated_sem or 1.0

    def pooled(self, variances: Array) -> tuple[Array, Array]:
        """Weighted mean outcome of each point (n,) and its variance (n,).

        The pair is sufficient for what the outcomes say of the points.
        """
        n = len(self.points)
        precision = np.bincount(self.place, 1.0 / variances, n)
        return np.bincount(self.place, self.y / variances, n) / precision, 1.0 / precision


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed before any outcome: f ~ GP(N(mean, mean_sd²), sd² k(|x - x'|)).

    The kernel is exp(-r²/2) ("gaussian") or (1 + √5 r + 5r²/3) exp(-√5 r) ("matern52"), with
    r = |x - x'| / length_scale. `spread_sd` is what outcomes at one point scatter by beyond their
    own sem (one cell and the next); `noise_sd`, where given, is the noise of every outcome,
    whatever its sem. Rasmussen and Williams 2006, chapters 2 and 4.
    """

    mean: float
    sd: float
    length_scale: float
    kernel: Kernel = "gaussian"
    mean_sd: float = 0.0
    spread_sd: float = 0.0
    noise_sd: float | None = None

    def covariance(self, a: Array, b: Array) -> Array:
        """Covariance of f between the rows of a (p x d) and of b (q x d): p x q."""
        return self.at_distances(squared_distances(a, b))

    def at_distances(self, squared: Array) -> Array:
        """Covariance of f between points that lie so far apart (squared distances)."""
        if self.kernel == "gaussian":
            correlation = np.exp(squared * (-0.5 / self.length_scale**2))
        else:
            r = np.sqrt(squared) * (math.sqrt(5.0) / self.length_scale)
            correlation = (1.0 + r + r * r / 3.0) * np.exp(-r)
        return np.asarray(self.mean_sd**2 + self.sd**2 * correlation)

    @property
    def variance(self) -> float:
        """Variance of f at any one point."""
        return self.mean_sd**2 + self.sd**2

    def noise(self, data: Data) -> Array:
        """Noise variance of each outcome (m,)."""
        if self.noise_sd is None:
            variances = np.nan_to_num(data.sem, nan=0.0) ** 2 + self.spread_sd**2
        else:
            variances = np.full(data.y.shape, self.noise_sd**2)
        if data.known is not None:
            variances = np.where(np.isnan(data.known), variances, data.known)
        return np.maximum(variances, JITTER * self.variance)

    def next_noise(self, data: Data) -> float:
        """Noise variance to expect of an outcome not seen yet: the usual one so far."""
        if self.noise_sd is not None:
            return self.noise_sd**2
        noise = self.noise(data)
        if data.known is not None:
            noise = noise[np.isnan(data.known)]
        return float(np.median(noise)) if noise.size else self.variance


class Posterior:
    """Belief about f at c places, which fantasies narrow one by one.

    Attributes: prior, mean (c,), variance (c,). The joint covariance is never formed: with the
    rows of `_whitened` W (one an outcome), cov(i, j) = prior(i, j) - W[:, i]·W[:, j], and an
    outcome at j adds one row (an incremental Cholesky factor): O(c x outcomes) a fantasy.
    """

    def __init__(self, prior: Prior, data: Data, at: Array, room: int = 0) -> None:
        """at: c x d coordinates; room: fantasies to make space for."""
        from scipy.linalg import solve_triangular

        n = len(data.points)
        self.prior, self._at, self._rows = prior, at, n
        self._whitened = np.zeros((n + room, len(at)))
        self.mean = np.full(len(at), prior.mean)
        self.variance = np.full(len(at), prior.variance)
        if not n:
            return
        pooled, variances = data.pooled(prior.noise(data))
        factor = cholesky(prior.covariance(data.points, data.points), variances)
        cross = prior.covariance(data.points, at)
        white = solve_triangular(factor, cross, lower=True, check_finite=False)
        residual = solve_triangular(factor, pooled - prior.mean, lower=True, check_finite=False)
        self._whitened[:n] = white
        self.mean += white.T @ residual
        self.variance -= np.einsum("ij,ij->j", white, white)
        np.maximum(self.variance, 0.0, out=self.variance)

    @property
    def sd(self) -> Array:
        """Posterior standard deviations (c,)."""
        return np.asarray(np.sqrt(self.variance))

    def fantasise(self, place: int, noise: float) -> None:
        """Narrow the belief as an outcome at `place` with that noise variance will.

        The mean stays: the outcome is imagined to be just what is expected (Desautels, Krause and
        Burdick 2014, GP-BUCB).
        """
        if self._rows == len(self._whitened):
            self._whitened = np.vstack([self._whitened, np.zeros_like(self._whitened[:1])])
        done = self._whitened[: self._rows]
        prior = self.prior.covariance(self._at[place : place + 1], self._at)[0]
        column = prior - done[:, place] @ done
        total = max(float(self.variance[place]) + noise, JITTER * self.prior.variance)
        row = column / math.sqrt(total)
        self._whitened[self._rows] = row
        self._rows += 1
        self.variance = np.maximum(self.variance - row * row, 0.0)


def squared_distances(a: Array, b: Array) -> Array:
    """|a_i - b_j|² for the rows of a (p x d) and b (q x d): p x q, exactly 0 for equal rows."""
    total: Array = np.zeros((len(a), len(b)))
    for column in range(a.shape[1]):
        difference = a[:, column, None] - b[None, :, column]
        total += difference * difference
    return total


def cholesky(covariance: Array, variances: Array) -> Array:
    """Lower Cholesky factor of covariance (n x n) plus a diagonal (n,) and a trace of jitter."""
    matrix = covariance.copy()
    jitter = JITTER * float(covariance[0, 0])
    matrix.flat[:: len(matrix) + 1] += variances + jitter
    return np.asarray(np.linalg.cholesky(matrix))
