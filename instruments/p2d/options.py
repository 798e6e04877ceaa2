"""Options of the P2D model, as a campaign file gives them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from instruments.p2d.compiler import demand_compiler
from instruments.p2d.evaluation import MESH_POINTS, RTOL
from instruments.p2d.metrics import CURVE_POINTS, curve_voltages
from instruments.p2d.model import Kind
from instruments.p2d.parameter_set import parameter_set


@dataclass(frozen=True)
class P2dOptions:
    """Options of ``[instrument] kind = "p2d"``.

    channels:          discharges side by side on the campaign's clock
    parameter_set:     the cell that designs start from, by PyBaMM's name
    model:             dfn | spme | spm: cost against what is resolved
    mesh_points:       points in each electrode, the separator and the particles
    rtol:              relative tolerance of the time integration
    compiled:          compile the equations with the machine's C compiler: twice as fast once it
                       is done, after 20 s for each set, model and mesh; last digits differ
    curve_points:      points of the discharge curve that become metrics, 0 or at least 2
    least_utilisation: a cell that delivers a smaller share of its capacity fails; 0: none does

    Raises ValueError (option first) for a value out of range.
    """

    channels: int = 1
    parameter_set: str = "Chen2020"
    model: Kind = Kind.DFN
    mesh_points: int = MESH_POINTS
    rtol: float = RTOL
    compiled: bool = False
    curve_points: int = 0
    least_utilisation: float = 0.0

    def __post_init__(self) -> None:
        parameter_set(self.parameter_set)
        _within("channels", self.channels, 1, 100_000)
        _within("mesh_points", self.mesh_points, 5, 100)
        _within("rtol", self.rtol, 1e-8, 1e-2)
        if self.curve_points != 0:
            _within("curve_points", self.curve_points, 2, CURVE_POINTS)
        if self.compiled:
            demand_compiler()
        _within("least_utilisation", self.least_utilisation, 0.0, 1.0)

    @property
    def curve_v(self) -> Sequence[float]:
        """Voltages of the points of the curve that become metrics."""
        if self.curve_points == 0:
            return ()
        return curve_voltages(parameter_set(self.parameter_set), self.curve_points)


def _within(option: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{option}: {value!r} is not allowed; {low:g} to {high:g} is")
