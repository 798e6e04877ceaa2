"""Calendering: porosity under pressure and heat, cracked particles, and binder that flows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

# PVdF softens between room temperature and 80 degC: share of its stiffness left (assumed form).
SOFTENING_C: Final = 55.0
SOFTENING_WIDTH_K: Final = 7.0

# Compaction resistance of the particles alone and of stiff binder between them (set so that a
# cathode of 96/2/2 comes from 50 % to about 32 % at 100 MPa cold, as published curves do).
PARTICLE_MPA: Final = 45.0
BINDER_MPA: Final = 55.0
# Porosity that no pressure goes below: 0.22 at 4 % of carbon and binder, which fill pores.
LEAST_POROSITY: Final = 0.22
LEAST_PER_ADDITIVE: Final = -0.8

# Secondary particles crack by Weibull's law; soft binder spreads the load.
STRENGTH_MPA: Final = 125.0
WEIBULL: Final = 3.0
SOFT_LOAD: Final = 0.5

# Softened binder flows into a film that covers particles and closes pores.
FLOW_C: Final = 82.0
FLOW_WIDTH_K: Final = 7.0
FLOW_MPA: Final = 100.0


@dataclass(frozen=True, slots=True)
class Compaction:
    """What the rolls did: porosity, share of particles that cracked, share of binder that flowed"""

    porosity: float
    cracked: float
    flowed: float


def calendered(
    dry_porosity: float, additives: float, pressure_mpa: float, roll_c: float
) -> Compaction:
    """Compact a dry film of this porosity; `additives` is the dry mass share of carbon and binder.

    Porosity after Meyer et al. (J. Mater. Process. Technol. 249, 172, 2017):
    eps = eps_min + (eps_0 - eps_min) exp(-q/gamma_c), here with pressure for the line load q and
    with a gamma_c that heat lowers through the binder (heated rolls compact more and damage less).
    """
    least = min(LEAST_POROSITY + LEAST_PER_ADDITIVE * (additives - 0.04), dry_porosity)
    left = math.exp(-pressure_mpa / resistance_mpa(roll_c))
    load = pressure_mpa * (SOFT_LOAD + (1.0 - SOFT_LOAD) * stiffness(roll_c))
    flow = pressure_mpa / FLOW_MPA * math.exp((roll_c - FLOW_C) / FLOW_WIDTH_K)
    return Compaction(
        porosity=least + (dry_porosity - least) * left,
        cracked=-math.expm1(-((load / STRENGTH_MPA) ** WEIBULL)),
        flowed=-math.expm1(-flow),
    )


def stiffness(roll_c: float) -> float:
    """Stiffness of the binder at a temperature over that in the cold: 1 to 0."""
    return 1.0 / (1.0 + math.exp((roll_c - SOFTENING_C) / SOFTENING_WIDTH_K))


def resistance_mpa(roll_c: float) -> float:
    """Compaction resistance gamma_c in MPa at a roll temperature."""
    return PARTICLE_MPA + BINDER_MPA * stiffness(roll_c)
