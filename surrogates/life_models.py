"""Fitted models of log10 life, several at once, guarded, as plain values and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from surrogates.guarded_linear import FEATURE_MARGIN_SD, TARGET_MARGIN_DEX, GuardedLinear
from surrogates.life_gp import GaussianProcess
from surrogates.life_trees import LifeTrees

FloatArray = NDArray[np.float64]
Flags = NDArray[np.bool_]

# An unguarded model is kept where ten to its prediction is a number: one to a million cycles.
LOWEST_DEX, HIGHEST_DEX = 0.0, 6.0


class LifeModels(Protocol):
    """``n_models`` fitted models with the same features."""

    @property
    def shape(self) -> tuple[int, int]:
        """``n_models`` and ``n_features``."""

    def predict(self, x: FloatArray) -> FloatArray:
        """Log10 life, ``n_models x n_points`` for ``x`` (``n_points x n_features``)."""

    def outside(self, x: FloatArray) -> Flags:
        """``n_models x n_points``: whether a point lies outside what a model has seen."""

    def state(self) -> dict[str, Any]:
        """Plain values, exact when written by ``repr``; `from_state` reads them."""

    @classmethod
    def stack(cls, models: Sequence[Any]) -> Self:
        """Sets of models of this kind as one, in order."""


@dataclass(frozen=True, eq=False)
class UnguardedLinear:
    """Linear models as published, without guards; ``outside`` still tells."""

    linear: GuardedLinear

    @property
    def shape(self) -> tuple[int, int]:
        return self.linear.shape

    def predict(self, x: FloatArray) -> FloatArray:
        return np.clip(self.linear.unclipped(x), LOWEST_DEX, HIGHEST_DEX)

    def outside(self, x: FloatArray) -> Flags:
        return self.linear.outside(x)

    def state(self) -> dict[str, Any]:
        return {"type": "unguarded_linear", "linear": self.linear.state()}

    @classmethod
    def stack(cls, models: Sequence[UnguardedLinear]) -> UnguardedLinear:
        return cls(GuardedLinear.stack([one.linear for one in models]))

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> UnguardedLinear:
        return cls(GuardedLinear.from_state(state["linear"]))


class Curve(Protocol):
    """One model of any kind: GaussianProcess, LifeTrees."""

    def fits(self, n_features: int) -> bool: ...
    def predict(self, x: FloatArray) -> FloatArray: ...
    def state(self) -> dict[str, Any]: ...


@dataclass(frozen=True, eq=False)
class GuardedCurves:
    """Models of any one kind, their features and predictions kept to the range of training.

    ``lowest``, ``highest``: ``n_models x n_features``; ``floor``, ``ceiling``: ``n_models``.
    """

    curves: tuple[Curve, ...]
    lowest: FloatArray
    highest: FloatArray
    floor: FloatArray
    ceiling: FloatArray

    def __post_init__(self) -> None:
        n = len(self.curves)
        if self.floor.shape != (n,) or self.ceiling.shape != (n,):
            raise ValueError("every model needs a floor and a ceiling")
        if (
            self.lowest.ndim != 2
            or len(self.lowest) != n
            or self.highest.shape != self.lowest.shape
        ):
            raise ValueError("every model needs a range for each of its features")
        if n == 0 or not all(curve.fits(self.lowest.shape[1]) for curve in self.curves):
            raise ValueError("the models and their ranges have different features")
        ranges = ((self.lowest, self.highest), (self.floor, self.ceiling))
        if not all((low <= high).all() for low, high in ranges):  # so none of them is NaN
            raise ValueError("a range ends before it begins")

    @classmethod
    def of(cls, curve: Curve, x: FloatArray, y: FloatArray) -> GuardedCurves:
        """One model with the guards of the points it was fitted on."""
        margin = FEATURE_MARGIN_SD * x.std(axis=0, ddof=1)
        return cls(
            curves=(curve,),
            lowest=(x.min(axis=0) - margin)[None],
            highest=(x.max(axis=0) + margin)[None],
            floor=np.array([y.min() - TARGET_MARGIN_DEX]),
            ceiling=np.array([y.max() + TARGET_MARGIN_DEX]),
        )

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.curves), self.lowest.shape[1]

    def predict(self, x: FloatArray) -> FloatArray:
        return np.clip(self._unclipped(x), self.floor[:, None], self.ceiling[:, None])

    def outside(self, x: FloatArray) -> Flags:
        beyond = (x[None] < self.lowest[:, None]) | (x[None] > self.highest[:, None])
        y = self._unclipped(x)
        clipped = (y < self.floor[:, None]) | (y > self.ceiling[:, None])
        return np.asarray(beyond.any(axis=2) | clipped)

    def _unclipped(self, x: FloatArray) -> FloatArray:
        found = [
            curve.predict(np.clip(x, low, high))
            for curve, low, high in zip(self.curves, self.lowest, self.highest, strict=True)
        ]
        return np.array(found).reshape(len(self.curves), len(x))

    @classmethod
    def stack(cls, models: Sequence[GuardedCurves]) -> GuardedCurves:
        arrays = {name: np.concatenate([getattr(m, name) for m in models]) for name in _RANGES}
        return cls(curves=tuple(curve for m in models for curve in m.curves), **arrays)

    def state(self) -> dict[str, Any]:
        kind = type(self.curves[0])
        return {
            "type": next(name for name, one in _CURVES.items() if one is kind),
            "curves": [curve.state() for curve in self.curves],
            **{name: getattr(self, name).tolist() for name in _RANGES},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> GuardedCurves:
        load = _CURVES[state["type"]].from_state
        arrays = {name: np.array(state[name], dtype=np.float64) for name in _RANGES}
        return cls(curves=tuple(load(one) for one in state["curves"]), **arrays)


@dataclass(frozen=True, eq=False)
class Mean:
    """The mean of the log10 lives of several kinds of models with the same features."""

    members: tuple[LifeModels, ...]

    def __post_init__(self) -> None:
        if len({member.shape for member in self.members}) != 1:
            raise ValueError("the members of a mean differ in size")

    @property
    def shape(self) -> tuple[int, int]:
        return self.members[0].shape

    def predict(self, x: FloatArray) -> FloatArray:
        total = self.members[0].predict(x)
        for member in self.members[1:]:
            total = total + member.predict(x)
        return total / len(self.members)

    def outside(self, x: FloatArray) -> Flags:
        found = self.members[0].outside(x)
        for member in self.members[1:]:
            found = found | member.outside(x)
        return found

    @classmethod
    def stack(cls, models: Sequence[Mean]) -> Mean:
        by_member = zip(*(one.members for one in models), strict=True)
        return cls(tuple(type(parts[0]).stack(parts) for parts in by_member))

    def state(self) -> dict[str, Any]:
        return {"type": "mean", "members": [member.state() for member in self.members]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Mean:
        return cls(tuple(from_state(one) for one in state["members"]))


_RANGES = ("lowest", "highest", "floor", "ceiling")
_CURVES: Mapping[str, Any] = {"gaussian_process": GaussianProcess, "trees": LifeTrees}
_LOADERS: Mapping[str, Callable[[Mapping[str, Any]], LifeModels]] = {
    "linear": GuardedLinear.from_state,
    "unguarded_linear": UnguardedLinear.from_state,
    "gaussian_process": GuardedCurves.from_state,
    "trees": GuardedCurves.from_state,
    "mean": Mean.from_state,
}


def from_state(state: Mapping[str, Any]) -> LifeModels:
    """The models whose `state` this is.

    Raises ValueError, TypeError, KeyError or IndexError if it is none.
    """
    return _LOADERS[state["type"]](state)
