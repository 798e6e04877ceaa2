"""What a fitted cycle-life model knows, as values that go into JSON and back unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.cells import Cell
from surrogates.elastic_net import ElasticNet
from surrogates.guarded_linear import GuardedLinear

FloatArray = NDArray[np.float64]

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
    """The model on all ``n`` training cells, the ``n`` models without one, and their errors.

    ``residuals`` (``n``) are absolute leave-one-out errors of log10 life; ``penalties`` are those
    of the elastic net, None for least squares.
    """

    training_ids: tuple[str, ...]
    features: tuple[str, ...]
    grid: VoltageGrid
    penalties: ElasticNet | None
    full: GuardedLinear
    left_out: GuardedLinear
    residuals: FloatArray

    def __post_init__(self) -> None:
        n, p = len(self.training_ids), len(self.features)
        shapes = (
            self.full.coefficients.shape,
            self.left_out.coefficients.shape,
            self.residuals.shape,
        )
        if shapes != ((1, p), (n, p), (n,)):
            raise ValueError(f"{n} training cells and {p} features do not fit arrays of {shapes}")
        if not np.isfinite(self.residuals).all() or (self.residuals < 0.0).any():
            raise ValueError("residuals must be finite and not negative")
        self.residuals.setflags(write=False)

    def state(self) -> dict[str, Any]:
        """Plain values for JSON."""
        penalties = self.penalties
        return {
            "training_ids": list(self.training_ids),
            "features": list(self.features),
            "voltage": {"n": self.grid.n_voltages, "sampled_v": list(self.grid.sampled_v)},
            "penalties": penalties and {"alpha": penalties.alpha, "l1_ratio": penalties.l1_ratio},
            "full": self.full.state(),
            "left_out": self.left_out.state(),
            "residuals": self.residuals.tolist(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> FittedLife:
        """Inverse of `state`; raises ValueError if anything is missing or does not fit."""
        try:
            penalties, voltage = state["penalties"], state["voltage"]
            return cls(
                training_ids=tuple(state["training_ids"]),
                features=tuple(state["features"]),
                grid=VoltageGrid(int(voltage["n"]), tuple(map(float, voltage["sampled_v"]))),
                penalties=penalties and ElasticNet(**penalties),
                full=GuardedLinear.from_state(state["full"]),
                left_out=GuardedLinear.from_state(state["left_out"]),
                residuals=np.array(state["residuals"], dtype=np.float64),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"the fitted part of a cycle-life model is damaged: {error}"
            ) from error
