"""An ensemble of small neural networks for several outputs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogates.outputs import Array, OutputData

HIGHEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class NeuralOutputs:
    """`members` networks with the hidden `layers`, each fitted to data of its own.

    A member sees every setting with fresh noise of the stated size on its outputs and with random
    weights of mean 1 (Bayesian bootstrap, Rubin 1981), and starts from weights of its own: their
    disagreement is the model's uncertainty (Lakshminarayanan et al. 2017). L-BFGS with weight
    decay `decay`; tanh, since the outputs are smooth.
    """

    members: int = 10
    layers: tuple[int, ...] = (16,)
    decay: float = 0.01
    iterations: int = 200

    def __post_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"members: at least 2 are needed, not {self.members}")
        if not self.layers or min(self.layers) < 1:
            raise ValueError("layers: at least one layer of at least one neuron is needed")
        if not self.decay >= 0:
            raise ValueError(f"decay: must be 0 or more, not {self.decay:g}")
        if self.iterations < 1:
            raise ValueError(f"iterations: must be at least 1, not {self.iterations}")

    def fit(self, data: OutputData, rng: np.random.Generator) -> NeuralModels:
        """Fit every member. Raises ValueError for fewer than two settings."""
        if len(data.x) < 2:
            raise ValueError(f"at least 2 settings are needed, not {len(data.x)}")
        offset, scale = data.y.mean(axis=0), data.y.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        noise = np.sqrt(np.nan_to_num(data.variance, nan=0.0)) / scale
        y = (data.y - offset) / scale
        networks = [self._member(data.x, y, noise, rng) for _ in range(self.members)]
        return NeuralModels(networks, offset, scale, _noise(data, networks, y, scale))

    def _member(self, x: Array, y: Array, noise: Array, rng: np.random.Generator) -> Any:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        network = MLPRegressor(
            hidden_layer_sizes=self.layers,
            activation="tanh",
            solver="lbfgs",
            alpha=self.decay,
            max_iter=self.iterations,
            random_state=int(rng.integers(HIGHEST_SEED)),
        )
        weights = rng.exponential(size=len(x))
        disturbed = y + noise * rng.standard_normal(y.shape)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early is regularised
            network.fit(2.0 * x - 1.0, disturbed.ravel() if y.shape[1] == 1 else disturbed,
                        sample_weight=weights)  # fmt: skip
        return network


class NeuralModels:
    """Fitted members; each is one function that the data allow."""

    def __init__(self, networks: Sequence[Any], offset: Array, scale: Array, noise: Array) -> None:
        self._networks = tuple(networks)
        self._offset, self._scale = offset, scale
        self._noise = noise

    def moments(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation over the members (m x k)."""
        values = self.draws(x, len(self._networks))
        return values.mean(axis=0), values.std(axis=0, ddof=1)

    def draws(self, x: Array, n: int) -> Array:
        """The members in turn (n x m x k)."""
        different = [self._at(x, network) for network in self._networks[:n]]
        return np.stack([different[i % len(different)] for i in range(n)])

    def noise(self) -> Array:
        """Standard deviation of one measurement of each output (k,)."""
        return self._noise

    def _at(self, x: Array, network: Any) -> Array:
        values = network.predict(2.0 * x - 1.0).reshape(len(x), -1)
        return np.asarray(self._offset + values * self._scale)


def _noise(data: OutputData, networks: Sequence[Any], y: Array, scale: Array) -> Array:
    """What was stated, else what the ensemble's mean leaves unexplained."""
    inputs = 2.0 * data.x - 1.0
    fitted = np.mean([one.predict(inputs).reshape(len(y), -1) for one in networks], axis=0)
    left = np.sqrt(((y - fitted) ** 2).mean(axis=0)) * scale
    return np.where(np.isnan(data.noise()), left, np.sqrt(data.noise()))
