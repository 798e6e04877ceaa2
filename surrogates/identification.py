"""Which settings a measured curve allows: a sample of all that a model finds compatible with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
LogLikelihood: TypeAlias = Callable[[Array], Array]  # m x d -> (m,)
Settle: TypeAlias = Callable[[Array], tuple[Array, NDArray[np.bool_]]]

KEPT = 0.5  # effective share of the sample that a step towards the posterior keeps
MOVES = 5  # Metropolis moves at each temperature
MOST_STEPS = 60
MOVE_SCALE = 2.38  # times the sample's own spread, over root d (Gelman, Roberts and Gilks 1996)
INTERVAL = 0.9


@dataclass(frozen=True, slots=True)
class Marginal:
    """What the data allow of one coordinate: 5 %, 50 % and 95 % quantiles, and their distance as a
    share of what it was before any data (1: the data say nothing)."""

    low: float
    middle: float
    high: float
    share: float


def compatible(
    start: Array, log_likelihood: LogLikelihood, settle: Settle, rng: np.random.Generator
) -> Array:
    """A sample (m x d) of the posterior, from a sample `start` (m x d) of the prior.

    Sequential Monte Carlo with likelihood tempering and random-walk Metropolis moves (Del Moral,
    Doucet and Jasra 2006; Jasra et al. 2011 for the adaptive temperatures). `settle` moves
    proposed points onto allowed ones and says which of them are allowed.
    """
    x, likelihood = start.copy(), log_likelihood(start)
    temperature = 0.0
    for _ in range(MOST_STEPS):
        step = _next(likelihood, 1.0 - temperature)
        weights = _weights(likelihood, step)
        temperature += step
        chosen = _systematic(weights, rng)
        x, likelihood = x[chosen], likelihood[chosen]
        for _ in range(MOVES):
            x, likelihood = _moved(x, likelihood, temperature, log_likelihood, settle, rng)
        if temperature >= 1.0:
            break
    return x


def marginals(before: Array, after: Array) -> list[Marginal]:
    """What became of each coordinate from a sample before (m x d) to one after the data."""
    tails = (0.5 - INTERVAL / 2, 0.5, 0.5 + INTERVAL / 2)
    prior, posterior = np.quantile(before, tails, axis=0), np.quantile(after, tails, axis=0)
    widths = np.maximum(prior[2] - prior[0], np.finfo(float).tiny)
    shares = np.minimum((posterior[2] - posterior[0]) / widths, 1.0)
    return [
        Marginal(float(low), float(middle), float(high), float(share))
        for low, middle, high, share in zip(*posterior, shares, strict=True)
    ]


def _next(likelihood: Array, left: float) -> float:
    """The longest step of temperature that keeps enough of the sample effective."""
    low, high = 0.0, left
    if _effective(_weights(likelihood, left)) >= KEPT:
        return left
    for _ in range(50):
        middle = 0.5 * (low + high)
        kept = _effective(_weights(likelihood, middle))
        low, high = (middle, high) if kept >= KEPT else (low, middle)
    return max(low, 1e-12)


def _weights(likelihood: Array, step: float) -> Array:
    logs = step * likelihood
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def _effective(weights: Array) -> float:
    return float(1.0 / (weights @ weights) / len(weights))


def _systematic(weights: Array, rng: np.random.Generator) -> NDArray[np.intp]:
    places = (np.arange(len(weights)) + rng.random()) / len(weights)
    return np.minimum(np.searchsorted(np.cumsum(weights), places), len(weights) - 1)


def _moved(
    x: Array,
    likelihood: Array,
    temperature: float,
    log_likelihood: LogLikelihood,
    settle: Settle,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """One Metropolis move of every point, in steps of the sample's own shape."""
    d = x.shape[1]
    shape = np.linalg.cholesky(np.cov(x, rowvar=False).reshape(d, d) + 1e-10 * np.eye(d))
    scale = MOVE_SCALE / np.sqrt(d) * rng.choice((0.3, 1.0), size=(len(x), 1))
    steps = rng.standard_normal(x.shape) @ shape.T
    proposed, allowed = settle(_reflected(x + scale * steps))
    found = np.where(allowed, log_likelihood(proposed), -np.inf)
    taken = np.log(rng.random(len(x))) < temperature * (found - likelihood)
    return np.where(taken[:, None], proposed, x), np.where(taken, found, likelihood)


def _reflected(x: Array) -> Array:
    """Points that left the unit cube, mirrored back into it: the move stays symmetric."""
    folded = np.mod(x, 2.0)
    return np.asarray(np.where(folded > 1.0, 2.0 - folded, folded))
