"""The covariance of one quantity told by several instruments; imports torch, so import it late."""

from __future__ import annotations

from typing import Any

import torch
from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
from gpytorch.constraints import Interval
from gpytorch.kernels import Kernel, ScaleKernel
from gpytorch.priors import LogNormalPrior
from torch import Tensor
from torch.nn import ModuleList

# A stand-in is meant to tell nearly the same: a standard deviation of its difference around a tenth
# of the quantity's own, with room for ten times less and more.
_DIFFERENCE = LogNormalPrior(loc=-4.6, scale=2.0)
_BOUNDS = Interval(1e-6, 10.0, initial_value=1e-2)


class SourcesKernel(Kernel):  # type: ignore[misc]  # gpytorch has no types
    """k((x, s), (x', s')) = k_f(x, x') + [s = s' > 0] k_s(x, x') (Poloczek, Wang and Frazier 2017).

    The last column is the number of the source; number 0, whose values are meant, has no difference
    from itself. Length scales have the priors of Hvarfner et al. 2024.
    """

    has_lengthscale = False

    def __init__(self, dimension: int, stand_ins: int) -> None:
        super().__init__()
        dims = list(range(dimension))
        self.shared = ScaleKernel(
            get_covar_module_with_dim_scaled_prior(dimension, active_dims=dims),
            outputscale_prior=LogNormalPrior(loc=0.0, scale=1.0),
            outputscale_constraint=Interval(1e-2, 1e2, initial_value=1.0),
        )
        self.differences = ModuleList(
            ScaleKernel(
                get_covar_module_with_dim_scaled_prior(dimension, active_dims=dims),
                outputscale_prior=_DIFFERENCE,
                outputscale_constraint=_BOUNDS,
            )
            for _ in range(stand_ins)
        )

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **params: Any) -> Tensor:
        """Covariances, ... x n1 x n2, or ... x n where only the diagonal is asked for."""
        total = _dense(self.shared(x1, x2, diag=diag, **params))
        one, other = x1[..., -1].round(), x2[..., -1].round()
        for number, difference in enumerate(self.differences, start=1):
            first, second = (one == number).to(total), (other == number).to(total)
            both = first * second if diag else first.unsqueeze(-1) * second.unsqueeze(-2)
            total = total + both * _dense(difference(x1, x2, diag=diag, **params))
        return total


def _dense(covariance: Any) -> Tensor:
    dense: Tensor = covariance if torch.is_tensor(covariance) else covariance.to_dense()
    return dense
