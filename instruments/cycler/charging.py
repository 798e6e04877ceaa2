"""Fast-charging protocols, and the current and temperature of a cell all along one charge."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from instruments.cycler.cell import DISCHARGE_CURRENT_A, NOMINAL_CAPACITY_AH, CellParameters
from instruments.cycler.half_cell import Array

POINTS_PER_STEP = 5
FINAL_RATE_PER_H = 1.0
FINAL_SOC = 0.97
DISCHARGE_S = 900.0
REST_S = 300.0
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class ChargeProtocol:
    """Constant-current steps: each C-rate (1/h of 1.1 Ah) is held up to its state of charge.

    Raises ValueError for no step, a rate that is not positive, or states of charge that do not
    rise within 0 to 1.
    """

    rates_per_h: tuple[float, ...]
    soc_ends: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.rates_per_h or len(self.rates_per_h) != len(self.soc_ends):
            raise ValueError("a protocol needs one end of charge for each rate, at least one")
        if not all(math.isfinite(rate) and rate > 0.0 for rate in self.rates_per_h):
            raise ValueError(f"rates must be finite and positive, not {self.rates_per_h}")
        edges = (0.0, *self.soc_ends, 1.0 + 1e-12)
        if not all(low < high for low, high in pairwise(edges)):
            raise ValueError(f"states of charge must rise within 0 to 1, not {self.soc_ends}")

    @classmethod
    def four_step(cls, rates_per_h: Sequence[float]) -> "ChargeProtocol":
        """Four steps of 20 % each, then 1C to 97 %: the protocols of Attia et al. (2020)."""
        if len(rates_per_h) != 4:
            raise ValueError(f"four rates are needed, not {len(rates_per_h)}")
        rates = (*(float(rate) for rate in rates_per_h), FINAL_RATE_PER_H)
        return cls(rates, (0.2, 0.4, 0.6, 0.8, FINAL_SOC))

    @property
    def charge_time_h(self) -> float:
        """Hours from empty to the last state of charge."""
        return float(sum(width / rate for rate, _, width in self._steps()))

    def _steps(self) -> list[tuple[float, float, float]]:
        starts = (0.0, *self.soc_ends[:-1])
        steps = zip(self.rates_per_h, starts, self.soc_ends, strict=True)
        return [(rate, start, end - start) for rate, start, end in steps]

    def points(self) -> Array:
        """Rate (1/h), middle state of charge and hours of every quadrature point, ``3 x p``."""
        rows = [
            (rate, start + (k + 0.5) / POINTS_PER_STEP * width, width / POINTS_PER_STEP / rate)
            for rate, start, width in self._steps()
            for k in range(POINTS_PER_STEP)
        ]
        return np.array(rows).T


def temperature_rise_k_per_ohm(
    current_a: Array, hours: Array, cooling_w_k: float, cell: CellParameters
) -> Array:
    """Temperature over ambient along one charge, per ohm of cell resistance, shape ``p``.

    Lumped heat balance ``C dT/dt = 1.35 R I^2 - hA (T - ambient)``, solved exactly over each point
    and averaged over its two ends. It is linear in ``R``, so a cell that grows resistive only
    rescales it. The cell starts warm from its 15-minute 4C discharge and five minutes' rest.
    """
    gain = cell.heat_per_resistance / cooling_w_k
    decay_per_s = cooling_w_k / cell.heat_capacity_j_k
    warm = gain * DISCHARGE_CURRENT_A**2 * -math.expm1(-decay_per_s * DISCHARGE_S)
    start = warm * math.exp(-decay_per_s * REST_S)
    rises = []
    for current, duration in zip(current_a.tolist(), hours.tolist(), strict=True):
        settled = gain * current**2
        end = settled + (start - settled) * math.exp(-decay_per_s * duration * _SECONDS_PER_HOUR)
        rises.append(0.5 * (start + end))
        start = end
    return np.array(rises)


def currents_a(rates_per_h: Array) -> Array:
    """Amperes of C-rates of the nominal capacity."""
    return NOMINAL_CAPACITY_AH * rates_per_h
