"""How finely a slurry is simulated: particles, steps, strain, pressure; and what that costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

SAMPLE_EVERY: Final = 5  # steps between two readings of the stress
BLOCKS: Final = 10  # block averages of the stress at one rate
_MOST_RATES = 12


class Fidelity(StrEnum):
    """Cost against noise; means agree within a few per cent."""

    FAST = "fast"
    MID = "mid"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Numerics:
    """Numbers that shape the answer without being part of the slurry.

    particles:         active particles in the box (their number buys noise, not bias)
    steps_per_strain:  time steps in which the box is sheared by 1, the same at every rate
    rates_per_s:       shear rates in 1/s, ascending (they are run in descending order)
    discarded, averaged: strain before and during the measurement at each rate
    settling_steps:    steps under pressure before the density is read; up to twice as many more
                       where the pressure has not settled by then
    mass_scale:        inertial mass over that of the stability rule (mass.py)
    pressure_kpa:      pressure under which the density is measured
    bead_um:           diameter of the beads of carbon, binder and solvent
    profile_tolerance: largest deviation of the velocity profile from a straight line, as a share
                       of the whole span
    density_sd, viscosity_sd: scatter between seeds at the reference as a share of the mean, as
                       measured with this number of particles (benchmarks/cgmd.py)
    """

    particles: int
    steps_per_strain: int
    rates_per_s: tuple[float, ...]
    discarded: float
    averaged: float
    settling_steps: int
    profile_tolerance: float
    density_sd: float
    viscosity_sd: float
    mass_scale: float = 0.1
    pressure_kpa: float = 0.1
    bead_um: float = 5.0

    def __post_init__(self) -> None:
        rates = self.rates_per_s
        if not 1 <= len(rates) <= _MOST_RATES or list(rates) != sorted(set(rates)):
            raise ValueError(f"rates: 1 to {_MOST_RATES} different rates in ascending order")
        if len({f"{rate:g}" for rate in rates}) < len(rates):
            raise ValueError("rates: must differ within six digits")
        if not all(math.isfinite(rate) and 1e-3 <= rate <= 1e5 for rate in rates):
            raise ValueError("rates: from 0.001 to 100000 1/s are allowed")
        if not 1 <= self.particles <= 1000:
            raise ValueError(f"particles: {self.particles} is not allowed; 1 to 1000 are")
        if not (math.isfinite(self.pressure_kpa) and self.pressure_kpa > 0.0):
            raise ValueError(f"pressure_kpa: {self.pressure_kpa!r} is not allowed; above 0 is")

    @property
    def shear_steps(self) -> tuple[int, int]:
        """Steps discarded and averaged at one rate, in whole samples and blocks."""
        block = SAMPLE_EVERY * BLOCKS
        discarded = SAMPLE_EVERY * round(self.discarded * self.steps_per_strain / SAMPLE_EVERY)
        return discarded, block * max(1, round(self.averaged * self.steps_per_strain / block))

    @property
    def steps(self) -> int:
        """Time steps of one evaluation, the most that it may take."""
        return 3 * self.settling_steps + len(self.rates_per_s) * sum(self.shear_steps)


_FAST_RATES = (1.0, 10.0, 100.0)
_MID_RATES = (1.0, 5.0, 25.0, 100.0)
_FULL_RATES = (1.0, 5.0, 25.0, 100.0, 400.0)

FIDELITIES: Final = MappingProxyType(
    {
        Fidelity.FAST: Numerics(36, 400, _FAST_RATES, 0.3, 0.75, 800, 0.3, 0.0035, 0.065),
        Fidelity.MID: Numerics(40, 500, _MID_RATES, 0.3, 0.9, 1000, 0.3, 0.0035, 0.05),
        Fidelity.FULL: Numerics(100, 1000, _FULL_RATES, 0.5, 1.2, 2000, 0.2, 0.002, 0.03),
    }
)
