"""Decision trees as plain arrays, made of those scikit-learn has grown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Arrays = Mapping[str, NDArray[np.generic]]

ROWS = 256  # asked at once, of all trees side by side


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
            or self._circles()
        ):
            raise ValueError("arrays that make no trees")

    def _circles(self) -> bool:
        """Whether a way down may never end: in a tree a node leads to itself or to later ones."""
        own = np.arange(len(self.feature))
        leaf = (self.left == own) & (self.right == own)
        return bool(((self.left <= own) | (self.right <= own))[~leaf].any())

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

    def leaves(self, x: FloatArray) -> FloatArray:
        """The value of the leaf each row (n, p) comes to in each tree: (n, trees, k)."""
        return np.asarray(self.value[self._landing(x)], dtype=np.float64)

    def _asked(self, x: FloatArray) -> FloatArray:
        total = self.value[self._landing(x)].sum(axis=1, dtype=np.float64)
        return np.asarray(self.base + self.factor[0] * total)

    def _landing(self, x: FloatArray) -> NDArray[np.int32]:
        """The leaf each row comes to in each tree, (n, trees)."""
        x = x.astype(np.float32)  # as they were fitted
        rows = np.arange(len(x))[:, None]
        node = np.tile(self.roots, (len(x), 1))
        while True:
            low = x[rows, self.feature[node]] <= self.threshold[node]
            below = np.where(low, self.left[node], self.right[node])
            if np.array_equal(below, node):
                return node
            node = below


def joined(
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
