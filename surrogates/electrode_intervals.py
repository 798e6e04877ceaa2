"""Intervals of an electrode surrogate: conformal, wider where it is more often wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogates.conformal import check_level
from surrogates.electrode_fit import ERRORS, Ensemble, cross_fitted
from surrogates.electrode_relations import LEARNT

FloatArray = NDArray[np.float64]

_LEAST_GAIN = 0.25  # of the mean square: beyond, the members' common error is all but unknown
_SMALLEST = 1e-3  # of the root mean square error: a design met exactly by chance tells no more


@dataclass(frozen=True, eq=False)
class Intervals:
    """Split conformal intervals normalised by a model of the error (Lei, G'Sell, Rinaldo,
    Tibshirani and Wasserman, J. Am. Stat. Assoc. 113, 1094, 2018, section 5.2).

    The scores of a design are its errors over their expected size, both told by models that have
    not seen it, as in the CV+ of Barber, Candes, Ramdas and Tibshirani (Ann. Stat. 49, 486, 2021).
    The prediction itself averages the models of all folds and is better than each: see `gain`.

    * ``sizes``: predicts the logs of the sizes of the errors of what is learnt, (n, 3)
    * ``scores``: (metrics, designs), ascending
    """

    sizes: Ensemble
    scores: FloatArray

    def spread(self, x: FloatArray) -> dict[str, FloatArray]:
        """Expected size of the errors (n,) of what is learnt."""
        return _named(self.sizes.predict(x))

    def stretch(self, level: float) -> FloatArray:
        """What the expected size is multiplied with for a level, one number a metric.

        The ceil(level (n + 1))-th smallest score; the largest where there are too few.
        """
        n = self.scores.shape[1]
        rank = math.ceil(check_level(level) * (n + 1) - 1e-9)
        return np.asarray(self.scores[:, min(rank, n) - 1])


def gain(members: FloatArray, sizes: FloatArray, unseen: FloatArray) -> float:
    """How much smaller the errors of an average are than those of its members, at most 1.

    members: (models, n), predictions of designs that need not be solved; sizes: (n,), expected
    errors there; unseen: (m,), errors of single models over their expected sizes. By the ambiguity
    decomposition of Krogh and Vedelsby (1995) the mean square error of the average is that of its
    members less their mean square distance from it. Both are taken over the expected sizes, up to
    their 99 % quantiles: a few wild designs must not speak for all.
    """
    apart = ((members - members.mean(axis=0)) ** 2).mean(axis=0) / sizes**2
    single = _trimmed(unseen**2)
    if not single > 0:
        return 1.0
    return math.sqrt(min(max(1.0 - _trimmed(apart) / single, _LEAST_GAIN), 1.0))


def _trimmed(values: FloatArray) -> float:
    return float(np.minimum(values, np.quantile(values, 0.99)).mean()) if len(values) else 0.0


def fit_sizes(
    x: FloatArray, errors: FloatArray, folds: NDArray[np.intp], seed: int
) -> tuple[Ensemble, dict[str, FloatArray]]:
    """A model of the sizes of errors (n, 3), and the sizes it expects of unseen designs."""
    least = _SMALLEST * np.sqrt((errors**2).mean(axis=0)) + 1e-12
    ensemble, unseen = cross_fitted(ERRORS, x, np.log(np.abs(errors) + least), folds, seed)
    return ensemble, _named(unseen)


def _named(logs: FloatArray) -> dict[str, FloatArray]:
    """Sizes by what they are of; what needs no learning has size 1 for formulas to scale."""
    found = dict(zip(LEARNT, np.exp(np.clip(logs, -40.0, 5.0)).T, strict=True))
    return {**found, "one": np.ones(len(logs))}
