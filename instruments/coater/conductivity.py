"""Electrons through carbon and binder, ions through the pores, and the contact to the foil."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from instruments.coater.calendering import Compaction
from instruments.coater.drying import DryFilm
from instruments.coater.slurry import BINDER_G_CM3, CARBON_G_CM3, CARBON_OCCLUSION, Slurry

# Percolation (Kirkpatrick, Rev. Mod. Phys. 45, 574, 1973), exponent 2; threshold and prefactor
# are assumed: 96/2/2 at 27 % of pores then has 0.3 S/m through the film.
THRESHOLD: Final = 0.034
NETWORK_S_M: Final = 140.0
PERCOLATION: Final = 2.0
BLEND_S_M: Final = 1e-3  # NMC itself
# Carbon holds together by binder: half of its network does at this much binder per carbon.
BINDER_PER_CARBON: Final = 1.0

# Tortuosity is 1.5 eps^-0.53 between particles and grows with the carbon and binder (half porous
# themselves) that lie in the way. Set so that 96/2/2 follows 1.8 eps^-0.53 (Thorat et al., J. Power
# Sources 188, 592, 2009) to 10 %, and that the share of carbon and binder in it at 90/5/5 is 1.4 to
# 1.7 (Usseglio-Viretta et al., J. Electrochem. Soc. 165, A3403, 2018: 1.35 to 1.81).
PARTICLE_TORTUOSITY: Final = 1.5
TORTUOSITY_EXPONENT: Final = 0.53
DOMAIN_POROSITY: Final = 0.5
DOMAIN_TORTUOSITY: Final = 0.6
FLOWED_TORTUOSITY: Final = 1.6  # a film of binder closes more pores than agglomerates do
TOP_TORTUOSITY: Final = 0.15  # so does binder that dried on top

# Contact to the foil: 30 ohm cm2 uncalendered, pressed away on the scale of 20 MPa, 2 left.
CONTACT_OHM_M2: Final = 2.0e-4
LOOSE_OHM_M2: Final = 30e-4
CONTACT_MPA: Final = 20.0


@dataclass(frozen=True, slots=True)
class Transport:
    """How well charge gets through the calendered film.

    electronic_s_m: through the film
    tortuosity:     of the pores; conductivity of the electrolyte in them is eps/tau of the free one
    contact_ohm_m2: between film and foil
    adhesion:       to the foil, over that of a film with 2 % of binder without migration
    """

    electronic_s_m: float
    tortuosity: float
    contact_ohm_m2: float
    adhesion: float


def transport(
    slurry: Slurry, film: DryFilm, compaction: Compaction, pressure_mpa: float
) -> Transport:
    """Transport properties of a calendered film."""
    solid = 1.0 - compaction.porosity
    carbon = solid * slurry.carbon_g / CARBON_G_CM3 / slurry.dry_volume_cm3
    binder = solid * slurry.binder_g / BINDER_G_CM3 / slurry.dry_volume_cm3
    blocked = 1.0 + FLOWED_TORTUOSITY * compaction.flowed
    topped = 1.0 + TOP_TORTUOSITY * (film.binder_on_top - 1.0)
    adhesion = 50.0 * slurry.binder_g / slurry.dry_g * film.binder_at_foil
    pressed = CONTACT_OHM_M2 + LOOSE_OHM_M2 * math.exp(-pressure_mpa / CONTACT_MPA)
    return Transport(
        electronic_s_m=electronic_s_m(carbon, binder),
        tortuosity=tortuosity(compaction.porosity, carbon + binder) * blocked * topped,
        contact_ohm_m2=pressed / max(adhesion, 1e-3),
        adhesion=adhesion,
    )


def electronic_s_m(carbon: float, binder: float) -> float:
    """Conductivity in S/m of a film with these volume fractions of carbon and binder."""
    if carbon == 0.0:
        return BLEND_S_M
    held = binder / (binder + BINDER_PER_CARBON * carbon)
    above = max(CARBON_OCCLUSION * carbon - THRESHOLD, 0.0)
    return BLEND_S_M + float(NETWORK_S_M * held * above**PERCOLATION)


def tortuosity(porosity: float, additives: float) -> float:
    """Of the pores with this volume fraction of carbon and binder spread evenly between them."""
    crowded = additives / (1.0 - DOMAIN_POROSITY) / porosity
    bare = PARTICLE_TORTUOSITY * float(porosity**-TORTUOSITY_EXPONENT)
    return bare * (1.0 + DOMAIN_TORTUOSITY * crowded)
