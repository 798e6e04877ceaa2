"""Decision trees as plain arrays: random forests and gradient boosting fitted by scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Arrays = Mapping[str, NDArray[np.generic]]

ROWS = 256  # asked at once, of all trees side by side
FOREST_TREES = 40  # a fold; a surrogate of five folds asks 200
BOOSTED_TREES = 300
BOOSTED_RATE = 0.08


@dataclass(frozen=True, eq=False)
class Trees:
    """Outputs `base + factor * sum over trees of a leaf's value`.

    All trees lie one after the other: `roots` (trees,) are their first nodes; a node sends a row
    with `x[feature] <= threshold` to `left`, others to `right`; a leaf sends all rows to itself.
    `value` is (nodes, k), `base` (k,), `factor` (1,).
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int16]
    threshold: FloatArray
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float32]
    base: FloatArray
    factor: FloatArray

    def __post_init__(self) -> None:
        nodes = len(self.feature)
        lengths = {len(a) for a in (self.threshold, self.left, self.right, self.value)}
        links = (self.roots, self.left, self.right)
        if (
            lengths != {nodes}
            or self.value.ndim != 2
            or any(((a < 0) | (a >= nodes)).any() for a in links)
        ):
            raise ValueError("arrays that make no trees")

    def predict(self, x: FloatArray) -> FloatArray:
        """Outputs (n, k) for inputs (n, p)."""
        found = [self._asked(x[i : i + ROWS]) for i in range(0, len(x), ROWS)]
        return np.concatenate(found) if found else np.empty((0, len(self.base)))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What they are, for `from_arrays`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Trees:
        """Inverse of `arrays`. Raises TypeError, ValueError."""
        given: dict[str, Any] = dict(arrays)
        return cls(**given)

    def _asked(self, x: FloatArray) -> FloatArray:
        x = x.astype(np.float32)  # as they were fitted
        rows = np.arange(len(x))[:, None]
        node = np.tile(self.roots, (len(x), 1))
        while True:
            low = x[rows, self.feature[node]] <= self.threshold[node]
            below = np.where(low, self.left[node], self.right[node])
            if np.array_equal(below, node):
                break
            node = below
        total = self.value[node].sum(axis=1, dtype=np.float64)
        return np.asarray(self.base + self.factor[0] * total)


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
    return _joined(grown, values, centre, 1.0 / len(grown))


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
    return _joined(grown, values, y.mean(axis=0), BOOSTED_RATE)


def _joined(
    grown: Sequence[Any], values: Sequence[FloatArray], base: FloatArray, factor: float
) -> Trees:
    """scikit-learn's trees one after the other."""
    counts = np.array([tree.node_count for tree in grown])
    roots = np.concatenate([[0], np.cumsum(counts)[:-1]])
    parts: dict[str, list[NDArray[Any]]] = {"feature": [], "left": [], "right": [], "cut": []}
    for tree, root in zip(grown, roots, strict=True):
        own = np.arange(tree.node_count)
        leaf = tree.children_left < 0
        parts["feature"].append(np.where(leaf, 0, tree.feature))
        parts["cut"].append(np.where(leaf, 0.0, tree.threshold))
        parts["left"].append(root + np.where(leaf, own, tree.children_left))
        parts["right"].append(root + np.where(leaf, own, tree.children_right))
    return Trees(
        roots=roots.astype(np.int32),
        feature=np.concatenate(parts["feature"]).astype(np.int16),
        threshold=np.concatenate(parts["cut"]).astype(np.float64),
        left=np.concatenate(parts["left"]).astype(np.int32),
        right=np.concatenate(parts["right"]).astype(np.int32),
        value=np.concatenate(values).astype(np.float32),
        base=np.asarray(base, dtype=np.float64),
        factor=np.array([factor]),
    )
