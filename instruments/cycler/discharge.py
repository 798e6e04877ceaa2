"""The 4C discharge of an aged cell: its capacity at 2.0 V, and the whole curve Q(V)."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from instruments.cycler.cell import (
    CUTOFF_VOLTAGE_V,
    DISCHARGE_CURRENT_A,
    REFERENCE_TEMPERATURE_K,
)
from instruments.cycler.cohort import Cohort
from instruments.cycler.degradation import electrodes
from instruments.cycler.half_cell import (
    Array,
    arrhenius,
    graphite_potential_v,
    lfp_potential_v,
    reaction_overpotential_v,
)

CURVE_POINTS: Final = 1000
CURVE_TOP_V: Final = 3.6

# Charge nodes of the capacity integral (midpoint rule) and of the curve's table.
_CAPACITY_NODES: Final = 64
_CURVE_NODES: Final = 256

# The strands reach from 4 sd below the median resistance to 2.5 above. The upper cut belongs to the
# calibration; the lower end is taken so far that no edge shows at the top of the curve.
_LOWEST_SD: Final = -4.0
_HIGHEST_SD: Final = 2.5
_SURFACE_LIMIT: Final = 1.05
_LEAST_CONTENT: Final = 1e-9
_LEAST_SITES: Final = 1e-4
_LEAST_DROP_V: Final = 1e-30


def voltage_grid_v() -> Array:
    """The standard grid: 1000 voltages from 3.6 V down to 2.0 V."""
    return np.linspace(CURVE_TOP_V, CUTOFF_VOLTAGE_V, CURVE_POINTS)


@dataclass(frozen=True, slots=True, eq=False)
class Discharge:
    """Everything the 4C discharge depends on, each array of shape ``(n,)``.

    Seen at ``k`` temperatures at once, ``drop_v`` and ``exchange_current_a`` are ``k x n``.
    """

    negative_ah: Array
    positive_ah: Array
    lithium_ah: Array
    full_ah: Array
    drop_v: Array
    drop_log_sd: Array
    exchange_current_a: Array
    diffusion_ah: Array

    @classmethod
    def of(cls, cohort: Cohort, state: Array, warmer_k: Array | float = 0.0) -> "Discharge":
        """Discharge of cells in ``state`` (``4 x n``), ``warmer_k`` above the reference.

        ``warmer_k`` is one number, one a lane ``(n,)``, or ``k x 1`` for ``k`` temperatures each.
        Temperature acts on the resistance and on the reaction with one activation energy.
        """
        cell = cohort.cell
        now = electrodes(cohort, state)
        temperature = REFERENCE_TEMPERATURE_K + np.asarray(warmer_k, dtype=np.float64)
        speed = arrhenius(cell.discharge_activation_j_mol, temperature, REFERENCE_TEMPERATURE_K)
        exchange = cell.exchange_current_a * now.health**cell.exchange_current_fade
        return cls(
            negative_ah=now.negative_ah,
            positive_ah=now.positive_ah,
            lithium_ah=now.lithium_ah,
            full_ah=now.full_ah,
            drop_v=DISCHARGE_CURRENT_A * now.resistance_ohm / speed,
            drop_log_sd=cell.resistance_log_sd + cell.resistance_sd_growth * (1.0 - now.health),
            exchange_current_a=exchange * speed,
            diffusion_ah=DISCHARGE_CURRENT_A * cell.diffusion_time_h / now.health,
        )

    @property
    def end_ah(self) -> Array:
        """Charge at which the surface of the graphite is empty: no discharge goes further."""
        return np.maximum(self.full_ah - self.diffusion_ah, 0.5 * self.full_ah)

    def potential_v(self, charge_ah: Array) -> Array:
        """Voltage without the ohmic drop after ``charge_ah`` (``m x n``), ``m x n``.

        Takes ``m x 1 x n`` and gives ``m x k x n`` where the discharge is at ``k`` temperatures.
        """
        left = self.full_ah - charge_ah
        lag = self.diffusion_ah * -np.expm1(-charge_ah / self.diffusion_ah)
        surface = np.maximum((left - lag) / self.negative_ah, _LEAST_CONTENT)
        sites = 2.0 * np.sqrt(np.maximum(surface * (_SURFACE_LIMIT - surface), _LEAST_SITES))
        ratio = DISCHARGE_CURRENT_A / (2.0 * self.exchange_current_a * sites)
        positive = lfp_potential_v((self.lithium_ah - left) / self.positive_ah)
        reaction = reaction_overpotential_v(ratio, REFERENCE_TEMPERATURE_K)
        return positive - graphite_potential_v(surface) - reaction


def capacity_ah(discharge: Discharge) -> Array:
    """Discharge capacity at 2.0 V, shape ``(n,)``, or ``(k, n)`` at ``k`` temperatures.

    The cell is a parallel bundle of strands of log-normal resistance. Strand ``s`` delivers charge
    until ``potential(q) - s`` meets 2.0 V, so that, integrating by parts over the strands,
    ``Q = int P(drop < potential(q) - 2.0 V) dq``: no root is searched, and no strand drops out.
    """
    edges = _charge_shares(_CAPACITY_NODES + 1)
    middles = _charge_shares(2 * _CAPACITY_NODES + 1)[1::2]
    upright = (-1, *([1] * discharge.drop_v.ndim))
    end = discharge.end_ah
    headroom = discharge.potential_v(middles.reshape(upright) * end) - CUTOFF_VOLTAGE_V
    alive = _share_below(headroom, discharge.drop_v, discharge.drop_log_sd)
    share: Array = np.add.reduce(np.diff(edges).reshape(upright) * alive, axis=0)
    return end * share


def curves_ah(discharge: Discharge, count: int) -> Array:
    """Noise-free Q(V) of the first ``count`` lanes on the standard grid, shape ``count x 1000``.

    ``Q(V) = sum_s p(s) q(V + s)``, with ``q`` the charge at which the strand without resistance
    reaches a voltage, and ``p(s)`` the drop's probability in one voltage step: the limit of
    infinitely many strands. (Seven strands leave steps in dQ/dV and a false jump at the knee.)
    """
    charge = _charge_shares(_CURVE_NODES)[:, np.newaxis] * discharge.end_ah
    potential = np.ascontiguousarray(discharge.potential_v(charge).T[:count])
    charge = np.ascontiguousarray(charge.T[:count])
    curves = np.empty((count, CURVE_POINTS))
    for lane in range(count):
        kernel = _drop_kernel(float(discharge.drop_v[lane]), float(discharge.drop_log_sd[lane]))
        single = _strand(potential[lane], charge[lane], len(kernel))
        curves[lane] = np.correlate(single, kernel, mode="valid")[::-1]
    return curves


def _charge_shares(count: int) -> Array:
    """Shares of the discharge from 0 to 1, crowded where the potential bends.

    That is at its start, where diffusion sets in, and more so where the graphite runs empty.
    """
    return np.asarray(1.0 - (1.0 - np.linspace(0.0, 1.0, count) ** 2) ** 3)


def _strand(potential_v: Array, charge_ah: Array, reach: int) -> Array:
    """Charge of the strand without resistance on rising voltages from 2.0 V, ``999 + reach``."""
    step = (CURVE_TOP_V - CUTOFF_VOLTAGE_V) / (CURVE_POINTS - 1)
    volts = CUTOFF_VOLTAGE_V + step * np.arange(CURVE_POINTS + reach - 1)
    falling = np.minimum.accumulate(potential_v)
    return np.asarray(np.interp(volts, falling[::-1], charge_ah[::-1], right=0.0))


def _drop_kernel(drop_v: float, log_sd: float) -> Array:
    """Probability that the ohmic drop lies in each voltage step, up to the widest strand."""
    step = (CURVE_TOP_V - CUTOFF_VOLTAGE_V) / (CURVE_POINTS - 1)
    widest = drop_v * math.exp(_HIGHEST_SD * log_sd)
    reach = min(math.ceil(widest / step) + 2, CURVE_POINTS)
    edges = np.asarray(step * (np.arange(reach + 1) - 0.5), dtype=np.float64)
    return np.diff(_share_below(edges, np.float64(drop_v), np.float64(log_sd)))


def _share_below(volts: Array, drop_v: Array | np.float64, log_sd: Array | np.float64) -> Array:
    """Share of the strands whose ohmic drop is below ``volts``: log-normal, cut at both ends."""
    from scipy.special import ndtr

    z = np.log(np.maximum(volts, _LEAST_DROP_V) / drop_v) / log_sd
    low, high = ndtr(_LOWEST_SD), ndtr(_HIGHEST_SD)
    inside = ndtr(np.minimum(np.maximum(z, _LOWEST_SD), _HIGHEST_SD))
    return np.asarray((inside - low) / (high - low))
