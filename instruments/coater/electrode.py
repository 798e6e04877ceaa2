"""One coated, dried and calendered cathode: the whole chain from the recipe to its capacity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from instruments.coater import capacity, wet_film
from instruments.coater.calendering import Compaction, calendered
from instruments.coater.capacity import Capacity
from instruments.coater.conductivity import Transport, transport
from instruments.coater.drying import DryFilm, dried
from instruments.coater.settings import Recipe
from instruments.coater.slurry import Slurry
from instruments.coater.variation import NONE, Disturbance

MG_CM2_PER_UM_G_CM3 = 0.1  # a film of 1 um and 1 g/cm3 weighs 0.1 mg/cm2


@dataclass(frozen=True, slots=True)
class Electrode:
    """Everything that is known of a cathode and how it was made."""

    recipe: Recipe
    slurry: Slurry
    viscosity_pa_s: float
    wet_um: float
    loading_mg_cm2: float
    film: DryFilm
    compaction: Compaction
    thickness_um: float
    transport: Transport
    capacity: Capacity

    def metrics(self, gauge_um: float = 0.0, cell: float = 1.0) -> Mapping[str, float]:
        """By the names and in the units of `METRICS`, as gauges that err by so much read them.

        gauge_um is added to the thickness, from which porosity follows by weighing; cell is a
        factor on the capacity.
        """
        solid_um = (1.0 - self.compaction.porosity) * self.thickness_um
        read_um = max(self.thickness_um + gauge_um, solid_um)
        return {
            "viscosity_pa_s": self.viscosity_pa_s,
            "wet_thickness_um": self.wet_um,
            "mass_loading_mg_cm2": self.loading_mg_cm2,
            "porosity": 1.0 - solid_um / read_um,
            "coating_thickness_um": read_um,
            "electronic_conductivity_s_m": self.transport.electronic_s_m,
            "gravimetric_capacity_mah_g": cell * self.capacity.gravimetric_mah_g,
            "areal_capacity_mah_cm2": cell * self.capacity.areal_mah_cm2,
            "volumetric_capacity_mah_cm3": cell * self.capacity.volumetric_mah_cm3(read_um),
        }


def made(recipe: Recipe, rate_per_h: float, disturbed: Disturbance = NONE) -> Electrode:
    """Make a cathode after a recipe, disturbed as lines are; its capacity is at `rate_per_h`."""
    solids = recipe.solid_content_percent + disturbed.solids_percent
    slurry = Slurry.of(replace(recipe, solid_content_percent=solids))
    gap_um = max(recipe.gap_um + disturbed.gap_um, 1.0)
    shear_rate_s = wet_film.shear_rate_s(gap_um, recipe.line_speed_m_per_min)
    viscosity_pa_s = slurry.viscosity_pa_s(shear_rate_s) * disturbed.viscosity
    wet_um = wet_film.thickness_um(gap_um, viscosity_pa_s, recipe.line_speed_m_per_min)
    loading = wet_um * slurry.density_g_cm3 * slurry.solid_share * MG_CM2_PER_UM_G_CM3
    film = dried(slurry, wet_um, recipe.dryer_c, recipe.line_speed_m_per_min)
    pressure_mpa = recipe.calender_pressure_mpa * disturbed.pressure
    compaction = calendered(
        film.porosity + disturbed.dry_porosity,
        slurry.additives,
        pressure_mpa,
        recipe.calender_c + disturbed.roll_k,
    )
    solid_g_cm3 = slurry.solid_density_g_cm3 * (1.0 - compaction.porosity)
    thickness_um = loading / solid_g_cm3 / MG_CM2_PER_UM_G_CM3
    moves = transport(slurry, film, compaction, pressure_mpa)
    moves = replace(moves, electronic_s_m=moves.electronic_s_m * disturbed.network)
    gives = capacity.usable(slurry, compaction, moves, loading, thickness_um, rate_per_h)
    return Electrode(
        recipe=recipe,
        slurry=slurry,
        viscosity_pa_s=viscosity_pa_s,
        wet_um=wet_um,
        loading_mg_cm2=loading,
        film=film,
        compaction=compaction,
        thickness_um=thickness_um,
        transport=moves,
        capacity=gives,
    )
