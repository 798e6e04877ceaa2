"""What each input of a model does to its output: Sobol indices, main effects, ARD relevance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Outputs: TypeAlias = Callable[[Array], Array]

LEVEL = 0.9  # of every interval
RESAMPLED = 64  # repeats that the interval of a single function is made of
SAMPLE = 1024  # points of each of the two samples; a power of two keeps their balance
BINS = 12  # places at most at which a main effect is told


@dataclass(frozen=True, slots=True)
class Index:
    """A share of the output's variance with its interval, all within 0 and 1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Indices:
    """Sobol indices of every input: `first` is what it explains alone, `total` what would be left
    of the variance if only it were not known. Their difference is due to interactions."""

    first: tuple[Index, ...]
    total: tuple[Index, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """The mean output where an input is near each of some values: arrays of equal length."""

    at: Array
    mean: Array
    low: Array
    high: Array


def indices(outputs: Outputs, inputs: int, rng: np.random.Generator, n: int = SAMPLE) -> Indices:
    """First-order and total Sobol indices of a function of independent uniform inputs in [0, 1].

    outputs: m x inputs -> s x m. Row 0 is the function that the values are told of; the others are
    functions that it may be instead, such as draws from the posterior of a model.

    Estimators of Saltelli et al. 2010 (first order; the total one is Jansen's 1999) by
    `scipy.stats.sobol_indices` on n (inputs + 2) points. The interval holds what the other rows
    give, each from its own bootstrap sample of the points, so that it covers both the model's doubt
    and the estimator's (Le Gratiet, Cannamela and Iooss 2014); with no other row it covers the
    latter. A function that does not vary has indices of 0.
    """
    from scipy.stats import sobol_indices

    a, b, mixed = _evaluated(outputs, inputs, rng, n)
    if not (np.concatenate([a[0], b[0]]).std() > 0):
        none = (Index(0.0, 0.0, 0.0),) * inputs
        return Indices(none, none)
    told = sobol_indices(func={"f_A": a[:1], "f_B": b[:1], "f_AB": mixed[:, :1]}, n=n)
    rows = np.arange(1, len(a)) if len(a) > 1 else np.zeros(RESAMPLED, dtype=np.intp)
    again = rng.integers(n, size=(len(rows), n))
    parts = {
        "f_A": np.take_along_axis(a[rows], again, axis=1),
        "f_B": np.take_along_axis(b[rows], again, axis=1),
        "f_AB": np.take_along_axis(mixed[:, rows], again[None], axis=2),
    }
    other = sobol_indices(func=parts, n=n)
    first, total = (
        _told(getattr(told, name), getattr(other, name), inputs)
        for name in ("first_order", "total_order")
    )
    return Indices(first, total)


def effect(column: Array, outputs: Array) -> Effect:
    """The main effect of one input from a sample of all of them, which may depend on each other.

    column: the input's values, m. outputs: as in `indices`, s x m. Where it takes few values the
    outputs are averaged at each, else over bins of equal numbers; the interval is that of the other
    rows' averages.
    """
    values, place = np.unique(column, return_inverse=True)
    if len(values) > BINS:
        rank = np.argsort(np.argsort(column, kind="stable"), kind="stable")
        place = rank * BINS // len(column)
    members = np.eye(int(place.max()) + 1)[place.ravel()]
    averages = (outputs @ members) / members.sum(axis=0)
    low, high = _interval(averages[1:] if len(averages) > 1 else averages, averages[0])
    return Effect(column @ members / members.sum(axis=0), averages[0], low, high)


def relevance(length_scales: Array) -> Array:
    """How much shorter than the others an input's length scale is (d,): 1 for the shortest,
    towards 0 for inputs that do nothing (automatic relevance determination, MacKay 1994)."""
    return np.asarray(length_scales.min() / length_scales)


def explained(y: Array, predicted: Array) -> float:
    """Share of the variance of outcomes (n,) that predictions made without them have, at most 1:
    1 - sum of squared errors / sum of squared deviations; below 0 the mean predicts better."""
    deviations = float(((y - y.mean()) ** 2).sum())
    return 1.0 - float(((y - predicted) ** 2).sum()) / deviations if deviations > 0 else 0.0


def _evaluated(
    outputs: Outputs, inputs: int, rng: np.random.Generator, n: int
) -> tuple[Array, Array, Array]:
    """The outputs at two samples (s x n each), and at the first with each input of the second in
    turn (inputs x s x n)."""
    from scipy.stats.qmc import Sobol

    points = Sobol(2 * inputs, rng=rng).random(n)
    a, b = points[:, :inputs], points[:, inputs:]
    mixed = np.repeat(a[None], inputs, axis=0)
    for i in range(inputs):
        mixed[i, :, i] = b[:, i]
    found = outputs(np.concatenate([a, b, mixed.reshape(-1, inputs)]))
    found = found - found.mean(axis=1, keepdims=True)  # a large mean would drown the differences
    parts = found.reshape(len(found), inputs + 2, n)
    return parts[:, 0], parts[:, 1], parts[:, 2:].swapaxes(0, 1)


def _told(told: Array, others: Array, inputs: int) -> tuple[Index, ...]:
    """Indices (d) with the interval of others (s x d); SciPy drops axes of length 1."""
    values = np.clip(told.reshape(inputs), 0.0, 1.0)
    low, high = _interval(np.clip(others.reshape(-1, inputs), 0.0, 1.0), values)
    return tuple(Index(*map(float, one)) for one in zip(values, low, high, strict=True))


def _interval(others: Array, values: Array) -> tuple[Array, Array]:
    """Quantiles of others (s x d), widened to hold the values (d)."""
    low, high = np.quantile(others, (0.5 - LEVEL / 2, 0.5 + LEVEL / 2), axis=0)
    return np.minimum(low, values), np.maximum(high, values)
