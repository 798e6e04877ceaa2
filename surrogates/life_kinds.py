"""The models of cycle life by name: their features, and how they are fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from surrogates.elastic_net import ElasticNet
from surrogates.features import SAMPLES, SUMMARY
from surrogates.guarded_linear import GuardedLinear, Solver
from surrogates.life_gp import GaussianProcess, Hyperparameters, fit_hyperparameters
from surrogates.life_models import Curve, GuardedCurves, LifeModels, Mean, UnguardedLinear
from surrogates.life_trees import adaboost, extra_trees, gradient_boosting, random_forest
from surrogates.linear_life import (
    PCR_COMPONENTS,
    PLSR_COMPONENTS,
    PartialLeastSquares,
    PrincipalComponents,
    Ridge,
    least_squares,
)

FloatArray = NDArray[np.float64]

# Folds of the models that cost more than a millisecond; the others leave out one cell at a time.
N_FOLDS = 10


class Learner(Protocol):
    """Fits one model to ``x`` (``n x n_features``) and log10 lives ``y`` (``n``)."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What was chosen beforehand, on all training cells."""

    def __call__(self, x: FloatArray, y: FloatArray) -> LifeModels: ...


Choose = Callable[[FloatArray, FloatArray], Learner]


@dataclass(frozen=True)
class LinearLearner:
    """A linear model with guards."""

    solve: Solver
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, x: FloatArray, y: FloatArray) -> GuardedLinear:
        return GuardedLinear.fit(x, y, self.solve)


@dataclass(frozen=True)
class PublishedLearner:
    """A linear model as published, without guards."""

    solve: Solver
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, x: FloatArray, y: FloatArray) -> UnguardedLinear:
        return UnguardedLinear(GuardedLinear.fit(x, y, self.solve))


@dataclass(frozen=True)
class CurveLearner:
    """A model of another kind, guarded."""

    fit: Callable[[FloatArray, FloatArray], Curve]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, x: FloatArray, y: FloatArray) -> GuardedCurves:
        return GuardedCurves.of(self.fit(x, y), x, y)


@dataclass(frozen=True)
class ProcessLearner:
    """A Gaussian process; each fit of its hyperparameters starts from those of all cells."""

    start: Hyperparameters

    @property
    def settings(self) -> Mapping[str, Any]:
        return asdict(self.start) | {"length": list(self.start.length)}

    def __call__(self, x: FloatArray, y: FloatArray) -> GuardedCurves:
        hyper = fit_hyperparameters(x, y, self.start)
        return GuardedCurves.of(GaussianProcess.condition(x, y, hyper), x, y)

    @classmethod
    def choose(cls, x: FloatArray, y: FloatArray) -> ProcessLearner:
        return cls(fit_hyperparameters(x, y, Hyperparameters.start(x.shape[1])))


@dataclass(frozen=True)
class MeanLearner:
    """The mean of several kinds, by name."""

    members: Mapping[str, Learner]

    @property
    def settings(self) -> Mapping[str, Any]:
        return {name: dict(member.settings) for name, member in self.members.items()}

    def __call__(self, x: FloatArray, y: FloatArray) -> Mean:
        return Mean(tuple(member(x, y) for member in self.members.values()))


def _elastic_net(x: FloatArray, y: FloatArray) -> LinearLearner:
    penalties = ElasticNet.choose(x, y)
    return LinearLearner(penalties, asdict(penalties))


def _ridge(x: FloatArray, y: FloatArray) -> LinearLearner:
    ridge = Ridge.choose(x, y)
    return LinearLearner(ridge, asdict(ridge))


def _elastic_net_and_gp(x: FloatArray, y: FloatArray) -> MeanLearner:
    return MeanLearner({"elastic_net": _elastic_net(x, y), "gp": ProcessLearner.choose(x, y)})


@dataclass(frozen=True)
class ModelKind:
    """A way to predict: which features, how many curves to average, how to fit.

    ``folds`` is how many models the intervals are made of; None: one for each training cell.
    """

    features: tuple[str, ...]
    n_averaged: int
    choose: Choose
    folds: int | None = None


def _fixed(learner: Learner) -> Choose:
    return lambda x, y: learner


KINDS: Mapping[str, ModelKind] = {
    # Severson et al. (2019), "variance model": single curves, as published.
    "variance": ModelKind(("log_var_dq",), 1, _fixed(LinearLearner(least_squares))),
    # Averaging five neighbouring curves is worth more than waiting longer.
    "elastic_net": ModelKind(SUMMARY, 5, _elastic_net),
    "ridge": ModelKind(SUMMARY, 5, _ridge),
    # Attia, Severson, Witmer (2021): dQ(V) of single curves at 100 voltages, without guards.
    "plsr": ModelKind(SAMPLES, 1, _fixed(PublishedLearner(PartialLeastSquares(PLSR_COMPONENTS)))),
    "pcr": ModelKind(SAMPLES, 1, _fixed(PublishedLearner(PrincipalComponents(PCR_COMPONENTS)))),
    "random_forest": ModelKind(SUMMARY, 5, _fixed(CurveLearner(random_forest)), N_FOLDS),
    "extra_trees": ModelKind(SUMMARY, 5, _fixed(CurveLearner(extra_trees)), N_FOLDS),
    "adaboost": ModelKind(SUMMARY, 5, _fixed(CurveLearner(adaboost)), N_FOLDS),
    "gradient_boosting": ModelKind(SUMMARY, 5, _fixed(CurveLearner(gradient_boosting)), N_FOLDS),
    "gp": ModelKind(SUMMARY, 5, ProcessLearner.choose, N_FOLDS),
    # Chosen by repeated cross-validation on training cells: see docs/early_prediction.md.
    "default": ModelKind(SUMMARY, 5, _elastic_net_and_gp, N_FOLDS),
}
