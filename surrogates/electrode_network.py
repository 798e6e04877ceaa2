"""Small neural networks as plain arrays: fitted by scikit-learn, asked in single precision."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Arrays = Mapping[str, NDArray[np.generic]]

ROWS = 4096  # asked at once: the hidden layers stay in the cache
MOST_STEPS = 2000


@dataclass(frozen=True, eq=False)
class Network:
    """tanh layers and a linear one: weights (inputs, outputs) and biases (outputs,), float32.

    Single precision is worth a factor of three to four in speed and 1e-6 in accuracy.
    """

    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]

    def __post_init__(self) -> None:
        widths = [w.shape for w in self.weights]
        fitting = all(a[1] == b[0] for a, b in itertools.pairwise(widths))
        if not widths or not fitting or [b.shape for b in self.biases] != [w[1:] for w in widths]:
            raise ValueError(f"weights of shapes {widths} make no network")

    def predict(self, x: FloatArray) -> FloatArray:
        """Outputs (n, k) for inputs (n, p)."""
        found = [self._asked(x[i : i + ROWS]) for i in range(0, len(x), ROWS)]
        return np.concatenate(found) if found else np.empty((0, len(self.biases[-1])))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What it is, for `from_arrays`."""
        found: dict[str, NDArray[np.generic]] = {}
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            found[f"w{i}"], found[f"b{i}"] = weight, bias
        return found

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Network:
        """Inverse of `arrays`. Raises KeyError, ValueError."""
        layers = range(len(arrays) // 2)
        return cls(
            tuple(np.asarray(arrays[f"w{i}"], dtype=np.float32) for i in layers),
            tuple(np.asarray(arrays[f"b{i}"], dtype=np.float32) for i in layers),
        )

    def _asked(self, x: FloatArray) -> FloatArray:
        hidden = x.astype(np.float32)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = hidden @ weight
            hidden += bias
            np.tanh(hidden, out=hidden)
        return np.asarray(hidden @ self.weights[-1] + self.biases[-1], dtype=np.float64)


def fit_network(
    x: FloatArray,
    y: FloatArray,
    seed: int,
    hidden: tuple[int, ...] = (64, 64),
    alpha: float = 0.3,
) -> Network:
    """A network fitted to targets (n, k) by L-BFGS on all rows at once, penalty `alpha`.

    Inputs and targets are standardised here; the scales are folded into the first and last layer.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    x_mean, x_sd = _scales(x)
    y_mean, y_sd = _scales(y)
    model = MLPRegressor(
        hidden_layer_sizes=hidden,
        activation="tanh",
        solver="lbfgs",
        alpha=alpha,
        max_iter=MOST_STEPS,
        max_fun=20 * MOST_STEPS,
        random_state=seed,
    )
    targets = (y - y_mean) / y_sd
    with warnings.catch_warnings():  # the last steps change little; what counts is scored later
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit((x - x_mean) / x_sd, targets if y.shape[1] > 1 else targets[:, 0])
    weights = [np.asarray(w, dtype=np.float64) for w in model.coefs_]
    biases = [np.asarray(b, dtype=np.float64) for b in model.intercepts_]
    weights[0] = weights[0] / x_sd[:, None]
    biases[0] = biases[0] - x_mean @ weights[0]
    weights[-1] = weights[-1] * y_sd
    biases[-1] = biases[-1] * y_sd + y_mean
    return Network(
        tuple(w.astype(np.float32) for w in weights), tuple(b.astype(np.float32) for b in biases)
    )


def _scales(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of the columns; 1 where a column does not vary."""
    sd = values.std(axis=0)
    return values.mean(axis=0), np.where(sd > 1e-12, sd, 1.0)
