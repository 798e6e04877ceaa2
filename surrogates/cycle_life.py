"""Early prediction of cycle life from the first cycles of a cell, with calibrated intervals."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surrogates.cells import Cell
from surrogates.conformal import check_level, jackknife_plus, predictive_sd, probability_above
from surrogates.features import SHORTEST_HORIZON_CYCLES, Window, check_features, feature_table
from surrogates.fitted_life import FittedLife, VoltageGrid
from surrogates.learning import Lives, learn
from surrogates.life_formats import FORMAT, upcast
from surrogates.life_kinds import KINDS, ModelKind
from surrogates.recorded_cells import read_cells

__all__ = ["KINDS", "Cell", "CycleLifeModel", "LifePrediction", "read_cells"]

FloatArray = NDArray[np.float64]

FEWEST_TRAINING_CELLS = 8


@dataclass(frozen=True, eq=False)
class LifePrediction:
    """Predicted lives; every array has one value a cell, in the order of the cells.

    * ``ids``: the cells
    * ``mean``, ``lower``, ``upper``: cycles; ``mean`` is ten to the predicted log10 life (so the
      median of a log-normal life), ``lower`` and ``upper`` end the interval at ``level``
    * ``log_sd``: predictive standard deviation of the natural log of life (0.1 is about 10 %)
    * ``sem``: predictive standard deviation in cycles, ``mean * log_sd``
    * ``extrapolates``: the cell lies outside the range of the training cells: a guard acted
    """

    ids: tuple[str, ...]
    mean: FloatArray
    lower: FloatArray
    upper: FloatArray
    log_sd: FloatArray
    sem: FloatArray
    extrapolates: NDArray[np.bool_]
    level: float
    at_cycle: int

    def __len__(self) -> int:
        return len(self.ids)


class CycleLifeModel:
    """Predicts log10 cycle life from the change of Q(V) in the first ``at_cycle`` cycles.

    ``model`` is one of `KINDS`; ``level`` is the level of the intervals, by jackknife+ or CV+ in
    log space. ``features`` names other features than the model's own (`features.FEATURES`), for
    instance some that need temperature or resistance. The same cells in any order give the same
    model. A prediction depends on its own cell alone, bit for bit, and on no cycle after
    ``at_cycle``.

    Raises ValueError for an unknown model or feature, a level outside 0 to 1 or a horizon that is
    not a whole number from 5.
    """

    learns_from_bounds: ClassVar[bool] = True  # a censored cell's life is no life to it

    def __init__(
        self,
        at_cycle: int = 100,
        model: str = "default",
        level: float = 0.9,
        features: Sequence[str] | None = None,
    ) -> None:
        if model not in KINDS:
            raise ValueError(f"unknown model {model!r}: there are {', '.join(KINDS)}")
        self.at_cycle = _checked_horizon(at_cycle)
        self.model = model
        self.level = check_level(level)
        self.features = None if features is None else tuple(features)
        check_features(self._features)
        self._fitted: FittedLife | None = None

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"CycleLifeModel({given})"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments that make an equal, unfitted model."""
        return {
            "at_cycle": self.at_cycle,
            "model": self.model,
            "level": self.level,
            "features": self.features,
        }

    def fit(self, cells: Sequence[Cell]) -> CycleLifeModel:
        """Fit on the cells whose life is known, or a bound of it; returns itself.

        The others are left aside. One model is fitted on all of them, and models without one cell
        each or without a tenth of them: the latter make the intervals. Penalties are chosen once,
        on all training cells. Cells that were taken off alive (``censored``) are learnt from
        through a censored regression (`censoring.Completion`). Raises ValueError for fewer than
        8 cells of known life, repeated ids, unequal voltage grids, or a cell without curves up to
        ``at_cycle`` or that was dead by then.
        """
        training = _training_cells(cells)
        for cell in training:
            self._check_alive(cell)
        grid = VoltageGrid.of(training[0])
        _check_grids(training, grid)
        x = feature_table(training, self._features, self._window)
        self._fitted = learn(Lives.of(training, self.at_cycle), x, self._kind, self._features, grid)
        return self

    def check(self, cell: Cell) -> None:
        """Raises ValueError where the model could not learn from a cell: dead before ``at_cycle``,
        no curves, or gaps."""
        self._check_alive(cell)
        feature_table([cell], self._features, self._window)

    def predict(self, cells: Sequence[Cell], level: float | None = None) -> LifePrediction:
        """Predicted lives of ``cells``, with intervals at ``level`` (default: the model's own).

        Raises ValueError if the model is not fitted, or if a cell has another voltage grid than
        the training cells or no curves up to ``at_cycle``.
        """
        fitted = self.fitted
        level = self.level if level is None else check_level(level)
        _check_grids(cells, fitted.grid)
        x = feature_table(cells, fitted.features, self._window)
        center = fitted.full.predict(x)[0]
        left_out = fitted.without(x)
        lower, upper = jackknife_plus(center, left_out, fitted.residuals, level)
        mean = _cycles(center)
        log_sd = math.log(10.0) * predictive_sd(center, left_out, fitted.residuals)
        return LifePrediction(
            ids=tuple(cell.id for cell in cells),
            mean=mean,
            lower=_cycles(lower),
            upper=_cycles(upper),
            log_sd=log_sd,
            sem=mean * log_sd,
            extrapolates=fitted.full.outside(x)[0],
            level=level,
            at_cycle=self.at_cycle,
        )

    def probability_longer(self, cells: Sequence[Cell], than: float = 550.0) -> FloatArray:
        """Probability that each of ``cells`` lives longer than ``than`` cycles, ``n_cells``.

        550 cycles separate the short-lived from the long-lived cells of Severson et al. (2019).
        From the predictive distribution of the intervals. Raises ValueError as `predict`, and
        unless ``than`` is positive.
        """
        if not (math.isfinite(than) and than > 0.0):
            raise ValueError(f"the life to outlast is {than!r} cycles, it must be positive")
        fitted = self.fitted
        _check_grids(cells, fitted.grid)
        x = feature_table(cells, fitted.features, self._window)
        return probability_above(fitted.without(x), fitted.residuals, math.log10(than))

    @property
    def fitted(self) -> FittedLife:
        """What was learnt; raises ValueError before `fit`."""
        if self._fitted is None:
            raise ValueError("the model is not fitted: call fit(cells) first")
        return self._fitted

    @property
    def cross_validated_log_sd(self) -> float:
        """Root mean square cross-validated error of the natural log of life.

        Each cell of known life is predicted by a model that has not seen it.
        """
        return math.log(10.0) * math.sqrt(float((self.fitted.residuals**2).mean()))

    def to_json(self) -> str:
        """The fitted model as canonical JSON: equal models give equal text, exact to the bit."""
        document = {
            "format": FORMAT,
            "at_cycle": self.at_cycle,
            "model": self.model,
            "level": self.level,
            "features": None if self.features is None else list(self.features),
            "fitted": self.fitted.state(),
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> CycleLifeModel:
        """Inverse of `to_json`; predictions are bit-identical. Raises ValueError if it is none."""
        try:
            document = json.loads(text)
            document = upcast(document) if isinstance(document, dict) else document
        except json.JSONDecodeError as error:
            raise ValueError(f"a cycle-life model is JSON text: {error}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"a cycle-life model is damaged: {error}") from error
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(f"this is no cycle-life model of format {FORMAT!r}")
        if set(document) != {"format", "at_cycle", "model", "level", "features", "fitted"}:
            raise ValueError(f"a cycle-life model has other fields than {sorted(document)}")
        if not isinstance(document["model"], str) or not isinstance(document["level"], float):
            raise ValueError("the model's kind must be a text and its level a number")
        if not isinstance(document["features"], list | None):
            raise ValueError("the model's features must be a list of names, or null")
        model = cls(
            document["at_cycle"], document["model"], document["level"], document["features"]
        )
        model._fitted = FittedLife.from_state(document["fitted"])
        if model._fitted.features != model._features:
            raise ValueError(f"the features are not those of the model {model.model!r}")
        return model

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def _check_alive(self, cell: Cell) -> None:
        """A life that has ended before the horizon is no life to predict from there."""
        life = cell.exact_life
        if life is not None and life < self.at_cycle:
            raise ValueError(
                f"cell {cell.id} lived {life:g} cycles, which is over before cycle {self.at_cycle}"
            )

    @property
    def _kind(self) -> ModelKind:
        return KINDS[self.model]

    @property
    def _features(self) -> tuple[str, ...]:
        return self._kind.features if self.features is None else self.features

    @property
    def _window(self) -> Window:
        return Window(self.at_cycle, self._kind.n_averaged)


def _checked_horizon(at_cycle: int) -> int:
    try:
        horizon = operator.index(at_cycle)
    except TypeError as error:
        raise ValueError(f"at_cycle is {at_cycle!r}, it must be a whole number") from error
    if horizon < SHORTEST_HORIZON_CYCLES:
        raise ValueError(f"at_cycle is {horizon}, it must be at least {SHORTEST_HORIZON_CYCLES}")
    return horizon


def _training_cells(cells: Sequence[Cell]) -> list[Cell]:
    """Cells with a life or a bound of it, in order of their ids."""
    training = sorted((c for c in cells if c.cycle_life is not None), key=lambda cell: cell.id)
    known = sum(cell.exact_life is not None for cell in training)
    if known < FEWEST_TRAINING_CELLS:
        raise ValueError(
            f"{known} of {len(cells)} cells have a known life, "
            f"at least {FEWEST_TRAINING_CELLS} are needed to fit"
        )
    for one, other in itertools.pairwise(training):
        if one.id == other.id:
            raise ValueError(f"two training cells have the id {one.id}")
    return training


def _check_grids(cells: Sequence[Cell], grid: VoltageGrid) -> None:
    for cell in cells:
        if not grid.matches(cell):
            raise ValueError(f"cell {cell.id} has another voltage grid: expected {grid}")


def _cycles(log10_life: FloatArray) -> FloatArray:
    # One by one: NumPy's power may round differently in a vector of another length.
    return np.array([10.0 ** float(value) for value in log10_life], dtype=np.float64)
