"""From a discharge to the numbers that a cell is judged by: energy, power, mass, volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from instruments.p2d.design import Coating, Design
from instruments.p2d.model import Discharge
from instruments.p2d.parameter_set import ParameterSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

# g/cm3; sources in docs/p2d.md
INACTIVE_DENSITY: Final = 1.80  # PVDF 1.78, carbon black 1.8 to 2.0
SEPARATOR_DENSITY: Final = 0.95  # polyethylene
ELECTROLYTE_DENSITY: Final = 1.22  # 1 mol/l LiPF6 in carbonates, taken for every concentration
CURVE_POINTS: Final = 101


@dataclass(frozen=True, slots=True)
class Curve:
    """The discharge curve: capacity delivered until the voltage is first below each voltage."""

    voltage_v: Sequence[float]
    capacity_mah_cm2: Sequence[float]


def stack_mass_g_m2(design: Design) -> float:
    """Both coatings, separator, electrolyte in all pores, half of each collector foil (both are
    coated on both sides): the repeating unit of a stack, per area of electrode."""
    separator = design.separator_um * (
        (1.0 - design.separator_porosity) * SEPARATOR_DENSITY
        + design.separator_porosity * ELECTROLYTE_DENSITY
    )
    coatings = (design.positive, design.negative)
    return separator + sum(_coated(one) + _half_foil(one) for one in coatings)


def stack_thickness_um(design: Design) -> float:
    """Of the same repeating unit."""
    foils = design.positive.material.collector_um + design.negative.material.collector_um
    return (
        design.positive.thickness_um + design.separator_um + design.negative.thickness_um
    ) + 0.5 * foils


def scalars(design: Design, discharge: Discharge) -> Mapping[str, float]:
    """Every metric of the card; see there for the units. Power is the mean over the discharge."""
    seconds = float(discharge.time_s[-1])
    hours = seconds / 3600.0
    mean_v = energy_v_s(discharge) / seconds
    energy_wh_m2 = design.current_a_m2 * mean_v * hours
    mass_kg_m2 = stack_mass_g_m2(design) / 1000.0
    volume_l_m2 = stack_thickness_um(design) * 1e-3
    return {
        "specific_energy_wh_kg": energy_wh_m2 / mass_kg_m2,
        "specific_power_w_kg": design.current_a_m2 * mean_v / mass_kg_m2,
        "energy_density_wh_l": energy_wh_m2 / volume_l_m2,
        "areal_capacity_mah_cm2": design.current_a_m2 * hours / 10.0,
        "utilisation": design.c_rate_per_h * hours,
        "mean_voltage_v": mean_v,
        "discharge_seconds": seconds,
        "stack_mass_g_m2": 1000.0 * mass_kg_m2,
    }


def energy_v_s(discharge: Discharge) -> float:
    """The integral of the voltage over time, by the trapezoidal rule on the solver's steps."""
    return float(np.trapezoid(discharge.voltage_v, discharge.time_s))


def curve_voltages(cell: ParameterSet, points: int) -> Sequence[float]:
    """Even steps from the upper to the lower voltage of the parameter set's window."""
    step = (cell.upper_v - cell.lower_v) / (points - 1)
    return [*(cell.upper_v - step * index for index in range(points - 1)), cell.lower_v]


def curve(design: Design, discharge: Discharge, points: int = CURVE_POINTS) -> Curve:
    """Q(V) on that grid."""
    grid = np.array(curve_voltages(design.parameter_set, points))
    falling = np.minimum.accumulate(discharge.voltage_v)
    seconds: NDArray[np.float64] = np.interp(-grid, -falling, discharge.time_s)
    capacity = seconds * design.current_a_m2 / 36_000.0
    return Curve(grid.tolist(), capacity.tolist())


def _coated(coating: Coating) -> float:
    return coating.thickness_um * (
        coating.active_fraction * coating.material.active_density_g_cm3
        + coating.inactive_fraction * INACTIVE_DENSITY
        + coating.porosity * ELECTROLYTE_DENSITY
    )


def _half_foil(coating: Coating) -> float:
    return 0.5 * coating.material.collector_um * coating.material.collector_density_g_cm3
