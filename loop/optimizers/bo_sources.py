"""One Gaussian process over settings and the instruments, exact or cheap, that measure them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from campaigns.records import Outcome, Trial
from loop.optimizers.bo_censored import Limits, completed
from loop.optimizers.bo_data import (
    FEASIBLE,
    LEAST_NOISE,
    MARGIN_NOISE,
    Array,
    Evidence,
    Series,
    assembled,
    encoded,
    infeasible,
    margins,
    metrics,
)
from loop.optimizers.bo_model import CHUNK

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.records import Setting
    from loop.history import History

# Steps of each fit: on electrode designs the last hundred steps of a whole fit took half its time
# for a thousandth of the likelihood a trial.
FIT_ITERATIONS = 50
TARGET = 0  # the source that the campaign's own instrument is; the fidelities follow in order


@dataclass(frozen=True)
class Sample:
    """One metric as all sources told it, standardised together: value = offset + scale * y.

    Attributes:
        x: settings in the unit cube, n x d.
        source: which source measured each, n.
        y: standardised means, n.
        variance: squared standard errors in units of scale squared, n; None: to be inferred.
    """

    metric: str
    x: Array
    source: NDArray[np.intp]
    y: Array
    variance: Array | None
    offset: float
    scale: float

    def series(self) -> Series:
        """All of it, the number of the source as one more column of x."""
        x = np.column_stack([self.x, self.source.astype(np.float64)])
        return Series(self.metric, x, self.y, self.variance, self.offset, self.scale)

    def told_by_target(self) -> Series:
        """What the campaign's own instrument told."""
        own = self.source == TARGET
        variance = None if self.variance is None else self.variance[own]
        return Series(self.metric, self.x[own], self.y[own], variance, self.offset, self.scale)


def samples(campaign: Campaign, history: History) -> list[Sample]:
    """Every metric that the instrument itself has measured, then feasibility where settings failed.

    Metrics keep one scale over all sources: they are the same quantity, told more or less well.
    Bounds, whoever told them, are in as outcomes that say the same; where there are any, use inside
    `fenced` only.
    """
    names = [name for name in metrics(campaign) if history.outcomes(name)]
    found = [_with_bounds(campaign, history, _sample(campaign, history, name)) for name in names]
    if any(infeasible(history, source) for source in sources(campaign)):
        found.append(_labels(campaign, history))
    return found


def sources(campaign: Campaign) -> list[str]:
    """The names of what can measure a setting: the instrument ("") first."""
    return ["", *(one.name for one in campaign.fidelities)]


def _sample(campaign: Campaign, history: History, metric: str) -> Sample:
    told: list[tuple[int, Trial, Outcome]] = [
        (i, trial, outcome)
        for i, source in enumerate(sources(campaign))
        for trial, outcome in history.outcomes(metric, fidelity=source)
    ]
    means = np.array([outcome.mean for _, _, outcome in told], dtype=np.float64)
    sems = [outcome.sem for _, _, outcome in told]
    spread = float(means.std()) if len(means) > 1 else 0.0
    scale = spread if spread > 1e-12 * float(np.abs(means).max()) else 1.0
    offset = float(means.mean())
    variance = None
    if all(sem is not None for sem in sems):
        variance = np.maximum((np.array(sems, dtype=np.float64) / scale) ** 2, LEAST_NOISE)
    return Sample(
        metric,
        encoded(campaign, [trial.parameters for _, trial, _ in told]),
        np.array([i for i, _, _ in told], dtype=np.intp),
        (means - offset) / scale,
        variance,
        offset,
        scale,
    )


def _with_bounds(campaign: Campaign, history: History, one: Sample) -> Sample:
    told = [Limits.of(campaign, history, one.metric, source) for source in sources(campaign)]
    columns = [at(limits.x, i) for i, limits in enumerate(told)]
    limits = Limits(
        np.concatenate(columns),
        np.concatenate([limits.value for limits in told]),
        np.concatenate([limits.side for limits in told]),
        np.concatenate([limits.sem for limits in told]),
    )
    if not len(limits.value):
        return one
    found = completed(one.series(), limits, partial(_fitted, stand_ins=len(campaign.fidelities)))
    return replace(
        one,
        x=found.x[:, :-1],
        source=found.x[:, -1].astype(np.intp),
        y=found.y,
        variance=found.variance,
        offset=found.offset,
        scale=found.scale,
    )


def _labels(campaign: Campaign, history: History) -> Sample:
    """How far settings are from those judged otherwise; see `bo_data.margins`.

    One border for all sources: where a stand-in fails, so most likely does the instrument.
    """
    settings: list[Setting] = []
    source: list[int] = []
    fine: list[bool] = []
    metric = campaign.objectives[0].metric
    for i, name in enumerate(sources(campaign)):
        known = history.outcomes(metric, exact=False, fidelity=name)
        told = [trial.parameters for trial, _ in known]
        failed = infeasible(history, name)
        settings += [*told, *failed]
        source += [i] * (len(told) + len(failed))
        fine += [True] * len(told) + [False] * len(failed)
    x = encoded(campaign, settings)
    noise = np.full(len(x), MARGIN_NOISE)
    margin = margins(x, np.array(fine))
    return Sample(FEASIBLE, x, np.array(source, dtype=np.intp), margin, noise, 0.0, 1.0)


@dataclass(frozen=True)
class SourceModel:
    """A fitted model of every metric at every source. Use inside `fenced` only.

    The instrument's values are a Gaussian process, and what a stand-in tells instead differs by one
    of its own (Poloczek, Wang and Frazier 2017): f_s(x) = f(x) + delta_s(x).
    """

    evidence: Evidence  # what the instrument itself told
    gps: Any  # botorch ModelListGP over settings and the source's number, d + 1 columns

    def moments(self, x: Array, source: int = TARGET) -> tuple[Array, Array]:
        """Posterior means and standard deviations of the noise-free metrics, n x m, standardised.

        x: n x d in the unit cube.
        """
        import torch

        means, sds = [], []
        with torch.no_grad():
            for chunk in torch.from_numpy(at(x, source)).split(CHUNK):
                posterior = self.gps.posterior(chunk)
                means.append(posterior.mean.numpy())
                sds.append(posterior.variance.clamp_min(0.0).sqrt().numpy())
        return np.concatenate(means), np.concatenate(sds)

    def baseline(self) -> Array:
        """The distinct settings that the instrument itself has measured, n x d."""
        return np.unique(self.evidence.series[self.evidence.objectives[0][0]].x, axis=0)

    def share_explained(self, x: Array, source: int) -> float:
        """Which share of what is not known of the instrument's metrics at x (d) a trial of the
        source there would explain: their squared posterior correlation, the mean over metrics
        weighted by the instrument's variance."""
        import torch

        pair = torch.from_numpy(np.concatenate([at(x[None, :], TARGET), at(x[None, :], source)]))
        variance, explained = 0.0, 0.0
        with torch.no_grad():
            for gp in self.gps.models:
                covariance = gp.posterior(pair).distribution.covariance_matrix
                own, other = float(covariance[0, 0]), float(covariance[1, 1])
                variance += own
                explained += float(covariance[0, 1]) ** 2 / (other + LEAST_NOISE)
        return min(1.0, explained / variance) if variance > 0 else 0.0


def at(x: Array, source: int) -> Array:
    """Settings (n x d) as the model takes them: with the number of a source, n x (d + 1)."""
    return np.column_stack([x, np.full(len(x), float(source))])


def fit(campaign: Campaign, found: Sequence[Sample]) -> SourceModel:
    """Fit every metric by itself, maximum a posteriori.

    Raises what the fence makes a ValueError where no fit succeeds.
    """
    from botorch.models.model_list_gp_regression import ModelListGP

    gps = [_fitted(one.series(), len(campaign.fidelities)) for one in found]
    evidence = assembled(campaign, [one.told_by_target() for one in found])
    return SourceModel(evidence, ModelListGP(*gps))


def _fitted(series: Series, stand_ins: int) -> Any:
    """A fitted BoTorch model of one metric; the last column of its x is the source."""
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    from loop.optimizers.bo_sources_kernel import sources_kernel

    variance = series.variance
    gp = SingleTaskGP(
        torch.from_numpy(series.x),
        torch.from_numpy(series.y).unsqueeze(-1),
        None if variance is None else torch.from_numpy(variance).unsqueeze(-1),
        covar_module=sources_kernel(series.x.shape[1] - 1, stand_ins),
        outcome_transform=None,
        input_transform=None,
    )
    likelihood = ExactMarginalLogLikelihood(gp.likelihood, gp)
    fit_gpytorch_mll(likelihood, optimizer_kwargs={"options": {"maxiter": FIT_ITERATIONS}})
    return gp
