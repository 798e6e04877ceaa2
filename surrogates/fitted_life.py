"""What a fitted cycle-life model knows, as values that go into JSON and back unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.cells import Cell
from surrogates.life_models import LifeModels, from_state

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

N_SAMPLED_VOLTAGES = 9
VOLTAGE_TOLERANCE_V = 1e-3


@dataclass(frozen=True)
class VoltageGrid:
    """The voltages at which Q was sampled: how many, and nine of them evenly spread (V)."""

    n_voltages: int
    sampled_v: tuple[float, ...]

    @classmethod
    def of(cls, cell: Cell) -> VoltageGrid:
        chosen = np.linspace(0, len(cell.voltage) - 1, N_SAMPLED_VOLTAGES).round().astype(int)
        return cls(len(cell.voltage), tuple(float(v) for v in cell.voltage[chosen]))

    def matches(self, cell: Cell) -> bool:
        """Whether the cell has this grid, to 1 mV."""
        other = VoltageGrid.of(cell)
        return self.n_voltages == other.n_voltages and all(
            abs(a - b) <= VOLTAGE_TOLERANCE_V
            for a, b in zip(self.sampled_v, other.sampled_v, strict=True)
        )

    def __str__(self) -> str:
        return f"{self.n_voltages} voltages, {self.sampled_v[0]:g} to {self.sampled_v[-1]:g} V"


@dataclass(frozen=True, eq=False)
class FittedLife:
    """The model on all training cells, models without some of them, and their errors there.

    Of the ``n`` cells whose life is known (``training_ids``), ``fold`` says which model of
    ``left_out`` has not seen a cell, and ``residuals`` how far it is off there, in log10 life.
    ``censored_ids`` are the cells with a bound only: learnt from, but without a residual.
    ``settings`` is what was chosen on all training cells, such as penalties.
    """

    training_ids: tuple[str, ...]
    censored_ids: tuple[str, ...]
    features: tuple[str, ...]
    grid: VoltageGrid
    settings: Mapping[str, Any]
    full: LifeModels
    left_out: LifeModels
    fold: IntArray
    residuals: FloatArray

    def __post_init__(self) -> None:
        n, p = len(self.training_ids), len(self.features)
        n_models = self.left_out.shape[0]
        shapes = (self.full.shape, self.left_out.shape, self.fold.shape, self.residuals.shape)
        if shapes != ((1, p), (n_models, p), (n,), (n,)):
            raise ValueError(f"{n} training cells and {p} features do not fit arrays of {shapes}")
        if ((self.fold < 0) | (self.fold >= n_models)).any():
            raise ValueError(f"a fold is not one of {n_models}")
        if not np.isfinite(self.residuals).all() or (self.residuals < 0.0).any():
            raise ValueError("residuals must be finite and not negative")
        self.residuals.setflags(write=False)
        self.fold.setflags(write=False)

    def without(self, x: FloatArray) -> FloatArray:
        """``n x n_points``: what the models that had not seen training cell i say of ``x``."""
        return self.left_out.predict(x)[self.fold]

    def state(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "training_ids": list(self.training_ids),
            "censored_ids": list(self.censored_ids),
            "features": list(self.features),
            "voltage": {"n": self.grid.n_voltages, "sampled_v": list(self.grid.sampled_v)},
            "settings": dict(self.settings),
            "full": self.full.state(),
            "left_out": self.left_out.state(),
            "fold": self.fold.tolist(),
            "residuals": self.residuals.tolist(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> FittedLife:
        """Inverse of `state`; raises ValueError if anything is missing or does not fit."""
        try:
            voltage, settings = state["voltage"], state["settings"]
            if not isinstance(settings, dict):
                raise TypeError("settings must be a table")
            return cls(
                training_ids=tuple(state["training_ids"]),
                censored_ids=tuple(state["censored_ids"]),
                features=tuple(state["features"]),
                grid=VoltageGrid(int(voltage["n"]), tuple(map(float, voltage["sampled_v"]))),
                settings=settings,
                full=from_state(state["full"]),
                left_out=from_state(state["left_out"]),
                fold=np.array(state["fold"], dtype=np.int64),
                residuals=np.array(state["residuals"], dtype=np.float64),
            )
        except (KeyError, TypeError, IndexError, OverflowError) as error:
            raise ValueError(
                f"the fitted part of a cycle-life model is damaged: {error}"
            ) from error
