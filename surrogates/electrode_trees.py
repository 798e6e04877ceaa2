"""Random forests and gradient boosting of electrode outputs, fitted by scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.trees import Trees, joined

__all__ = ["Trees", "fit_boosting", "fit_forest"]

FloatArray = NDArray[np.float64]

FOREST_TREES = 40  # a fold; a surrogate of five folds asks 200
BOOSTED_TREES = 300
BOOSTED_RATE = 0.08


def fit_forest(x: FloatArray, y: FloatArray, seed: int) -> Trees:
    """A random forest (Breiman 2001) for targets (n, k): a third of the inputs at each split."""
    from sklearn.ensemble import RandomForestRegressor

    centre, scale = y.mean(axis=0), np.maximum(y.std(axis=0), 1e-12)
    targets = (y - centre) / scale  # all targets count alike where a split serves them together
    model = RandomForestRegressor(
        n_estimators=FOREST_TREES, max_features=0.5, min_samples_leaf=2, random_state=seed
    ).fit(x, targets if y.shape[1] > 1 else targets[:, 0])
    grown = [one.tree_ for one in model.estimators_]
    values = [tree.value[:, :, 0] * scale for tree in grown]
    return joined(grown, values, centre, 1.0 / len(grown))


def fit_boosting(x: FloatArray, y: FloatArray, seed: int) -> Trees:
    """Gradient boosting (Friedman 2001, half of the rows a step) of each target by itself."""
    from sklearn.ensemble import GradientBoostingRegressor

    grown: list[Any] = []
    values: list[FloatArray] = []
    for column, target in enumerate(y.T):
        model = GradientBoostingRegressor(
            n_estimators=BOOSTED_TREES,
            learning_rate=BOOSTED_RATE,
            max_depth=5,
            min_samples_leaf=5,
            subsample=0.5,
            random_state=seed,
        ).fit(x, target)
        for (one,) in model.estimators_:
            value = np.zeros((one.tree_.node_count, y.shape[1]))
            value[:, column] = one.tree_.value[:, 0, 0]
            grown.append(one.tree_)
            values.append(value)
    return joined(grown, values, y.mean(axis=0), BOOSTED_RATE)
