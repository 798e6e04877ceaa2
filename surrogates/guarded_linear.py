"""Linear models that refuse to extrapolate, many of them at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Solver = Callable[[FloatArray, FloatArray], FloatArray]

# Measured on the recorded cells: unguarded models go wrong by a factor on the one cell of `test1`
# that died at 148 cycles. The margins let a cell lie a little outside.
FEATURE_MARGIN_SD = 0.25
TARGET_MARGIN_DEX = 0.08


@dataclass(frozen=True, eq=False)
class GuardedLinear:
    """``n_models`` linear models with the same ``n_features``.

    A prediction is ``intercept + sum_j coefficients_j (clip(x_j) - centre_j) / scale_j``, where a
    feature is clipped to ``lowest_j .. highest_j`` and the result to ``floor .. ceiling``: the
    ranges seen in training with a margin. Per-model arrays are ``n_models``, the others
    ``n_models x n_features``.
    """

    intercept: FloatArray
    floor: FloatArray
    ceiling: FloatArray
    coefficients: FloatArray
    centre: FloatArray
    scale: FloatArray
    lowest: FloatArray
    highest: FloatArray

    def __post_init__(self) -> None:
        per_model, per_feature = self.intercept.shape, self.coefficients.shape
        if len(per_model) != 1 or len(per_feature) != 2 or per_feature[0] != per_model[0]:
            raise ValueError(f"intercept and coefficients have shapes {per_model}, {per_feature}")
        for index, item in enumerate(fields(self)):
            array = getattr(self, item.name)
            if array.shape != (per_model if index < 3 else per_feature):
                raise ValueError(f"{item.name} has shape {array.shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"{item.name} holds a value that is not finite")
            array.setflags(write=False)
        if not (self.scale > 0.0).all():
            raise ValueError("scale must be positive")

    @classmethod
    def fit(cls, x: FloatArray, y: FloatArray, solve: Solver) -> GuardedLinear:
        """One model of ``y`` (``n``) on ``x`` (``n x n_features``).

        ``solve`` maps the standardised features and the centred target to coefficients.
        """
        centre, spread = x.mean(axis=0), x.std(axis=0, ddof=1)
        scale = np.where(spread > 0.0, spread, 1.0)
        intercept = float(y.mean())
        coefficients = np.where(spread > 0.0, solve((x - centre) / scale, y - intercept), 0.0)
        margin = FEATURE_MARGIN_SD * spread
        return cls(
            intercept=np.array([intercept]),
            floor=np.array([y.min() - TARGET_MARGIN_DEX]),
            ceiling=np.array([y.max() + TARGET_MARGIN_DEX]),
            coefficients=coefficients[None],
            centre=centre[None],
            scale=scale[None],
            lowest=(x.min(axis=0) - margin)[None],
            highest=(x.max(axis=0) + margin)[None],
        )

    @classmethod
    def stack(cls, models: Sequence[GuardedLinear]) -> GuardedLinear:
        """Several sets of models as one, in order."""
        return cls(
            **{f.name: np.concatenate([getattr(m, f.name) for m in models]) for f in fields(cls)}
        )

    def with_coefficients(self, coefficients: FloatArray) -> GuardedLinear:
        """This one model with other coefficients, ``n_models x n_features``: one for each row."""
        arrays = {
            item.name: np.repeat(getattr(self, item.name), len(coefficients), axis=0)
            for item in fields(self)
        }
        return GuardedLinear(**{**arrays, "coefficients": coefficients})

    @property
    def shape(self) -> tuple[int, int]:
        """``n_models`` and ``n_features``."""
        n_models, n_features = self.coefficients.shape
        return n_models, n_features

    def predict(self, x: FloatArray) -> FloatArray:
        """``n_models x n_points`` for ``x`` (``n_points x n_features``)."""
        return np.clip(self._guarded(x), self.floor[:, None], self.ceiling[:, None])

    def outside(self, x: FloatArray) -> NDArray[np.bool_]:
        """``n_models x n_points``: whether a guard changes the prediction of a point."""
        beyond = (x[None] < self.lowest[:, None]) | (x[None] > self.highest[:, None])
        y = self._guarded(x)
        clipped = (y < self.floor[:, None]) | (y > self.ceiling[:, None])
        return np.asarray(beyond.any(axis=2) | clipped)

    def unclipped(self, x: FloatArray) -> FloatArray:
        """Predictions without any guard, ``n_models x n_points``: a line has no end."""
        return self._sum(
            [np.repeat(x[None, :, j], len(self.intercept), 0) for j in range(x.shape[1])]
        )

    def _guarded(self, x: FloatArray) -> FloatArray:
        """With the features clipped, the prediction not."""
        return self._sum(
            [
                np.clip(x[None, :, j], self.lowest[:, j, None], self.highest[:, j, None])
                for j in range(x.shape[1])
            ]
        )

    def _sum(self, columns: Sequence[FloatArray]) -> FloatArray:
        # Element by element, feature by feature: a matrix product rounds differently for another
        # number of points, and a cell must get the same prediction alone as among others.
        total = np.repeat(self.intercept[:, None], columns[0].shape[1], axis=1)
        for j, column in enumerate(columns):
            standard = (column - self.centre[:, j, None]) / self.scale[:, j, None]
            total += self.coefficients[:, j, None] * standard
        return total

    def state(self) -> dict[str, Any]:
        """Plain lists, exact when written by ``repr``."""
        lists = {item.name: getattr(self, item.name).tolist() for item in fields(self)}
        return {"type": "linear", **lists}

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> GuardedLinear:
        """Inverse of `state`; raises ValueError if anything is missing or misshapen."""
        names = {item.name for item in fields(cls)}
        if set(state) != {"type", *names}:
            raise ValueError(f"a linear model has the fields {sorted(names)}, not {sorted(state)}")
        return cls(**{name: np.array(state[name], dtype=np.float64) for name in names})
