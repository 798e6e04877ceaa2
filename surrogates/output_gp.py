"""Independent Gaussian processes, one an output, on BoTorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogates.fence import fenced
from surrogates.outputs import Array, OutputData

if TYPE_CHECKING:
    from botorch.models import SingleTaskGP

# A stated error of 0 still gets this share of the output's variance: without it the covariance
# matrix of repeated settings is singular in double precision.
LEAST_NOISE = 1e-6


@dataclass(frozen=True)
class GaussianOutputs:
    """A Gaussian process an output with an RBF kernel and a length scale an input.

    Length scales have the dimension-scaled log-normal prior of Hvarfner et al. 2024 (arXiv
    2402.02229); noise is what was stated, or inferred where an output lacks it for any setting.
    """

    def fit(self, data: OutputData, rng: np.random.Generator) -> GaussianModels:
        """Fit by maximum a posteriori. Raises ValueError for fewer than two settings."""
        if len(data.x) < 2:
            raise ValueError(f"at least 2 settings are needed, not {len(data.x)}")
        seed = int(rng.integers(2**62))
        offset, scale = data.y.mean(axis=0), data.y.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        with fenced(seed):
            model = _fitted(data, offset, scale)
        return GaussianModels(model, offset, scale, seed)


class GaussianModels:
    """Fitted processes; draws are functions (Wilson et al. 2020, pathwise conditioning)."""

    def __init__(self, model: SingleTaskGP, offset: Array, scale: Array, seed: int) -> None:
        self._model = model
        self._offset, self._scale = offset, scale
        self._seed = seed

    def moments(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the noise-free outputs (m x k)."""
        import torch

        with self._evaluating():
            points = torch.from_numpy(np.ascontiguousarray(x))
            posterior = self._model.posterior(points.unsqueeze(1))  # marginals only
            mean = posterior.mean.squeeze(1).numpy()
            sd = posterior.variance.clamp_min(0.0).sqrt().squeeze(1).numpy()
        return self._offset + mean * self._scale, sd * self._scale

    def draws(self, x: Array, n: int) -> Array:
        """n functions drawn from the posterior, at all settings (n x m x k)."""
        import torch
        from botorch.sampling.pathwise import draw_matheron_paths

        with self._evaluating():
            paths: Any = draw_matheron_paths(self._model, torch.Size([n]))
            values = paths(torch.from_numpy(np.ascontiguousarray(x))).numpy()
        values = values.reshape(n, len(self._scale), len(x)).swapaxes(1, 2)
        return np.asarray(self._offset + values * self._scale)

    def noise(self) -> Array:
        """Standard deviation of one measurement of each output (k,)."""
        with self._evaluating():
            noise = self._model.likelihood.noise
            typical = noise.reshape(len(self._scale), -1).median(dim=-1).values.numpy()
        return np.asarray(np.sqrt(typical) * self._scale)

    def length_scales(self) -> Array:
        """The distance over which each output changes along each input (k x d)."""
        with self._evaluating():
            scales = self._model.covar_module.lengthscale.reshape(len(self._scale), -1).numpy()
        return np.array(scales)

    def left_out(self) -> Array:
        """What the model, its hyperparameters kept, predicts of each setting it was fitted to from
        all others (n x k): Rasmussen and Williams 2006, eq. 5.12."""
        from botorch.cross_validation import efficient_loo_cv

        with self._evaluating():
            posterior: Any = efficient_loo_cv(self._model).posterior
            mean = posterior.mean.squeeze(1).numpy()
        return np.asarray(self._offset + mean * self._scale)

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        import torch

        with fenced(self._seed), torch.no_grad():
            yield


def _fitted(data: OutputData, offset: Array, scale: Array) -> SingleTaskGP:
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    y = torch.from_numpy((data.y - offset) / scale)
    stated = None
    if not np.isnan(data.variance).any():
        stated = torch.from_numpy(np.maximum(data.variance / scale**2, LEAST_NOISE))
    x = torch.from_numpy(np.ascontiguousarray(data.x))
    model = SingleTaskGP(x, y, stated, outcome_transform=None)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    model.eval()
    return model
