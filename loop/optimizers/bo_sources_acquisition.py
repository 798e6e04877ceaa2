"""Acquisition functions of BoTorch for a quantity that several instruments tell."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from loop.optimizers.bo_data import Array
from loop.optimizers.bo_model import (
    Acquisition,
    acquisition_class,
    acquisition_name,
    alone,
    gains,
    reference,
)
from loop.optimizers.bo_sources import TARGET, SourceModel, at

if TYPE_CHECKING:
    from torch import Tensor


def acquire(model: SourceModel, choice: str, pending: Array) -> Acquisition:
    """What a setting promises at the instrument itself, pending settings (n x d) taken in.

    choice: an option of `BayesianOptimizer`. Raises ValueError where it does not fit the number of
    objectives.
    """
    from botorch.acquisition.fixed_feature import FixedFeatureAcquisitionFunction

    name = acquisition_name(model, choice)
    function = acquisition_class(name)(model.gps, **_arguments(model, name, pending))
    dimension = model.baseline().shape[1]
    own = FixedFeatureAcquisitionFunction(function, dimension + 1, [dimension], [float(TARGET)])
    return Acquisition(name, own)


def _arguments(model: SourceModel, name: str, pending: Array) -> dict[str, Any]:
    import torch
    from botorch.acquisition.multi_objective.objective import GenericMCMultiOutputObjective
    from botorch.acquisition.objective import GenericMCObjective
    from botorch.sampling.normal import SobolQMCNormalSampler

    evidence = model.evidence
    constraints = [partial(_beyond, *limit) for limit in evidence.limits()] or None
    given: dict[str, Any] = {
        "sampler": SobolQMCNormalSampler(torch.Size([128]), seed=int(torch.randint(2**31, (1,)))),
        "constraints": constraints,
    }
    if len(pending):
        given["X_pending"] = torch.from_numpy(at(pending, TARGET))
    if name == "log_feasibility":
        return given
    several = name in ("log_nehvi", "log_nparego")
    gain: Callable[..., Tensor] = gains(evidence)
    wrapped = GenericMCMultiOutputObjective if several else GenericMCObjective
    given["objective"] = wrapped(gain if several else partial(alone, gain))
    if name == "log_ei":
        means, _ = model.moments(model.baseline())
        meets = evidence.excess(means) <= 0
        given["best_f"] = float(evidence.utility(means)[meets, 0].max())
        return given
    given["X_baseline"] = torch.from_numpy(at(model.baseline(), TARGET))
    given["prune_baseline"] = True  # settings that are surely not on the front cost time only
    if name == "log_nehvi":
        given["ref_point"] = torch.from_numpy(np.ascontiguousarray(reference(model)))
    return given


def _beyond(index: int, sign: float, limit: float, samples: Tensor) -> Tensor:
    """By how much samples (... x m) are beyond a bound; below 0 they keep it."""
    return sign * samples[..., index] - limit
