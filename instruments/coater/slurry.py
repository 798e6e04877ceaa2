"""The slurry: volumes of what is in it, and how thick it flows at a shear rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from instruments.coater.settings import Recipe

# True densities in g/cm3: NMC111 as in Lombardo et al. (Batteries & Supercaps 3, 721, 2020);
# carbon black, PVdF and NMP from data sheets.
ACTIVE_G_CM3: Final = 4.65
CARBON_G_CM3: Final = 1.80
BINDER_G_CM3: Final = 1.78
SOLVENT_G_CM3: Final = 1.03

# NMP at 25 degC, and PVdF of middling molar mass in it by Martin's equation: the values give
# 1.2 Pa s at 8 % by mass (assumed, not fitted).
SOLVENT_PA_S: Final = 1.65e-3
INTRINSIC_VISCOSITY_DL_G: Final = 2.0
MARTIN: Final = 0.22

# Random close packing; carbon aggregates hold solvent and count 2.8 times their volume (assumed).
DENSEST_PACKING: Final = 0.64
CARBON_OCCLUSION: Final = 2.8
JAMMED: Final = 0.97  # share of the densest packing beyond which there is no slurry left to shear

# Yield stress of the carbon network, cubic in its volume fraction; 25 Pa at 2 % of the dry mass
# and 68 % of solids (assumed).
YIELD_PA: Final = 25.0
YIELD_AT: Final = 0.0163
YIELD_EXPONENT: Final = 3.0
# Collapse of the flow curves of NMC / carbon black / PVdF slurries: 2.18 Mn^-0.92 in units of the
# medium's viscosity ("Physical scaling for predicting shear viscosity and memory effects of
# lithium-ion battery cathode slurries", abstract; the Mason number is taken as eta g/yield here).
MASON_FACTOR: Final = 2.18
MASON_EXPONENT: Final = 0.92


@dataclass(frozen=True, slots=True)
class Slurry:
    """Masses of 100 g of slurry, in g, and what follows from them."""

    active_g: float
    carbon_g: float
    binder_g: float
    solvent_g: float

    @classmethod
    def of(cls, recipe: Recipe) -> Slurry:
        """Mixed as the recipe says."""
        dry, solids = recipe.solid_content_percent, recipe.solid_content_percent / 100.0
        return cls(
            recipe.active_percent * solids,
            recipe.carbon_percent * solids,
            recipe.binder_percent * solids,
            100.0 - dry,
        )

    @property
    def dry_g(self) -> float:
        """Mass of the solids."""
        return self.active_g + self.carbon_g + self.binder_g

    @property
    def solid_share(self) -> float:
        """Mass of the solids over the mass of the slurry."""
        return self.dry_g / (self.dry_g + self.solvent_g)

    @property
    def additives(self) -> float:
        """Mass share of carbon and binder in the solids."""
        return (self.carbon_g + self.binder_g) / self.dry_g

    @property
    def volume_cm3(self) -> float:
        """Of active material, carbon, binder and solvent without contraction."""
        return self.dry_volume_cm3 + self.solvent_g / SOLVENT_G_CM3

    @property
    def dry_volume_cm3(self) -> float:
        """Of the solids alone."""
        return (
            self.active_g / ACTIVE_G_CM3
            + self.carbon_g / CARBON_G_CM3
            + self.binder_g / BINDER_G_CM3
        )

    @property
    def density_g_cm3(self) -> float:
        """Of the slurry as mixed."""
        return (self.dry_g + self.solvent_g) / self.volume_cm3

    @property
    def solid_density_g_cm3(self) -> float:
        """Of the dry components without pores."""
        return self.dry_g / self.dry_volume_cm3

    @property
    def crowding(self) -> float:
        """Volume that particles take up, over the densest packing; near 1 nothing flows."""
        taken = self.active_g / ACTIVE_G_CM3 + CARBON_OCCLUSION * self.carbon_g / CARBON_G_CM3
        return taken / self.volume_cm3 / DENSEST_PACKING

    @property
    def medium_pa_s(self) -> float:
        """Viscosity of the binder solution: Martin's equation, eta = eta0 (1 + x exp(k x)) with
        x = [eta] c (Martin, ACS meeting, 1942)."""
        solution_cm3 = self.solvent_g / SOLVENT_G_CM3 + self.binder_g / BINDER_G_CM3
        x = INTRINSIC_VISCOSITY_DL_G * 100.0 * self.binder_g / solution_cm3
        return SOLVENT_PA_S * (1.0 + x * math.exp(MARTIN * x))

    @property
    def yield_pa(self) -> float:
        """Stress below which the carbon network holds."""
        fraction = self.carbon_g / CARBON_G_CM3 / self.volume_cm3
        return YIELD_PA * float((fraction / YIELD_AT) ** YIELD_EXPONENT)

    def viscosity_pa_s(self, shear_rate_s: float) -> float:
        """Steady viscosity in Pa s at a shear rate in 1/s, above 0.

        Fully sheared suspension after Maron and Pierce (J. Colloid Sci. 11, 80, 1956),
        eta_m (1 - phi/phi_m)^-2, and what the carbon network adds to it at a finite rate.
        """
        medium = self.medium_pa_s
        sheared = medium / (1.0 - min(self.crowding, JAMMED)) ** 2
        if self.yield_pa == 0.0:
            return sheared
        mason = medium * shear_rate_s / self.yield_pa
        return sheared + MASON_FACTOR * medium * float(mason**-MASON_EXPONENT)
