"""A response surface: polynomials fitted to every metric of a campaign, with their doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from loop.optimizers.bo_data import Array, Evidence, Series
    from loop.optimizers.mixture_terms import Basis


@dataclass(frozen=True, eq=False)
class Fit:
    """One metric: mean + weights · functions, all standardised.

    weights: q, of the functions but the constant; covariance: of them, q x q; mean: of the
    outcomes; mean_variance: of that mean; centre: the functions' own means over the outcomes, q.
    """

    mean: float
    mean_variance: float
    centre: Array
    weights: Array
    covariance: Array

    @classmethod
    def of(cls, functions: Array, series: Series) -> Fit:
        """Bayesian ridge regression (MacKay 1992) on the functions (n x p, the constant first).

        Noise and size of the weights are those that make the outcomes most probable. Every outcome
        counts alike: what a polynomial misses is mostly more than what their errors differ by.
        """
        from sklearn.linear_model import BayesianRidge

        model = BayesianRidge().fit(functions[:, 1:], series.y)
        return cls(
            mean=float(series.y.mean()),
            mean_variance=1.0 / float(model.alpha_) / len(series.y),
            centre=functions[:, 1:].mean(axis=0),
            weights=np.asarray(model.coef_),
            covariance=np.asarray(model.sigma_),
        )

    def moments(self, functions: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the noise-free metric, both n."""
        centred = functions[:, 1:] - self.centre
        spread = np.einsum("ij,jk,ik->i", centred, self.covariance, centred)
        variance = np.maximum(spread, 0.0) + self.mean_variance
        return self.mean + centred @ self.weights, np.sqrt(variance)


@dataclass(frozen=True, eq=False)
class Surface:
    """The response surfaces of all metrics; what `bo_recommend` asks of a model."""

    evidence: Evidence
    basis: Basis
    fits: tuple[Fit, ...]

    @classmethod
    def of(cls, evidence: Evidence, basis: Basis) -> Surface:
        """Fit every metric of the evidence."""
        fits = tuple(Fit.of(basis.values(one.x), one) for one in evidence.series)
        return cls(evidence, basis, fits)

    def moments(self, x: Array) -> tuple[Array, Array]:
        """Means and standard deviations of the noise-free metrics, n x m, standardised.

        x: n x d in the unit cube.
        """
        functions = self.basis.values(x)
        found = [fit.moments(functions) for fit in self.fits]
        return np.column_stack([m for m, _ in found]), np.column_stack([s for _, s in found])
