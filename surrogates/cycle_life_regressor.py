"""Early prediction as a scikit-learn regressor, for its cross-validation and searches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from surrogates.cells import Cell
from surrogates.cycle_life import CycleLifeModel


class CycleLifeRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """`CycleLifeModel` under scikit-learn's conventions: ``X`` is a sequence of cells, ``y`` lives.

    Parameters as in `CycleLifeModel`. With ``y`` (``n_cells``, cycles) the cells are given these
    lives; without, their own are used, bounds of cells taken off alive included.
    """

    def __init__(
        self,
        at_cycle: int = 100,
        model: str = "elastic_net",
        level: float = 0.9,
        features: Sequence[str] | None = None,
    ) -> None:
        self.at_cycle = at_cycle
        self.model = model
        self.level = level
        self.features = features

    def fit(self, X: Sequence[Cell], y: ArrayLike | None = None) -> CycleLifeRegressor:
        """Fit; raises ValueError as `CycleLifeModel.fit`, or if there are not as many lives."""
        cells = list(X)
        if y is not None:
            lives = np.asarray(y, dtype=np.float64)
            if lives.shape != (len(cells),):
                raise ValueError(f"y has shape {lives.shape}, expected ({len(cells)},)")
            cells = [cell.with_life(float(life)) for cell, life in zip(cells, lives, strict=True)]
        model = CycleLifeModel(self.at_cycle, self.model, self.level, self.features)
        self.model_ = model.fit(cells)
        self.n_features_in_ = 1  # one cell a row
        return self

    def predict(self, X: Sequence[Cell]) -> NDArray[np.float64]:
        """Predicted lives in cycles, ``n_cells``."""
        check_is_fitted(self, "model_")
        return self.model_.predict(list(X)).mean
