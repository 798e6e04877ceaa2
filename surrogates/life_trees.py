"""Forests and boosted trees of log life: grown by scikit-learn, asked without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.trees import Trees, joined

FloatArray = NDArray[np.float64]

SEED = 0  # of what is drawn while trees grow: the same cells give the same trees
# Forty cells carry no deep trees and no large forests; the text of a model stays near a megabyte.
N_TREES = 60
FEWEST_IN_LEAF = 2
SHARE_OF_FEATURES = 0.5
N_BOOSTED = 60
BOOSTED_DEPTH = 2
BOOSTED_RATE = 0.1
BOOSTED_SHARE = 0.8
ADABOOST_DEPTH = 3

_DTYPES: Mapping[str, Any] = {
    "roots": np.int32,
    "feature": np.int16,
    "threshold": np.float64,
    "left": np.int32,
    "right": np.int32,
    "value": np.float32,
    "base": np.float64,
    "factor": np.float64,
}


@dataclass(frozen=True, eq=False)
class LifeTrees:
    """Trees whose leaves are summed, or, with ``weights`` (one a tree), their weighted median."""

    trees: Trees
    weights: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.weights is not None and (
            self.weights.shape != self.trees.roots.shape or not (self.weights > 0.0).all()
        ):
            raise ValueError("every tree needs a positive weight")
        arrays = (self.trees.threshold, self.trees.value, self.trees.base, self.trees.factor)
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError("the trees hold a value that is not finite")
        if self.trees.value.shape[1] != 1 or len(self.trees.base) != 1 or not len(self.trees.roots):
            raise ValueError("these are no trees of one target")

    def fits(self, n_features: int) -> bool:
        """Whether the trees ask for no more than so many features."""
        return bool(((self.trees.feature >= 0) & (self.trees.feature < n_features)).all())

    def predict(self, x: FloatArray) -> FloatArray:
        """``n_points`` for ``x`` (``n_points x n_features``)."""
        if self.weights is None:
            return self.trees.predict(x)[:, 0]
        leaves = self.trees.leaves(x)[:, :, 0]
        order = np.argsort(leaves, axis=1, kind="stable")
        passed = np.cumsum(self.weights[order], axis=1)
        middle = (passed >= 0.5 * passed[:, -1:]).argmax(axis=1)
        rows = np.arange(len(x))
        return np.asarray(leaves[rows, order[rows, middle]] + self.trees.base)

    def state(self) -> dict[str, Any]:
        """Plain values, exact when written by ``repr``."""
        lists = {name: array.tolist() for name, array in self.trees.arrays().items()}
        return {"trees": lists, "weights": None if self.weights is None else self.weights.tolist()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> LifeTrees:
        """Inverse of `state`. Raises ValueError, TypeError, KeyError, OverflowError."""
        trees = {name: np.array(state["trees"][name], dtype) for name, dtype in _DTYPES.items()}
        weights = state["weights"]
        return cls(
            Trees.from_arrays(trees),
            None if weights is None else np.array(weights, dtype=np.float64),
        )


def random_forest(x: FloatArray, y: FloatArray) -> LifeTrees:
    """A random forest (Breiman, Machine Learning 45, 5, 2001)."""
    from sklearn.ensemble import RandomForestRegressor

    return _averaged(RandomForestRegressor, x, y)


def extra_trees(x: FloatArray, y: FloatArray) -> LifeTrees:
    """Extremely randomised trees (Geurts, Ernst, Wehenkel, Machine Learning 63, 3, 2006)."""
    from sklearn.ensemble import ExtraTreesRegressor

    return _averaged(ExtraTreesRegressor, x, y)


def _averaged(kind: Any, x: FloatArray, y: FloatArray) -> LifeTrees:
    base = float(y.mean())
    model = kind(
        n_estimators=N_TREES,
        min_samples_leaf=FEWEST_IN_LEAF,
        max_features=SHARE_OF_FEATURES,
        random_state=SEED,
    ).fit(x, y - base)
    grown = [one.tree_ for one in model.estimators_]
    return LifeTrees(
        joined(grown, [t.value[:, :, 0] for t in grown], np.array([base]), 1 / N_TREES)
    )


def gradient_boosting(x: FloatArray, y: FloatArray) -> LifeTrees:
    """Stochastic gradient boosting (Friedman, Comput. Stat. Data Anal. 38, 367, 2002)."""
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(
        n_estimators=N_BOOSTED,
        learning_rate=BOOSTED_RATE,
        max_depth=BOOSTED_DEPTH,
        subsample=BOOSTED_SHARE,
        random_state=SEED,
    ).fit(x, y)
    grown = [one.tree_ for one in model.estimators_[:, 0]]
    base = np.array([float(y.mean())])  # what scikit-learn starts from
    return LifeTrees(joined(grown, [t.value[:, :, 0] for t in grown], base, BOOSTED_RATE))


def adaboost(x: FloatArray, y: FloatArray) -> LifeTrees:
    """AdaBoost.R2 (Drucker, ICML 1997): the weighted median of trees grown on what went wrong."""
    from sklearn.ensemble import AdaBoostRegressor
    from sklearn.tree import DecisionTreeRegressor

    base = float(y.mean())
    model = AdaBoostRegressor(
        DecisionTreeRegressor(max_depth=ADABOOST_DEPTH),
        n_estimators=N_BOOSTED,
        random_state=SEED,
    ).fit(x, y - base)
    grown = [one.tree_ for one in model.estimators_]
    trees = joined(grown, [t.value[:, :, 0] for t in grown], np.array([base]), 1.0)
    return LifeTrees(trees, np.array(model.estimator_weights_[: len(grown)], dtype=np.float64))
