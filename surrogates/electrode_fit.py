"""Fitting models fold by fold, so that every design is predicted once by one that never saw it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from surrogates.electrode_kernel import KernelMean, fit_kernel
from surrogates.electrode_network import Network, fit_network
from surrogates.electrode_trees import Trees, fit_boosting, fit_forest

FloatArray = NDArray[np.float64]
Bools = NDArray[np.bool_]
Arrays = Mapping[str, NDArray[np.generic]]

FOLDS = 5


class Regressor(Protocol):
    """A fitted model of k targets."""

    def predict(self, x: FloatArray) -> FloatArray:
        """Outputs (n, k) for inputs (n, p)."""

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What it is, as arrays by name."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to learn: how it is fitted (inputs, targets, seed) and read back from its arrays."""

    fit: Callable[[FloatArray, FloatArray, int], Regressor]
    load: Callable[[Arrays], Regressor]


KINDS: Mapping[str, Kind] = {
    "neural_network": Kind(fit_network, Network.from_arrays),
    "random_forest": Kind(fit_forest, Trees.from_arrays),
    "gradient_boosting": Kind(fit_boosting, Trees.from_arrays),
    "gaussian_process": Kind(fit_kernel, KernelMean.from_arrays),
}
# Of how wrong a prediction is: few and smooth, for the errors of some hundred designs.
ERRORS = Kind(partial(fit_network, hidden=(12,), alpha=3.0), Network.from_arrays)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The mean of the models of all folds."""

    members: tuple[Regressor, ...]

    def predict(self, x: FloatArray) -> FloatArray:
        """Outputs (n, k) for inputs (n, p)."""
        total = self.members[0].predict(x)
        for member in self.members[1:]:
            total = total + member.predict(x)
        return total / len(self.members)

    def arrays(self, name: str) -> dict[str, NDArray[np.generic]]:
        """The arrays of all members, by paths that begin with `name`."""
        return {
            f"{name}/{i}/{key}": array
            for i, member in enumerate(self.members)
            for key, array in member.arrays().items()
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, name: str, kind: Kind) -> Ensemble:
        """Inverse of `arrays`. Raises KeyError, TypeError, ValueError."""
        members: dict[int, dict[str, NDArray[np.generic]]] = {}
        for path, array in arrays.items():
            whose, _, rest = path.partition("/")
            if whose == name:
                number, _, key = rest.partition("/")
                members.setdefault(int(number), {})[key] = array
        if not members:
            raise ValueError(f"there are no arrays of {name}")
        return cls(tuple(kind.load(members[i]) for i in range(len(members))))


def cross_fitted(
    kind: Kind, x: FloatArray, y: FloatArray, folds: NDArray[np.intp], seed: int
) -> tuple[Ensemble, FloatArray]:
    """A model for each fold, fitted on the other folds, and its predictions of that fold (n, k).

    Each row of the second is predicted by the one model that has not seen it; the first averages
    all of them for designs that none has seen, and is the better for it.
    """
    members = []
    unseen = np.empty_like(y)
    for fold in range(FOLDS):
        left_out = folds == fold
        member = kind.fit(x[~left_out], y[~left_out], seed + fold)
        unseen[left_out] = member.predict(x[left_out])
        members.append(member)
    return Ensemble(tuple(members)), unseen


@dataclass(frozen=True, slots=True)
class Logistic:
    """A probability from a score: 1 / (1 + exp(-(offset + slope * score)))."""

    offset: float
    slope: float

    def __call__(self, score: FloatArray) -> FloatArray:
        """Probabilities (n,)."""
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(self.offset + self.slope * score, -40, 40))))

    @classmethod
    def fit(cls, score: FloatArray, true: Bools) -> Logistic:
        """Platt's (1999) scaling, with his targets a little off 0 and 1 so that scores which tell
        the classes apart fully, or a single class, do no harm. Newton's method, as Lin et al.
        (2007)."""
        ups, downs = int(true.sum()), int((~true).sum())
        target = np.where(true, (ups + 1) / (ups + 2), 1 / (downs + 2))
        design = np.stack([np.ones_like(score), score], axis=1)
        found = np.array([math.log((ups + 1) / (downs + 1)), 0.0])

        def loss(beta: FloatArray) -> float:
            z = design @ beta
            return float((np.logaddexp(0.0, z) - target * z).sum())

        for _ in range(100):
            p = cls(float(found[0]), float(found[1]))(score)
            gradient = design.T @ (p - target)
            hessian = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
            step = np.linalg.solve(hessian, gradient)
            before, share = loss(found), 1.0
            while loss(found - share * step) > before and share > 1e-6:
                share /= 2
            found = found - share * step
            if float(np.abs(share * step).max()) < 1e-9:
                break
        return cls(float(found[0]), float(found[1]))

    def state(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"offset": self.offset, "slope": self.slope}
