"""What an evaluation reports: names, units, and values with their standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from instruments.cgmd.numerics import Numerics

if TYPE_CHECKING:
    from instruments.cgmd.simulation import Measured

DENSITY: Final = "density_g_cm3"
PACKING: Final = "packing_fraction"
PRESSURE_ERROR: Final = "pressure_error"
PROFILE: Final = "velocity_profile_deviation"

Scalars: TypeAlias = dict[str, list[float | None]]


def viscosity_at(rate_per_s: float) -> str:
    """Name of the viscosity at one shear rate."""
    return f"viscosity_pa_s_at_{rate_per_s:g}"


def units(rates_per_s: Sequence[float]) -> dict[str, str]:
    """Every metric of an evaluation with its unit."""
    viscosities = {viscosity_at(rate): "Pa*s" for rate in rates_per_s}
    return {DENSITY: "g/cm**3", **viscosities, PROFILE: "1", PACKING: "1", PRESSURE_ERROR: "1"}


def scalars(measured: Measured, numerics: Numerics) -> Scalars:
    """Metric -> [value, standard error or None].

    Two starts of one slurry differ by more than the block averages within one run tell, so that
    a standard error is never below the scatter between seeds (`Numerics.viscosity_sd`).
    """
    viscosities: Scalars = {
        viscosity_at(rate): [
            flow.viscosity,
            max(flow.sem, numerics.viscosity_sd * flow.viscosity),
        ]
        for rate, flow in sorted(measured.flows.items())
    }
    density, packing = measured.density_g_cm3, measured.packing
    deviation = max(flow.profile_deviation for flow in measured.flows.values())
    return {
        DENSITY: [density, numerics.density_sd * density],
        **viscosities,
        PROFILE: [deviation, None],
        PACKING: [packing, numerics.density_sd * packing],
        PRESSURE_ERROR: [measured.pressure_error, None],
    }
