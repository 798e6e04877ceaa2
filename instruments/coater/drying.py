"""Drying: evaporation, what solvent is left, where the binder goes, and when the film cracks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from instruments.coater.slurry import SOLVENT_G_CM3, Slurry

DRYER_M: Final = 4.0  # length; the web stays DRYER_M / speed in it
ROOM_C: Final = 25.0
# Evaporation cools the film: it takes this share of the way from the room to the air (assumed).
WARMING: Final = 0.85
# NMP: boiling point at 101 325 Pa, heat of evaporation, molar mass; mass transfer of slot nozzles.
BOILING_K: Final = 475.0
EVAPORATION_J_MOL: Final = 52_000.0
MOLAR_G_MOL: Final = 99.13
TRANSFER_M_S: Final = 0.02
GAS_J_MOL_K: Final = 8.314
ZERO_C_K: Final = 273.15
# Nine tenths of the solvent leave at the constant rate, the rest from the pores, ever slower.
CONSTANT_RATE_SHARE: Final = 0.9

# Diffusion of the binder in the wet film; with it 1 g/(m2 s) takes about a third of the binder
# from the foil of a film of 110 um (assumed; the trend is that of Font et al. 2018).
BINDER_DIFFUSION_M2_S: Final = 1.5e-10

# Critical wet thickness at 2 % of binder and 1 g/(m2 s) (assumed), and how it moves: thicker with
# binder, thinner with the drying rate (Rollag et al., ACS Appl. Energy Mater. 2, 4464, 2019: more
# cracks with thickness and temperature).
CRACKING_UM: Final = 260.0
CRACKING_BINDER_PERCENT: Final = 2.0
CRACKING_BINDER_EXPONENT: Final = 0.5
CRACKING_RATE_EXPONENT: Final = 0.25

# Porosity before calendering (assumed linear; 45 to 55 % is what cathode lines report): 0.50 for
# 4 % of carbon and binder and 68 % of solids dried at 1 g/(m2 s). Carbon and binder hold particles
# apart, less solvent leaves a denser bed, fast drying a looser one.
DRY_POROSITY: Final = 0.50
POROSITY_PER_ADDITIVE: Final = 0.6
POROSITY_PER_SOLID: Final = -0.25
POROSITY_PER_LOG_RATE: Final = 0.012


@dataclass(frozen=True, slots=True)
class DryFilm:
    """The film as it leaves the dryer.

    rate_g_m2_s:   evaporation at the constant rate
    solvent_left:  share of the solvent that is still there
    binder_at_foil, binder_on_top: concentration over the mean
    cracks_above_um: wet thickness that would just not crack
    """

    rate_g_m2_s: float
    solvent_left: float
    binder_at_foil: float
    binder_on_top: float
    cracks_above_um: float
    porosity: float


def dried(slurry: Slurry, wet_um: float, dryer_c: float, speed_m_per_min: float) -> DryFilm:
    """Dry a wet film of `wet_um` in air of `dryer_c` for as long as the web is in the dryer."""
    rate = evaporation_g_m2_s(dryer_c)
    solvent_g_m2 = wet_um * slurry.density_g_cm3 * (1.0 - slurry.solid_share)
    peclet = rate * 1e-6 / SOLVENT_G_CM3 * wet_um * 1e-6 / BINDER_DIFFUSION_M2_S
    binder_percent = 100.0 * slurry.binder_g / slurry.dry_g
    return DryFilm(
        rate_g_m2_s=rate,
        solvent_left=_left(60.0 * DRYER_M / speed_m_per_min, solvent_g_m2 / rate),
        binder_at_foil=peclet / math.expm1(peclet),
        binder_on_top=peclet / -math.expm1(-peclet),
        cracks_above_um=cracks_above_um(binder_percent, rate),
        porosity=DRY_POROSITY
        + POROSITY_PER_ADDITIVE * (slurry.additives - 0.04)
        + POROSITY_PER_SOLID * (slurry.solid_share - 0.68)
        + POROSITY_PER_LOG_RATE * math.log(rate),
    )


def evaporation_g_m2_s(dryer_c: float) -> float:
    """Evaporation of NMP in the constant-rate period: transfer coefficient times the density of
    saturated vapour over the film (Clausius and Clapeyron from the boiling point)."""
    film_k = ROOM_C + WARMING * (dryer_c - ROOM_C) + ZERO_C_K
    slope = EVAPORATION_J_MOL / GAS_J_MOL_K
    vapour_pa = 101_325.0 * math.exp(-slope * (1.0 / film_k - 1.0 / BOILING_K))
    return TRANSFER_M_S * MOLAR_G_MOL * vapour_pa / (GAS_J_MOL_K * film_k)


def cracks_above_um(binder_percent: float, rate_g_m2_s: float) -> float:
    """Wet thickness in um up to which the film dries without cracks."""
    tough = (binder_percent / CRACKING_BINDER_PERCENT) ** CRACKING_BINDER_EXPONENT
    return float(CRACKING_UM * tough * rate_g_m2_s**-CRACKING_RATE_EXPONENT)


def _left(seconds: float, drying_s: float) -> float:
    """Share of solvent left after `seconds`; `drying_s` is what the constant rate would take."""
    constant = CONSTANT_RATE_SHARE * drying_s
    if seconds <= constant:
        return 1.0 - seconds / drying_s
    falling = (1.0 - CONSTANT_RATE_SHARE) * drying_s
    return (1.0 - CONSTANT_RATE_SHARE) * math.exp(-(seconds - constant) / falling)
