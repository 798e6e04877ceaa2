"""What capacity a calendered cathode gives at a rate: the charge in it and how fast it moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from instruments.coater.calendering import Compaction
from instruments.coater.conductivity import Transport
from instruments.coater.slurry import Slurry

ACTIVE_MAH_G: Final = 160.0  # NMC111 to 4.3 V, slowly
FOIL_UM: Final = 15.0
CRACKED_LOSS: Final = 0.35  # share of a cracked particle that lost its contact (assumed)

# Electrolyte in the free: 1 M LiPF6 in carbonates; the separator is 20 um with 45 % of pores.
ELECTROLYTE_S_M: Final = 1.0
ELECTROLYTE_M2_S: Final = 3.0e-10
SEPARATOR_M: Final = 20e-6
SEPARATOR_POROSITY: Final = 0.45
# Effective capacitance of a battery electrode per capacity (Tian et al. 2019: 28 F/mAh).
CAPACITANCE_F_MAH: Final = 28.0
# Diffusion through the particles and reaction at their surface, in s (assumed).
PARTICLE_S: Final = 80.0
REACTION_S: Final = 40.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """Usable capacity: per mass of active material and per area."""

    gravimetric_mah_g: float
    areal_mah_cm2: float

    def volumetric_mah_cm3(self, thickness_um: float) -> float:
        """Per volume of a film this thick and its foil."""
        return self.areal_mah_cm2 / ((thickness_um + FOIL_UM) * 1e-4)


def usable(
    slurry: Slurry,
    compaction: Compaction,
    transport: Transport,
    loading_mg_cm2: float,
    thickness_um: float,
    rate_per_h: float,
) -> Capacity:
    """Capacity of a one-sided cathode on its foil at `rate_per_h` (1 = one hour nominally).

    Q = Q0 (1 - (R t)^n (1 - exp(-(R t)^-n))), Tian et al. (Nat. Commun. 10, 1933, 2019), eq. 2,
    with n = 1, their limit for resistive losses.
    """
    active = slurry.active_g / slurry.dry_g
    whole_mah_g = ACTIVE_MAH_G * (1.0 - CRACKED_LOSS * compaction.cracked)
    stored_mah_cm3 = whole_mah_g * active * loading_mg_cm2 * 10.0 / thickness_um
    seconds = characteristic_s(compaction, transport, thickness_um, stored_mah_cm3)
    gravimetric = whole_mah_g * retained(rate_per_h * seconds / 3600.0)
    return Capacity(gravimetric, gravimetric * active * loading_mg_cm2 / 1000.0)


def retained(slowness: float) -> float:
    """Share of the capacity at rate x time = `slowness`: 1 at 0, falling as 1/(2 slowness)."""
    if slowness == 0.0:
        return 1.0
    return 1.0 + slowness * math.expm1(-1.0 / slowness)


def characteristic_s(
    compaction: Compaction, transport: Transport, thickness_um: float, stored_mah_cm3: float
) -> float:
    """Characteristic time in s (Tian et al. 2019, eq. 6a), with porosity over tortuosity for
    porosity^1.5, and with the contact to the foil as one more resistance to charge through."""
    thick_m = thickness_um * 1e-6
    farad_m3 = CAPACITANCE_F_MAH * stored_mah_cm3 * 1e6
    pores = compaction.porosity / transport.tortuosity
    separator = float(SEPARATOR_POROSITY**1.5)
    electrons = thick_m**2 * farad_m3 / (2.0 * transport.electronic_s_m)
    ions = thick_m**2 * farad_m3 / (2.0 * ELECTROLYTE_S_M * pores)
    ions += thick_m**2 / (ELECTROLYTE_M2_S * pores)
    across = thick_m * SEPARATOR_M * farad_m3 / (ELECTROLYTE_S_M * separator)
    across += SEPARATOR_M**2 / (ELECTROLYTE_M2_S * separator)
    contact = transport.contact_ohm_m2 * farad_m3 * thick_m
    covered = REACTION_S / (1.0 - 0.9 * compaction.flowed)
    return electrons + ions + across + contact + PARTICLE_S + covered
