"""The elastic net, its two penalties chosen by cross-validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogates.folds import folds_by_order
from surrogates.guarded_linear import GuardedLinear

FloatArray = NDArray[np.float64]

L1_RATIOS = (0.1, 0.5, 0.9)
# From nearly no shrinkage of standardised features to nothing left of them; strongest first, so
# that of two equally good choices the simpler model wins.
ALPHAS = tuple(float(f"{a:.3g}") for a in np.geomspace(0.2, 1e-3, 14))
N_FOLDS = 5


@dataclass(frozen=True)
class ElasticNet:
    """Coefficients minimising ``|y - Z b|^2 / 2n + alpha (r |b|_1 + (1 - r) |b|_2^2 / 2)``.

    ``alpha`` is the strength and ``l1_ratio`` the share ``r`` of the first penalty (Zou & Hastie,
    J. R. Stat. Soc. B 67, 301, 2005, in the parametrisation of scikit-learn).
    """

    alpha: float
    l1_ratio: float

    def __call__(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """``n_features`` coefficients for standardised ``z`` and centred ``y``."""
        return np.asarray(_path(z, y, self.l1_ratio, (self.alpha,))[0])

    @classmethod
    def choose(cls, x: FloatArray, y: FloatArray) -> ElasticNet:
        """The penalties with the least cross-validated squared error of the guarded model.

        Folds hold every ``N_FOLDS``-th point in order of ``y``, so each has the whole range of
        lives and no random number is needed.
        """
        fold = folds_by_order(y, N_FOLDS)
        errors = np.zeros((len(L1_RATIOS), len(ALPHAS)))
        for f in range(int(fold.max()) + 1):
            kept = fold != f
            for i, l1_ratio in enumerate(L1_RATIOS):
                models = _fit_path(x[kept], y[kept], l1_ratio)
                errors[i] += ((models.predict(x[~kept]) - y[~kept]) ** 2).sum(axis=1)
        best, strength = divmod(int(np.argmin(errors)), len(ALPHAS))
        return cls(ALPHAS[strength], L1_RATIOS[best])


def _fit_path(x: FloatArray, y: FloatArray, l1_ratio: float) -> GuardedLinear:
    """One guarded model for each of ``ALPHAS``."""
    whole: list[FloatArray] = []

    def solve(z: FloatArray, centred: FloatArray) -> FloatArray:
        whole.append(_path(z, centred, l1_ratio, ALPHAS))
        return np.asarray(whole[0][0])

    model = GuardedLinear.fit(x, y, solve)
    return model.with_coefficients(whole[0])


def _path(z: FloatArray, y: FloatArray, l1_ratio: float, alphas: tuple[float, ...]) -> FloatArray:
    """``n_alphas x n_features`` coefficients."""
    from sklearn.linear_model import enet_path

    if not y.any():  # equal lives: nothing to explain, and the solver would divide by zero
        return np.zeros((len(alphas), z.shape[1]))
    _, coefficients, _ = enet_path(
        np.asfortranarray(z),
        y,
        l1_ratio=l1_ratio,
        alphas=np.array(alphas),
        max_iter=100_000,
        tol=1e-7,
    )
    return np.ascontiguousarray(coefficients.T)
