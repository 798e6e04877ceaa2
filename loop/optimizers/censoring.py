"""Outcomes that only bound a value, turned into Gaussian ones by expectation propagation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

# Sites less precise than this share of what the prior tells are given this precision: their weight
# is nothing, and their variance stays a number.
LEAST_PRECISION = 1e-10
MOST_SWEEPS = 300  # some 20 do; many bounds on one point, far above the mean, take a hundred
TOLERANCE = 1e-9  # of a sweep's changes, in prior standard deviations
FIRST_STEP, SMALLEST_STEP = 0.8, 0.05  # share of each change that is taken: damping
CAUTION = 0.7  # factor on that share after a sweep that changed more than the one before
MOST_NARROWING = 1.0 - 1e-9  # of a variance by one bound; rounding alone reaches beyond

JITTER = 1e-8  # of the largest variance: keeps covariances positive definite
MOST_ROUNDS = 50  # of the moments of a censored sample; where hardly any is exact it never ends


@dataclass(frozen=True, slots=True)
class Sites:
    """Gaussian outcomes that say of k values what their bounds do.

    mean, variance: of these outcomes (k,); log_z: log probability that the bounds hold.
    """

    mean: Array
    variance: Array
    log_z: float


def sites_of(mean: Array, covariance: Array, bound: Array, side: Array, noise: Array) -> Sites:
    """The sites of k bounds on jointly Gaussian values.

    An outcome is f + e, e ~ N(0, noise), and all that is known is that it lies at or above `bound`
    (side 1) or at or below it (side -1): p(bound | f) = Phi(side (f - bound) / sqrt(noise)). Its
    moments under a Gaussian are exact, the likelihood is log-concave, and the sites are those whose
    moments match (expectation propagation, Minka 2001; Groot and Lucas 2012 for Gaussian processes
    with censored data). All sites are updated at once, damped; the same input gives the same bits.

    mean (k,), covariance (k x k): of the values before these bounds; bound, side, noise: (k,).
    Raises ValueError where noise is not above 0.
    """
    if not (noise > 0).all():
        raise ValueError("the noise of a bound must be above 0")
    unit = math.sqrt(float(np.diag(covariance).max()))  # sites are found free of scale
    scaled = covariance / unit**2
    at, noise = (bound - mean) / unit, noise / unit**2
    precision, shift = np.zeros(len(mean)), np.zeros(len(mean))
    step, before = FIRST_STEP, math.inf
    for _ in range(MOST_SWEEPS):
        middle, variance = _marginals(scaled, precision, shift)
        cavity, spread = _cavities(middle, variance, precision, shift)
        new_precision, new_shift = _matched(cavity, spread, at, side, noise)
        moved = np.abs(new_precision - precision) * variance
        moved = np.maximum(moved, np.abs(new_shift - shift) * np.sqrt(variance))
        change = float(moved.max())
        if change > before:
            step = max(step * CAUTION, SMALLEST_STEP)
        before = change
        precision = precision + step * (new_precision - precision)
        shift = shift + step * (new_shift - shift)
        if change < TOLERANCE:
            break
    width = 1.0 / np.maximum(precision, LEAST_PRECISION)
    told = shift * width
    log_z = _log_z(scaled, told, width, precision, shift, at, side, noise)
    return Sites(mean + unit * told, unit**2 * width, log_z)


def conditioned(
    mean: Array, covariance: Array, values: Array, variances: Array
) -> tuple[Array, Array]:
    """Mean (k,) and covariance (k x k) of the last k of m + k jointly Gaussian values, the first m
    known with Gaussian noise.

    mean (m + k,), covariance (m + k x m + k): of all before; values, variances: of the first (m,).
    """
    from scipy.linalg import solve_triangular

    m, jitter = len(values), JITTER * float(np.diag(covariance).max())
    cross, rest = covariance[:m, m:], covariance[m:, m:].copy()
    factor = np.linalg.cholesky(covariance[:m, :m] + np.diag(variances + jitter))
    white = solve_triangular(factor, cross, lower=True, check_finite=False)
    residual = solve_triangular(factor, values - mean[:m], lower=True, check_finite=False)
    rest -= white.T @ white
    # what rounding takes away beside outcomes without noise is given back
    rest[np.diag_indices_from(rest)] += jitter + np.maximum(-np.diag(rest), 0.0)
    return mean[m:] + white.T @ residual, rest


def _marginals(covariance: Array, precision: Array, shift: Array) -> tuple[Array, Array]:
    """Means and variances (k,) given the sites, prior mean 0 (Rasmussen and Williams 2006, 3.6)."""
    from scipy.linalg import solve_triangular

    root = np.sqrt(precision)
    matrix = np.eye(len(root)) + root[:, None] * covariance * root
    factor = np.linalg.cholesky(matrix)
    white = solve_triangular(factor, root[:, None] * covariance, lower=True, check_finite=False)
    variance = np.diag(covariance) - np.einsum("ij,ij->j", white, white)
    mean = covariance @ shift - white.T @ (white @ shift)
    return mean, np.maximum(variance, LEAST_PRECISION * np.diag(covariance))


def _cavities(mean: Array, variance: Array, precision: Array, shift: Array) -> tuple[Array, Array]:
    """Means and variances (k,) of each value without its own site."""
    left = np.maximum(1.0 - precision * variance, LEAST_PRECISION)
    return (mean - shift * variance) / left, variance / left


def _matched(
    mean: Array, variance: Array, bound: Array, side: Array, noise: Array
) -> tuple[Array, Array]:
    """Precision and precision times mean (k,) of the sites that give N(mean, variance) the moments
    it has where its bound holds."""
    total = variance + noise
    z = side * (mean - bound) / np.sqrt(total)
    ratio = mills(z)
    pull = side * ratio / np.sqrt(total)
    curve = np.minimum(ratio * (z + ratio) / total, MOST_NARROWING / variance)
    left = 1.0 - variance * curve
    return curve / left, (curve * mean + pull) / left


def mills(z: Array) -> Array:
    """phi(z) / Phi(z), exact in both tails."""
    from scipy.special import erfcx

    return np.asarray(math.sqrt(2.0 / math.pi) / erfcx(-z / math.sqrt(2.0)))


def _log_z(
    covariance: Array,
    told: Array,
    width: Array,
    precision: Array,
    shift: Array,
    bound: Array,
    side: Array,
    noise: Array,
) -> float:
    """log Z of expectation propagation: the sites' own density, each corrected by what its bound
    and its site weigh under the cavity."""
    from scipy.special import log_ndtr

    cavity, spread = _cavities(*_marginals(covariance, precision, shift), precision, shift)
    z = side * (cavity - bound) / np.sqrt(spread + noise)
    own = spread + width
    apart = -0.5 * ((told - cavity) ** 2 / own + np.log(own))
    factor = np.linalg.cholesky(covariance + np.diag(width))
    white = np.linalg.solve(factor, told)
    together = -0.5 * white @ white - np.log(np.diag(factor)).sum()
    return float(together + (log_ndtr(z) - apart).sum())


def moments(values: Array, side: Array) -> tuple[float, float]:
    """Mean and standard deviation (that of np.std) of values of which some are bounds.

    side (n,): 0 where a value is exact, 1 where the true one is larger, -1 where it is smaller.
    The expectation-maximisation of a censored normal sample (Dempster, Laird and Rubin 1977), from
    the moments of the exact values; the fixed number of rounds keeps it in reach of the data.
    """
    exact = values[side == 0]
    start = exact if exact.size and np.std(exact) > 0 else values
    mean, sd = float(np.mean(start)), float(np.std(start))
    if not sd > 0:
        return mean, sd
    open_ = side != 0
    for _ in range(MOST_ROUNDS):
        z = side[open_] * (mean - values[open_]) / sd
        ratio = mills(z)
        guessed = values.copy()
        guessed[open_] = mean + side[open_] * sd * ratio
        narrowed = np.clip(1.0 - ratio * (z + ratio), 0.0, 1.0)
        spread = sd * sd * float(narrowed.sum()) / len(values)
        mean = float(np.mean(guessed))
        sd = math.sqrt(float(np.mean((guessed - mean) ** 2)) + spread)
    return mean, sd
