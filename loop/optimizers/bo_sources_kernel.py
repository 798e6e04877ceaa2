"""The covariance of one quantity told by several instruments."""

from __future__ import annotations

from typing import Any

_NOTHING = 1e-10  # IndexKernel's variances are above zero


def sources_kernel(dimension: int, stand_ins: int) -> Any:
    """k((x, s), (x', s')) = k_f(x, x') + [s = s' > 0] k_s(x, x') (Poloczek, Wang and Frazier 2017).

    The last of `dimension` + 1 columns is the number of the source; number 0, whose values are
    meant, has no difference from itself. Length scales have the priors of Hvarfner et al. 2024. Use
    inside `fenced` only.
    """
    from gpytorch.priors import LogNormalPrior

    total = _scaled(dimension, LogNormalPrior(loc=0.0, scale=1.0), 1e-2, 1e2, 1.0)
    for number in range(1, stand_ins + 1):
        # a stand-in is meant to tell nearly the same: a standard deviation of its difference around
        # a tenth of the quantity's own, with room for ten times less and more
        prior = LogNormalPrior(loc=-4.6, scale=2.0)
        difference = _scaled(dimension, prior, 1e-6, 10.0, 1e-2)
        total = total + _only(number, stand_ins + 1, dimension) * difference
    return total


def _scaled(dimension: int, prior: Any, low: float, high: float, start: float) -> Any:
    """A smooth process over the settings, its variance between the bounds."""
    from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
    from gpytorch.constraints import Interval
    from gpytorch.kernels import ScaleKernel

    smooth = get_covar_module_with_dim_scaled_prior(dimension, active_dims=list(range(dimension)))
    bounds = Interval(low, high, initial_value=start)
    return ScaleKernel(smooth, outputscale_prior=prior, outputscale_constraint=bounds)


def _only(number: int, sources: int, column: int) -> Any:
    """1 where both settings are of this source, else 0."""
    import torch
    from gpytorch.kernels import IndexKernel

    kernel = IndexKernel(num_tasks=sources, rank=1, active_dims=[column])
    factor = torch.zeros(sources, 1, dtype=torch.float64)
    factor[number] = 1.0
    kernel.initialize(covar_factor=factor, var=torch.full((sources,), _NOTHING))
    kernel.requires_grad_(False)
    return kernel
