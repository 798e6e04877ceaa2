"""The Gaussian process behind `bo` and its acquisition function, both built by Ax on BoTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from loop.optimizers.bo_data import Array, Evidence
from loop.optimizers.front import non_dominated

if TYPE_CHECKING:
    from torch import Tensor

# Hypervolume is computed exactly up to here; beyond, random scalarisations are cheaper (Ax's rule)
MOST_OBJECTIVES_BY_HYPERVOLUME = 4
CHUNK = 512  # settings scored at once: bounds memory at 128 samples a setting


@dataclass(frozen=True)
class Model:
    """A fitted model of every series of the evidence. Use inside `fenced` only."""

    evidence: Evidence
    surrogate: Any  # ax Surrogate
    digest: Any  # ax SearchSpaceDigest

    def moments(self, x: Array) -> tuple[Array, Array]:
        """Posterior means and standard deviations of the noise-free metrics, n x m, standardised.

        x: n x d in the unit cube.
        """
        import torch

        means, sds = [], []
        with torch.no_grad():
            for chunk in torch.from_numpy(np.ascontiguousarray(x)).split(CHUNK):
                posterior = self.surrogate.model.posterior(chunk)
                means.append(posterior.mean.numpy())
                sds.append(posterior.variance.clamp_min(0.0).sqrt().numpy())
        return np.concatenate(means), np.concatenate(sds)

    def baseline(self) -> Array:
        """The distinct settings of which the first objective is known, n x d."""
        return np.unique(self.evidence.series[self.evidence.objectives[0][0]].x, axis=0)


class Gauge(Protocol):
    """What an acquisition function needs to know of a fitted model."""

    @property
    def evidence(self) -> Evidence: ...
    def moments(self, x: Array) -> tuple[Array, Array]: ...
    def baseline(self) -> Array: ...


@dataclass(frozen=True)
class Acquisition:
    """What a setting promises, given the settings pending. Use inside `fenced` only."""

    name: str  # which it is; see `BayesianOptimizer`
    function: Any  # botorch AcquisitionFunction

    def score(self, x: Array) -> Array:
        """The acquisition value of each setting alone, n. x: n x d in the unit cube."""
        import torch

        with torch.no_grad():
            points = torch.from_numpy(np.ascontiguousarray(x)).unsqueeze(1)
            values = [self.function(chunk) for chunk in points.split(CHUNK)]
            scores: Array = torch.cat(values).numpy()
        return scores


def reference(model: Gauge) -> Array:
    """The point that hypervolume is measured from: a little below the worst of the front.

    The front is that of the posterior means at the measured settings, among those meeting the
    outcome constraints where any does; scaled back by a tenth of its range (Ishibuchi et al.
    2011). One value an objective, all to be maximised, standardised.
    """
    import torch
    from botorch.utils.multi_objective.hypervolume import infer_reference_point

    means, _ = model.moments(model.baseline())
    meets = model.evidence.excess(means) <= 0
    utility = model.evidence.utility(means[meets] if meets.any() else means)
    front = torch.from_numpy(utility[non_dominated(utility)])
    found: Array = infer_reference_point(front, scale=0.1).numpy()
    return found


def fit(evidence: Evidence) -> Model:
    """Fit one Gaussian process a metric (maximum a posteriori; priors of Hvarfner et al. 2024).

    Names never reach Ax: columns are x0, x1, …, metrics m0, m1, …
    Raises what the fence makes a ValueError where no fit succeeds.
    """
    import torch
    from ax.core.search_space import SearchSpaceDigest
    from ax.generators.torch.botorch_modular.surrogate import Surrogate, SurrogateSpec
    from ax.generators.torch.botorch_modular.utils import ModelConfig
    from botorch.utils.datasets import SupervisedDataset

    columns = [f"x{i}" for i in range(evidence.series[0].x.shape[1])]
    datasets = [
        SupervisedDataset(
            X=torch.from_numpy(series.x),
            Y=torch.from_numpy(series.y).unsqueeze(-1),
            Yvar=None
            if series.variance is None
            else torch.from_numpy(series.variance).unsqueeze(-1),
            feature_names=columns,
            outcome_names=[f"m{i}"],
        )
        for i, series in enumerate(evidence.series)
    ]
    digest = SearchSpaceDigest(feature_names=columns, bounds=[(0.0, 1.0)] * len(columns))
    # one model a metric: metrics may be known at different settings, and a joint fit of several
    # would stop when their sum stops improving
    spec = SurrogateSpec(
        model_configs=[ModelConfig(input_transform_classes=None, name="gp")],
        allow_batched_models=False,
    )
    surrogate = Surrogate(surrogate_spec=spec)
    surrogate.fit(datasets=datasets, search_space_digest=digest)
    return Model(evidence, surrogate, digest)


def acquire(model: Model, choice: str, pending: Array) -> Acquisition:
    """The acquisition function of an option (see `BayesianOptimizer`), pending settings (n x d) in.

    While no measured setting is believed to meet the outcome constraints, the probability of
    meeting them stands in for any choice. Raises ValueError where the choice does not fit the
    number of objectives.
    """
    import torch
    from ax.generators.torch.botorch_modular.acquisition import Acquisition as AxAcquisition
    from ax.generators.torch_base import TorchOptConfig

    evidence = model.evidence
    name = acquisition_name(model, choice)
    several = name in ("log_nehvi", "log_nparego")
    weights = _weights(evidence)
    config = TorchOptConfig(
        # Ax infers thresholds of its own from weights of several rows; ours see targets too
        objective_weights=weights if several else weights[:1],
        outcome_constraints=_outcome_constraints(evidence),
        objective_thresholds=torch.from_numpy(reference(model)) if several else None,
    )
    acquisition = AxAcquisition(
        surrogate=model.surrogate,
        search_space_digest=model.digest,
        torch_opt_config=config,
        botorch_acqf_class=acquisition_class(name),
        botorch_acqf_options=_acquisition_options(model, name),
    )
    if len(pending):
        acquisition.acqf.set_X_pending(torch.from_numpy(np.ascontiguousarray(pending)))
    return Acquisition(name, acquisition.acqf)


def acquisition_name(model: Gauge, choice: str) -> str:
    """What an option stands for, given the objectives and what is known of the constraints."""
    evidence = model.evidence
    if evidence.constraints and (evidence.excess(model.moments(model.baseline())[0]) > 0).all():
        return "log_feasibility"
    several = len(evidence.objectives)
    if choice == "auto":
        if several == 1:
            return "log_nei"
        return "log_nehvi" if several <= MOST_OBJECTIVES_BY_HYPERVOLUME else "log_nparego"
    if (choice in ("log_nei", "log_ei")) != (several == 1):
        raise ValueError(f"optimizer.options.acquisition: {choice} is not for {several} objectives")
    return choice


def acquisition_class(name: str) -> Any:
    """The BoTorch class of a name."""
    from botorch.acquisition import logei
    from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
    from botorch.acquisition.multi_objective.parego import qLogNParEGO

    return {
        "log_ei": logei.qLogExpectedImprovement,
        "log_nei": logei.qLogNoisyExpectedImprovement,
        "log_nehvi": qLogNoisyExpectedHypervolumeImprovement,
        "log_nparego": qLogNParEGO,
        "log_feasibility": logei.qLogProbabilityOfFeasibility,
    }[name]


def _acquisition_options(model: Model, name: str) -> dict[str, Any]:
    """What replaces Ax's own arguments: objectives that are not linear, and the settings known."""
    import torch
    from botorch.acquisition.multi_objective.objective import GenericMCMultiOutputObjective
    from botorch.acquisition.objective import GenericMCObjective

    if name == "log_feasibility":
        return {}
    gain = gains(model.evidence)
    options: dict[str, Any] = {"posterior_transform": None}
    if name in ("log_nehvi", "log_nparego"):
        options["objective"] = GenericMCMultiOutputObjective(gain)
    else:
        options["objective"] = GenericMCObjective(partial(alone, gain))
    if name == "log_ei":
        means, _ = model.moments(model.baseline())
        meets = model.evidence.excess(means) <= 0
        options["best_f"] = float(model.evidence.utility(means)[meets, 0].max())
    else:
        options["X_baseline"] = torch.from_numpy(model.baseline())
    return options


def gains(evidence: Evidence) -> Callable[..., Tensor]:
    """`Evidence.utility` on torch samples of shape ... x m, differentiable."""
    aims = [
        None if o.point is None else evidence.series[i].standardised(o.point)
        for i, o in evidence.objectives
    ]

    def utility(samples: Tensor, X: Tensor | None = None) -> Tensor:
        import torch

        columns = [
            objective.sign * samples[..., i] if aim is None else -(samples[..., i] - aim).abs()
            for (i, objective), aim in zip(evidence.objectives, aims, strict=True)
        ]
        return torch.stack(columns, dim=-1)

    return utility


def alone(gain: Callable[..., Tensor], samples: Tensor, X: Tensor | None = None) -> Tensor:
    """The one objective, without a dimension of its own."""
    return gain(samples)[..., 0]


def _weights(evidence: Evidence) -> Tensor:
    """What Ax needs to know of the objectives' metrics: their signs, objectives x series."""
    import torch

    weights = torch.zeros(len(evidence.objectives), len(evidence.series), dtype=torch.float64)
    for row, (index, objective) in enumerate(evidence.objectives):
        weights[row, index] = 1.0 if objective.point is not None else objective.sign
    return weights


def _outcome_constraints(evidence: Evidence) -> tuple[Tensor, Tensor] | None:
    """(A, b) with A y <= b, y the standardised metrics."""
    import torch

    limits = evidence.limits()
    if not limits:
        return None
    rows = torch.zeros(len(limits), len(evidence.series), dtype=torch.float64)
    for row, (index, sign, _) in enumerate(limits):
        rows[row, index] = sign
    bounds = torch.tensor([[limit] for _, _, limit in limits], dtype=torch.float64)
    return rows, bounds
