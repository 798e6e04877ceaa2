"""Linear models of log life: least squares, ridge, partial least squares, principal components."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogates.folds import folds_by_order
from surrogates.guarded_linear import GuardedLinear

FloatArray = NDArray[np.float64]

# As published by Attia, Severson, Witmer (2021), chosen there by cross-validation.
PLSR_COMPONENTS = 9
PCR_COMPONENTS = 12
# Strongest first, so that of two equally good choices the simpler model wins.
RIDGE_ALPHAS = tuple(float(f"{a:.3g}") for a in np.geomspace(300.0, 0.03, 14))
N_FOLDS = 5


def least_squares(z: FloatArray, y: FloatArray) -> FloatArray:
    """Ordinary least squares on one standardised feature."""
    return np.asarray((z[:, :1] * y[:, None]).sum(axis=0) / (z[:, :1] ** 2).sum(axis=0))


@dataclass(frozen=True)
class Ridge:
    """Coefficients minimising ``|y - Z b|^2 + alpha |b|^2`` (Hoerl & Kennard 1970)."""

    alpha: float

    def __call__(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """``n_features`` coefficients for standardised ``z`` and centred ``y``."""
        from sklearn.linear_model import ridge_regression

        return np.asarray(ridge_regression(z, y, self.alpha, solver="svd"))

    @classmethod
    def choose(cls, x: FloatArray, y: FloatArray) -> Ridge:
        """The strength with the least cross-validated squared error of the guarded model."""
        fold = folds_by_order(y, N_FOLDS)
        errors = []
        for ridge in map(cls, RIDGE_ALPHAS):
            error = 0.0
            for f in range(int(fold.max()) + 1):
                kept = fold != f
                found = GuardedLinear.fit(x[kept], y[kept], ridge).predict(x[~kept])
                error += float(((found - y[~kept]) ** 2).sum())
            errors.append(error)
        return cls(RIDGE_ALPHAS[int(np.argmin(errors))])


@dataclass(frozen=True)
class PartialLeastSquares:
    """Regression on components of largest covariance with the target (Wold, Sjostrom, Eriksson,
    Chemom. Intell. Lab. Syst. 58, 109, 2001); by scikit-learn."""

    n_components: int

    def __call__(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """``n_features`` coefficients for standardised ``z`` and centred ``y``."""
        from sklearn.cross_decomposition import PLSRegression

        if not y.any():
            return np.zeros(z.shape[1])
        n = min(self.n_components, z.shape[1], len(y) - 1)
        with warnings.catch_warnings():
            # Fewer components than asked for explain everything: the others stay zero.
            warnings.filterwarnings("ignore", "y residual is constant at iteration", UserWarning)
            model = PLSRegression(n, scale=False).fit(z, y)
        return np.asarray(model.coef_[0])


@dataclass(frozen=True)
class PrincipalComponents:
    """Least squares on the components of largest variance (Jolliffe, J. R. Stat. Soc. C 31, 300,
    1982); by scikit-learn."""

    n_components: int

    def __call__(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """``n_features`` coefficients for standardised ``z`` and centred ``y``."""
        from sklearn.decomposition import PCA

        n = min(self.n_components, z.shape[1], len(y) - 1)
        model = PCA(n, svd_solver="full").fit(z)
        scores = model.transform(z)
        size = (scores * scores).sum(axis=0)
        known = size > 1e-12 * size.max()  # a component of no size says nothing
        share = np.where(known, (scores * y[:, None]).sum(axis=0) / np.where(known, size, 1.0), 0.0)
        return np.asarray((model.components_ * share[:, None]).sum(axis=0))
