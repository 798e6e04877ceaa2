"""The features a fitted model of cycle life looks at, and its answer to a table of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surrogates.cycle_life import KINDS, Cell, CycleLifeModel
from surrogates.features import Window, feature_table

FloatArray = NDArray[np.float64]


def names(model: CycleLifeModel) -> tuple[str, ...]:
    """The features in the order of the columns of `table`. Raises ValueError before `fit`."""
    return model.fitted.features


def table(model: CycleLifeModel, cells: Sequence[Cell]) -> FloatArray:
    """``n_cells x n_features``, as the model sees them. Raises ValueError, naming the cell."""
    window = Window(model.at_cycle, KINDS[model.model].n_averaged)
    return feature_table(cells, names(model), window)


def log10_lives(model: CycleLifeModel, x: FloatArray) -> FloatArray:
    """Predicted log10 lives (``n_cells``) of such a table, guards included."""
    return np.asarray(model.fitted.full.predict(x)[0])
