"""A Gaussian process of log life: fitted by GPyTorch, asked without it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Length scales have the log-normal prior of Hvarfner, Hellsten, Nardi 2024 (arXiv 2402.02229),
# whose median grows with the root of the number of features: with 40 cells and ten features the
# likelihood alone would choose some length scale at random.
LENGTH_LOG_SD = 1.0
# Noise: a log-normal prior about 10 % of the variance of log life, wide enough to be overruled.
NOISE_MEDIAN, NOISE_LOG_SD = 0.1, 1.0
SMALLEST_NOISE = 1e-4
MOST_STEPS = 200
# Of the raw parameters (inverse softplus): 0.0003 to 30. Without an end, a long step of the search
# makes a matrix that has no Cholesky factor.
RAW_BOUNDS = (-8.0, 30.0)


@dataclass(frozen=True)
class Hyperparameters:
    """Of the kernel ``variance * Matern52(length) + slope * z.z'`` and of the noise.

    For standardised features and a target of unit variance; one length scale a feature (ARD).
    """

    length: tuple[float, ...]
    variance: float
    slope: float
    noise: float

    @classmethod
    def start(cls, n_features: int) -> Hyperparameters:
        """Where the fit begins: at the medians of the priors."""
        return cls((math.exp(_length_location(n_features)),) * n_features, 1.0, 0.1, NOISE_MEDIAN)


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """The posterior mean, ``p`` features and ``n`` training points.

    ``mean + sum_j slopes_j z_j + sum_i weights_i matern(|(z - inputs_i) / length|)`` with
    ``z = (x - centre) / scale``; ``inputs`` is ``n x p``, standardised.
    """

    mean: float
    centre: FloatArray
    scale: FloatArray
    length: FloatArray
    slopes: FloatArray
    inputs: FloatArray
    weights: FloatArray

    def __post_init__(self) -> None:
        p, n = len(self.centre), len(self.weights)
        per_feature = (self.centre, self.scale, self.length, self.slopes)
        if any(a.shape != (p,) for a in per_feature) or self.inputs.shape != (n, p):
            raise ValueError("the arrays of a Gaussian process do not fit each other")
        arrays = (*per_feature, self.inputs, self.weights, np.array(self.mean))
        if not all(np.isfinite(a).all() for a in arrays):
            raise ValueError("a Gaussian process holds a value that is not finite")
        if not ((self.scale > 0.0).all() and (self.length > 0.0).all()):
            raise ValueError("the scales of a Gaussian process must be positive")

    @classmethod
    def condition(cls, x: FloatArray, y: FloatArray, hyper: Hyperparameters) -> GaussianProcess:
        """The posterior for ``y`` (``n``) at ``x`` (``n x p``), the hyperparameters given."""
        centre, scale, unit = _standard(x, y)
        z = (x - centre) / scale
        length = np.array(hyper.length)
        kernel = hyper.variance * _matern(z, z, length) + hyper.slope * (z @ z.T)
        kernel[np.diag_indices(len(y))] += hyper.noise
        weights = np.linalg.solve(kernel, (y - y.mean()) / unit) * unit
        return cls(
            mean=float(y.mean()),
            centre=centre,
            scale=scale,
            length=length,
            slopes=hyper.slope * (z * weights[:, None]).sum(axis=0),
            inputs=z,
            weights=hyper.variance * weights,
        )

    def fits(self, n_features: int) -> bool:
        """Whether it is one of so many features."""
        return len(self.centre) == n_features

    def predict(self, x: FloatArray) -> FloatArray:
        """``n_points`` for ``x`` (``n_points x p``); a value depends on its own row, to the bit."""
        z = (x - self.centre) / self.scale
        total = (_matern(z, self.inputs, self.length) * self.weights).sum(axis=1) + self.mean
        for j, slope in enumerate(self.slopes):
            total += slope * z[:, j]
        return np.asarray(total)

    def state(self) -> dict[str, Any]:
        """Plain values, exact when written by ``repr``."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: v if name == "mean" else v.tolist() for name, v in values.items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> GaussianProcess:
        """Inverse of `state`. Raises ValueError, TypeError."""
        if set(state) != set(cls.__dataclass_fields__):
            raise ValueError(f"a Gaussian process has other fields than {sorted(state)}")
        arrays = {k: np.array(v, dtype=np.float64) for k, v in state.items() if k != "mean"}
        return cls(mean=float(state["mean"]), **arrays)


def _standard(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Centre and scale of the features, and the unit of the target; 1 for what does not vary."""
    spread, unit = x.std(axis=0, ddof=1), float(y.std())
    return x.mean(axis=0), np.where(spread > 0.0, spread, 1.0), unit if unit > 0.0 else 1.0


def _matern(z: FloatArray, inputs: FloatArray, length: FloatArray) -> FloatArray:
    """Matern-5/2 correlations, ``len(z) x len(inputs)``."""
    squared = np.zeros((len(z), len(inputs)))
    for j, unit in enumerate(length):
        squared += ((z[:, j, None] - inputs[None, :, j]) / unit) ** 2
    root = np.sqrt(5.0 * squared)
    # One by one: NumPy's exponential may round differently in an array of another length.
    decay = np.array([math.exp(-r) for r in root.ravel().tolist()]).reshape(root.shape)
    return np.asarray((1.0 + root + (5.0 / 3.0) * squared) * decay)


def _length_location(n_features: int) -> float:
    return math.sqrt(2.0) + 0.5 * math.log(n_features)


def fit_hyperparameters(x: FloatArray, y: FloatArray, start: Hyperparameters) -> Hyperparameters:
    """The hyperparameters of largest posterior density, found from ``start`` by L-BFGS.

    Matern-5/2 with one length scale a feature plus a linear kernel (Rasmussen & Williams 2006,
    chapters 4 and 5), by GPyTorch on one thread; no random number is used.
    """
    from surrogates.fence import fenced

    with fenced(0):
        import torch
        from botorch.optim.fit import fit_gpytorch_mll_scipy

        centre, scale, unit = _standard(x, y)
        z = torch.tensor((x - centre) / scale, dtype=torch.float64)
        target = torch.tensor((y - y.mean()) / unit, dtype=torch.float64)
        mll = _marginal_likelihood(z, target, start)
        bounds: Any = {name: RAW_BOUNDS for name, _ in mll.named_parameters()}
        fit_gpytorch_mll_scipy(mll, bounds=bounds, options={"maxiter": MOST_STEPS})
        matern, linear = mll.model.covar_module.kernels
        return Hyperparameters(
            length=tuple(matern.base_kernel.lengthscale.detach().ravel().tolist()),
            variance=float(matern.outputscale.detach()),
            slope=float(linear.variance.detach()),
            noise=float(mll.likelihood.noise.detach()),
        )


def _marginal_likelihood(z: Any, target: Any, start: Hyperparameters) -> Any:
    """GPyTorch's exact marginal likelihood with its priors, set to ``start``."""
    import gpytorch
    from botorch.models import SingleTaskGP
    from gpytorch.constraints import GreaterThan
    from gpytorch.kernels import LinearKernel, MaternKernel, ScaleKernel
    from gpytorch.priors import GammaPrior, LogNormalPrior
    from linear_operator import to_dense

    class DenseLinear(LinearKernel):  # type: ignore[misc]
        """Without the low-rank form, whose sum with another kernel wants that one's inverse."""

        def forward(self, x1: Any, x2: Any, diag: bool = False, **params: Any) -> Any:
            found = super().forward(x1, x2, diag=diag, **params)
            return found if diag else to_dense(found)

    p = z.shape[1]
    likelihood = gpytorch.likelihoods.GaussianLikelihood(
        noise_prior=LogNormalPrior(math.log(NOISE_MEDIAN), NOISE_LOG_SD),
        noise_constraint=GreaterThan(SMALLEST_NOISE),
    )
    matern = ScaleKernel(
        MaternKernel(
            nu=2.5,
            ard_num_dims=p,
            lengthscale_prior=LogNormalPrior(_length_location(p), LENGTH_LOG_SD),
        ),
        outputscale_prior=GammaPrior(2.0, 1.0),
    )
    linear = DenseLinear(variance_prior=GammaPrior(1.1, 2.0))

    model = SingleTaskGP(
        z,
        target[:, None],
        likelihood=likelihood,
        covar_module=matern + linear,
        mean_module=gpytorch.means.ZeroMean(),
        outcome_transform=None,
    )
    matern.base_kernel.lengthscale = z.new_tensor(start.length).reshape(1, p)
    matern.outputscale, linear.variance = start.variance, start.slope
    likelihood.noise = max(start.noise, 2.0 * SMALLEST_NOISE)
    return gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
