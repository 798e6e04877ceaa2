"""Whole discharge curves by a few shapes: principal components whose weights are learnt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogates.electrode_fit import Ensemble

FloatArray = NDArray[np.float64]

COMPONENTS = 6


@dataclass(frozen=True, eq=False)
class CurveShape:
    """Voltage over the share of the delivered charge: mean curve plus weighted components.

    mean (v,), components (c, v) in volts, weights: an ensemble of c outputs. After Dawson-Elli et
    al. (2018), who learn the voltage at every time by itself.
    """

    mean: FloatArray
    components: FloatArray
    weights: Ensemble

    def predict(self, x: FloatArray) -> FloatArray:
        """Voltages (n, v) for inputs (n, p)."""
        return drawn(self.mean, self.components, self.weights.predict(x))


def decomposed(curves: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean (v,), components (c, v) and weights (n, c) of curves (n, v), weights of variance 1."""
    mean = curves.mean(axis=0)
    left, sizes, right = np.linalg.svd(curves - mean, full_matrices=False)
    count = min(COMPONENTS, int((sizes > 1e-9 * max(sizes[0], 1e-30)).sum()) or 1)
    # an eigenvector's sign is arbitrary: the largest entry is made positive
    largest = np.abs(right[:count]).argmax(axis=1)
    signs = np.where(right[np.arange(count), largest] < 0, -1.0, 1.0)
    scale = np.maximum(sizes[:count], 1e-30) / np.sqrt(len(curves))
    components = right[:count] * (signs * scale)[:, None]
    return mean, components, left[:, :count] * signs * np.sqrt(len(curves))


def drawn(mean: FloatArray, components: FloatArray, weights: FloatArray) -> FloatArray:
    """Curves (n, v) of weights (n, c)."""
    return np.asarray(mean + weights @ components)


def rms_mv(curves: FloatArray, predicted: FloatArray) -> tuple[float, float]:
    """Root mean square error over all points of all curves, and of the middling curve (mV)."""
    each = np.sqrt(((curves - predicted) ** 2).mean(axis=1))
    return float(1e3 * np.sqrt((each**2).mean())), float(1e3 * np.median(each))
