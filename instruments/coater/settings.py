"""What a cathode coating line is set to and measures, its limits, and the recipe in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final, Self

from campaigns.records import Setting
from instruments.base import Problem, SettingCard

SETTINGS: Final = (
    SettingCard("active_percent", "percent", 80.0, 99.0),
    SettingCard("carbon_percent", "percent", 0.0, 12.0),
    SettingCard("binder_percent", "percent", 0.5, 12.0),
    SettingCard("gap_um", "um", 50.0, 500.0),
    SettingCard("calender_pressure_mpa", "MPa", 0.0, 250.0),
    SettingCard("calender_c", "degC", 20.0, 120.0),
    SettingCard("solid_content_percent", "percent", 45.0, 78.0, optional=True),
    SettingCard("line_speed_m_per_min", "m/min", 0.1, 5.0, optional=True),
    SettingCard("dryer_c", "degC", 60.0, 150.0, optional=True),
)
METRICS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "viscosity_pa_s": "Pa*s",
        "wet_thickness_um": "um",
        "mass_loading_mg_cm2": "mg/cm**2",
        "porosity": "1",
        "coating_thickness_um": "um",
        "electronic_conductivity_s_m": "S/m",
        "gravimetric_capacity_mah_g": "mAh/g",
        "areal_capacity_mah_cm2": "mAh/cm**2",
        "volumetric_capacity_mah_cm3": "mAh/cm**3",
    }
)

WHOLE_PERCENT: Final = 100.0
SUM_TOLERANCE_PERCENT: Final = 0.05  # weighing: 0.5 g of a kilogram
# The exhaust carries 600 m3/h; a quarter of the lower explosion limit of NMP (1.3 % by volume,
# 53 g/m3) is what the dryer may hold.
MOST_SOLVENT_G_S: Final = 2.2
WEB_WIDTH_M: Final = 0.2
SLURRY_DENSITY_KG_M3: Final = 2300.0  # the safety block counts on the heaviest slurry
# The binder sticks to rolls that are hot and pressed hard; the foil then tears.
HOT_ROLL_C: Final = 100.0
HOT_ROLL_PRESSURE_MPA: Final = 180.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """One setting of the line in the units of `SETTINGS`, with what was left open filled in."""

    active_percent: float
    carbon_percent: float
    binder_percent: float
    gap_um: float
    calender_pressure_mpa: float
    calender_c: float
    solid_content_percent: float = 68.0
    line_speed_m_per_min: float = 1.0
    dryer_c: float = 105.0

    @classmethod
    def of(cls, parameters: Setting) -> Self:
        """Raises KeyError for a needed setting that is missing."""
        known = {one.name for one in fields(cls)}
        given = {name: float(value) for name, value in parameters.items() if name in known}
        missing = [card.name for card in SETTINGS if not card.optional and card.name not in given]
        if missing:
            raise KeyError(", ".join(missing))
        return cls(**given)


def unsafe(recipe: Recipe) -> list[Problem]:
    """Combinations that the machine's safety block never lets through, each within its limits."""
    problems = []
    total = recipe.active_percent + recipe.carbon_percent + recipe.binder_percent
    if abs(total - WHOLE_PERCENT) > SUM_TOLERANCE_PERCENT:
        reason = f"with carbon and binder makes {total:g} % of the dry mass; 100 % is needed"
        problems.append(Problem("active_percent", reason))
    solvent = most_solvent_g_s(recipe)
    if solvent > MOST_SOLVENT_G_S:
        reason = (
            f"lets {solvent:.2g} g/s of solvent into the dryer with a gap of {recipe.gap_um:g} um; "
            f"{MOST_SOLVENT_G_S:g} g/s is a quarter of the explosion limit"
        )
        problems.append(Problem("line_speed_m_per_min", reason))
    hot = recipe.calender_c > HOT_ROLL_C
    if hot and recipe.calender_pressure_mpa > HOT_ROLL_PRESSURE_MPA:
        reason = (
            f"{recipe.calender_pressure_mpa:g} MPa is too much for rolls at {recipe.calender_c:g} "
            f"degC: above {HOT_ROLL_C:g} degC at most {HOT_ROLL_PRESSURE_MPA:g} MPa"
        )
        problems.append(Problem("calender_pressure_mpa", reason))
    return problems


def most_solvent_g_s(recipe: Recipe) -> float:
    """Solvent that enters the dryer if the film were as thick as the gap (g/s)."""
    volume_m3_s = WEB_WIDTH_M * recipe.line_speed_m_per_min / 60.0 * recipe.gap_um * 1e-6
    wet_share = 1.0 - recipe.solid_content_percent / WHOLE_PERCENT
    return volume_m3_s * SLURRY_DENSITY_KG_M3 * 1000.0 * wet_share
