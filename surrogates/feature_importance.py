"""What a fitted model relies on: permutation importance of its features on held-out cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogates import fitted_features
from surrogates.cycle_life import Cell, CycleLifeModel

FloatArray = NDArray[np.float64]

REPEATS = 50  # shufflings of a feature: their mean is then known to a seventh of their spread
SEED = 0  # of the shufflings
MOST_BARS = 40  # more columns than these are one measured curve, and stand in bands side by side
BANDS = 20


@dataclass(frozen=True)
class Importance:
    """By how much the mean error of log life grows when a feature is shuffled among the cells.

    The error is the mean absolute error of the natural log of life, so 0.05 is about 5 % of the
    life; ``sd`` is over the shufflings. Features that say the same share what they are worth.
    """

    name: str
    mean: float
    sd: float


@dataclass(frozen=True)
class _Estimator:
    """The model as scikit-learn sees it: from whole columns of features to log10 lives."""

    model: CycleLifeModel
    cells_by_features: FloatArray
    bands: Sequence[NDArray[np.intp]]

    def fit(self, x: FloatArray, y: FloatArray) -> _Estimator:
        """Does nothing: the model is fitted."""
        return self

    def loss(self, x: FloatArray, y: FloatArray) -> float:
        """Mean absolute error of the natural log of life for rows ``x`` (``n_cells x n_bands``).

        ``x[i, b]`` is the number of the cell whose features of band ``b`` cell ``i`` is given.
        """
        rows = x.astype(np.intp)
        mixed = self.cells_by_features.copy()
        for band, columns in enumerate(self.bands):
            mixed[:, columns] = self.cells_by_features[rows[:, band][:, None], columns[None, :]]
        return float(np.abs(fitted_features.log10_lives(self.model, mixed) - y).mean() * np.log(10))


def importance(
    models: Sequence[CycleLifeModel], held_out: Sequence[Sequence[Cell]]
) -> tuple[Importance, ...]:
    """Permutation importance (Breiman, Machine Learning 45, 5, 2001), most important first.

    Bands of a curve come in their own order instead.

    ``held_out`` holds, for each model, cells with known lives that it was not fitted to; the
    models (folds of a cross-validation, or a single one) have the same features and count by their
    cells. A feature is shuffled 50 times, always the same way. More than 40 features are taken as
    one curve and shuffled in 20 bands of neighbours. Raises ValueError for fewer than two cells.
    """
    from sklearn.inspection import permutation_importance

    names, bands = _bands(fitted_features.names(models[0]))
    if min(map(len, held_out)) < 2:
        raise ValueError("the importance of a feature needs at least two held-out cells")
    total, n = np.zeros((len(bands), REPEATS)), 0
    for model, cells in zip(models, held_out, strict=True):
        lives = np.array([cell.cycle_life for cell in cells], dtype=np.float64)
        estimator = _Estimator(model, fitted_features.table(model, cells), bands)
        rows = np.repeat(np.arange(len(cells), dtype=np.float64)[:, None], len(bands), axis=1)
        found = permutation_importance(
            estimator, rows, np.log10(lives), n_repeats=REPEATS, random_state=SEED,
            scoring=lambda one, x, y: -one.loss(x, y),
        )  # fmt: skip
        total += len(cells) * found.importances
        n += len(cells)
    total /= n
    made = [
        Importance(name, float(row.mean()), float(row.std()))
        for name, row in zip(names, total, strict=True)
    ]
    if len(made) < len(fitted_features.names(models[0])):
        return tuple(made)
    return tuple(sorted(made, key=lambda one: (-one.mean, one.name)))


def _bands(names: Sequence[str]) -> tuple[list[str], list[NDArray[np.intp]]]:
    """What is shuffled as one: each feature, or bands of neighbours where they are many."""
    if len(names) <= MOST_BARS:
        return list(names), [np.array([j]) for j in range(len(names))]
    bands = np.array_split(np.arange(len(names)), BANDS)
    return [f"{names[b[0]]} to {names[b[-1]]}" for b in bands], bands
