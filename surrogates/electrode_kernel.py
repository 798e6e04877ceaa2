"""The mean of a Gaussian process as plain arrays: Matern 5/2, one length scale an input."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Arrays = Mapping[str, NDArray[np.generic]]

ROWS = 512  # asked at once
FITTED_ON = 200  # rows that the hyperparameters are found on; the process then takes all rows
STARTS = (3.0, 10.0)  # of the length scales, in standard deviations of the inputs
COLLAPSED = 0.3  # share of the variance explained, below which another start is tried


@dataclass(frozen=True, eq=False)
class KernelMean:
    """Posterior means: `mean + K(x, points / scales) @ alpha`, a kernel for each of k outputs.

    points (n, p) are standardised by x_mean and x_sd (p,); scales (k, p); alpha (k, n); mean (k,).
    """

    points: FloatArray
    x_mean: FloatArray
    x_sd: FloatArray
    scales: FloatArray
    alpha: FloatArray
    mean: FloatArray

    def __post_init__(self) -> None:
        (n, p), k = self.points.shape, len(self.mean)
        if self.scales.shape != (k, p) or self.alpha.shape != (k, n):
            raise ValueError("arrays that make no Gaussian process")

    def predict(self, x: FloatArray) -> FloatArray:
        """Outputs (n, k) for inputs (n, p)."""
        z = (x - self.x_mean) / self.x_sd
        found = [self._asked(z[i : i + ROWS]) for i in range(0, len(z), ROWS)]
        return np.concatenate(found) if found else np.empty((0, len(self.mean)))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What it is, for `from_arrays`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> KernelMean:
        """Inverse of `arrays`. Raises TypeError, ValueError."""
        given: dict[str, Any] = dict(arrays)
        return cls(**given)

    def _asked(self, z: FloatArray) -> FloatArray:
        columns = [
            centre + matern(z / scale, self.points / scale) @ alpha
            for centre, scale, alpha in zip(self.mean, self.scales, self.alpha, strict=True)
        ]
        return np.stack(columns, axis=1)


def matern(a: FloatArray, b: FloatArray) -> FloatArray:
    """Matern 5/2 correlations (n, m) of points at scaled places (n, p) and (m, p)."""
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * (a @ b.T)
    distance = math.sqrt(5.0) * np.sqrt(np.maximum(squared, 0.0))
    return np.asarray((1.0 + distance + distance**2 / 3.0) * np.exp(-distance))


def fit_kernel(x: FloatArray, y: FloatArray, seed: int) -> KernelMean:
    """Posterior means for targets (n, k), the hyperparameters by marginal likelihood.

    The likelihood has an optimum where everything is noise, and a search that starts with unlucky
    length scales ends there without a word: what the process explains of rows that it was not
    fitted on is looked at, and other starts are tried.
    """
    x_mean, x_sd = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-12)
    z = (x - x_mean) / x_sd
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(z))
    mean, spread = y.mean(axis=0), np.maximum(y.std(axis=0), 1e-12)
    scales, alphas = [], []
    for target, sd in zip(((y - mean) / spread).T, spread, strict=True):
        scale, noise = _hyperparameters(z[order], target[order], seed)
        gram = matern(z / scale, z / scale)
        gram[np.diag_indices_from(gram)] += noise
        scales.append(scale)
        alphas.append(sd * np.linalg.solve(gram, target))
    return KernelMean(z, x_mean, x_sd, np.array(scales), np.array(alphas), mean)


def _hyperparameters(z: FloatArray, target: FloatArray, seed: int) -> tuple[FloatArray, float]:
    """Length scales (p,) and the noise as a share of the amplitude: the best of several starts."""
    best: tuple[float, FloatArray, float] | None = None
    for start in STARTS:
        scale, noise = _fitted(z[:FITTED_ON], target[:FITTED_ON], start, seed)
        explained = _explained(z, target, scale, noise)
        if best is None or explained > best[0]:
            best = (explained, scale, noise)
        if best[0] > COLLAPSED:
            break
    assert best is not None  # STARTS is not empty
    return best[1], best[2]


def _fitted(z: FloatArray, target: FloatArray, start: float, seed: int) -> tuple[FloatArray, float]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(
        np.full(z.shape[1], start), (1e-1, 1e3), nu=2.5
    ) + WhiteKernel(1e-3, (1e-6, 1.0))
    model = GaussianProcessRegressor(kernel, random_state=seed)
    with warnings.catch_warnings():  # a length scale at its bound: an input that does nothing
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(z, target)
    product, white = model.kernel_.k1, model.kernel_.k2
    scale = np.atleast_1d(np.asarray(product.k2.length_scale, dtype=np.float64))
    return scale, float(white.noise_level / product.k1.constant_value)


def _explained(z: FloatArray, target: FloatArray, scale: FloatArray, noise: float) -> float:
    """Share of the variance explained on the rows behind the first, told of the first alone."""
    half = min(FITTED_ON, len(z) // 2)
    known, rest = z[:half] / scale, z[half:] / scale
    gram = matern(known, known)
    gram[np.diag_indices_from(gram)] += noise
    wrong = target[half:] - matern(rest, known) @ np.linalg.solve(gram, target[:half])
    deviations = float(((target[half:] - target[half:].mean()) ** 2).sum())
    return 1.0 - float((wrong**2).sum()) / deviations if deviations > 0 else 0.0
