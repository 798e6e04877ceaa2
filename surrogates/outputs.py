"""Surrogates of several outputs at once: their data, what they promise, and which there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

TARGETS: Mapping[str, str] = {
    "gp": "surrogates.output_gp:GaussianOutputs",
    "neural": "surrogates.output_ensemble:NeuralOutputs",
}


@dataclass(frozen=True, slots=True, eq=False)
class OutputData:
    """Measured outputs of n settings; one setting may stand there several times.

    x:        settings in the unit cube, n x d
    y:        outputs, n x k
    variance: their squared standard errors, n x k; NaN where none was stated
    """

    x: Array
    y: Array
    variance: Array

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or self.y.ndim != 2 or len(self.x) != len(self.y):
            raise ValueError("x (n x d) and y (n x k) need one row a setting")
        if self.y.shape != self.variance.shape:
            raise ValueError("y and variance must have the same shape")
        if not (np.isfinite(self.x).all() and np.isfinite(self.y).all()):
            raise ValueError("x and y must be finite")

    def noise(self) -> Array:
        """Typical noise variance of each output (k,): the median stated; NaN where none is."""
        stated = [column[~np.isnan(column)] for column in self.variance.T]
        return np.array([np.median(column) if column.size else np.nan for column in stated])


class OutputModel(Protocol):
    """A fitted surrogate. All methods take settings in the unit cube, m x d."""

    def moments(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the noise-free outputs, both m x k."""

    def draws(self, x: Array, n: int) -> Array:
        """n functions that the data allow, each at all settings: n x m x k."""

    def noise(self) -> Array:
        """Standard deviation of one measurement of each output (k,)."""


class OutputSurrogate(Protocol):
    """A kind of surrogate with its options; an implementation is a frozen dataclass."""

    def fit(self, data: OutputData, rng: np.random.Generator) -> OutputModel:
        """The model of the data; the same data and generator state give the same model."""


def known() -> tuple[str, ...]:
    """The surrogates that can be named."""
    return tuple(TARGETS)


def create(kind: str, options: Mapping[str, Any], where: str) -> OutputSurrogate:
    """A surrogate by name. Raises CampaignError, each line starting with `where`."""
    from campaigns.options import build
    from campaigns.problems import CampaignError, unknown

    if kind not in TARGETS:
        raise CampaignError([f"{where}: '{kind}': {unknown('surrogate', kind, known())}"])
    module, _, name = TARGETS[kind].partition(":")
    made: OutputSurrogate = build(getattr(import_module(module), name), options, f"{where}_options")
    return made
