"""Lives of which only a bound is known, completed by what a model expects beyond the bound."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogates.elastic_net import ElasticNet
from surrogates.guarded_linear import GuardedLinear

FloatArray = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOST_ROUNDS = 200
SETTLED_DEX = 1e-4  # 0.02 % of a life
# About 1 % of a life: cells of one protocol differ by more.
SMALLEST_SD_DEX = 0.005


@dataclass(frozen=True)
class Completion:
    """A censored regression: an elastic net whose errors are normal in log10 life.

    Alternates between fitting the completed lives and completing each censored one by its
    expectation, given the model and that it lies beyond the bound: the EM algorithm for the
    normal regression with censored observations (Tobin, Econometrica 26, 24, 1958; Dempster,
    Laird, Rubin, J. R. Stat. Soc. B 39, 1, 1977; Aitkin, Technometrics 23, 161, 1981), with a
    penalty. No random number is used.
    """

    penalties: ElasticNet

    @classmethod
    def choose(cls, x: FloatArray, y: FloatArray, censored: Flags) -> Completion:
        """Penalties by cross-validation on lives completed by a first pass.

        ``x``: ``n x n_features``; ``y``: ``n``, log10 lives or bounds; ``censored``: ``n``.
        """
        first = cls(ElasticNet.choose(x[~censored], y[~censored]))
        return cls(ElasticNet.choose(x, first.complete(x, y, censored)))

    def complete(
        self, x: FloatArray, y: FloatArray, censored: Flags, start: FloatArray | None = None
    ) -> FloatArray:
        """``y`` with every censored value replaced by its expectation beyond the bound, ``n``.

        ``start`` (``n``) are completed values to begin with: the bounds, unless others are given.
        """
        completed, spread = (y if start is None else start).copy(), np.zeros(len(y))
        if not censored.any():
            return completed
        widest = scatter(y, censored)
        for _ in range(MOST_ROUNDS):
            model = GuardedLinear.fit(x, completed, self.penalties)
            mean = model.unclipped(x)[0]
            free = max(len(y) - 1 - int((model.coefficients != 0.0).sum()), 1)
            variance = float(((completed - mean) ** 2 + spread).sum()) / free
            sd = min(max(math.sqrt(variance), SMALLEST_SD_DEX), widest)
            before = completed[censored]
            completed[censored], spread[censored] = _beyond(mean[censored], sd, y[censored])
            if float(np.abs(completed[censored] - before).max()) < SETTLED_DEX:
                break
        return completed


def scatter(y: FloatArray, censored: Flags) -> float:
    """Standard deviation of log10 lives that no feature explains: that of the censored normal.

    The maximum of the likelihood (Tobin 1958 with a constant alone), by the same algorithm. It
    bounds what is left unexplained once features help: with few lives and many features the
    estimate of that grows without end, each round thinking the bounds in farther out.
    Arguments as in `Completion.choose`.
    """
    completed, spread = y.copy(), np.zeros(len(y))
    sd = SMALLEST_SD_DEX
    for _ in range(MOST_ROUNDS):
        mean = completed.mean()
        before, sd = sd, max(math.sqrt(float(((completed - mean) ** 2 + spread).mean())), sd)
        if sd - before < SETTLED_DEX * before:
            break
        centre = np.full(int(censored.sum()), mean)
        completed[censored], spread[censored] = _beyond(centre, sd, y[censored])
    return sd


def _beyond(mean: FloatArray, sd: float, bound: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of normal variables, given that each exceeds its bound."""
    from scipy.special import erfcx

    a = (bound - mean) / sd
    # The hazard phi(a) / (1 - Phi(a)), in a form that neither under- nor overflows for large a.
    hazard = math.sqrt(2.0 / math.pi) / erfcx(np.maximum(a, -30.0) / math.sqrt(2.0))
    return mean + sd * hazard, sd**2 * np.clip(1.0 + a * hazard - hazard**2, 0.0, 1.0)
