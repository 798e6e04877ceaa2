"""What the P2D model takes and gives: settings with limits, metrics with units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from campaigns.records import Setting
from instruments.base import Card, Problem, SettingCard
from instruments.guard import outside


def _optional(name: str, unit: str, low: float, high: float) -> SettingCard:
    return SettingCard(name, unit, low, high, optional=True)


# Wide on purpose: what is physically senseless but can be solved fails by its own reason.
SETTINGS: Final = (
    _optional("c_rate", "1/h", 0.02, 20.0),
    _optional("positive_thickness", "um", 1.0, 1000.0),
    _optional("negative_thickness", "um", 1.0, 1000.0),
    _optional("np_ratio", "1", 0.1, 20.0),
    _optional("separator_thickness", "um", 1.0, 500.0),
    _optional("positive_porosity", "1", 0.0, 1.0),
    _optional("positive_active_fraction", "1", 0.0, 1.0),
    _optional("positive_inactive_fraction", "1", 0.0, 1.0),
    _optional("negative_porosity", "1", 0.0, 1.0),
    _optional("negative_active_fraction", "1", 0.0, 1.0),
    _optional("negative_inactive_fraction", "1", 0.0, 1.0),
    _optional("separator_porosity", "1", 0.01, 1.0),
    _optional("positive_particle_radius", "um", 0.01, 100.0),
    _optional("negative_particle_radius", "um", 0.01, 100.0),
    _optional("positive_bruggeman", "1", 0.5, 6.0),
    _optional("negative_bruggeman", "1", 0.5, 6.0),
    _optional("separator_bruggeman", "1", 0.5, 6.0),
    _optional("electrolyte_concentration", "mol/m**3", 10.0, 4000.0),
)
METRICS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "specific_energy_wh_kg": "W*h/kg",
        "specific_power_w_kg": "W/kg",
        "energy_density_wh_l": "W*h/l",
        "areal_capacity_mah_cm2": "mAh/cm**2",
        "utilisation": "1",
        "mean_voltage_v": "V",
        "discharge_seconds": "s",
        "stack_mass_g_m2": "g/m**2",
    }
)


def at_voltage(voltage_v: float) -> str:
    """The metric that is one point of the discharge curve."""
    return f"areal_capacity_mah_cm2_at_{voltage_v:.3f}_v"


def card(channels: int, curve_v: Sequence[float] = ()) -> Card:
    """The card of the instrument kind `p2d`; curve_v: voltages of the curve's points."""
    return Card(
        kind="p2d",
        settings=SETTINGS,
        metrics={**METRICS, **{at_voltage(one): "mAh/cm**2" for one in curve_v}},
        channels=channels,
        series=False,
        repeatable=True,
        abortable=True,
        simulated=True,
    )


def beyond_limits(settings: Setting) -> list[Problem]:
    """Every setting that is unknown, not a finite number, or beyond the limits of the card."""
    return outside(card(1), settings)
