"""A cell in closed form: what a surrogate should find out of it is known exactly."""

from __future__ import annotations

from functools import cache

import numpy as np

from surrogates.electrode import ElectrodeModel
from surrogates.electrode_box import Axis, Box
from surrogates.electrode_measured import STATES, Measured
from surrogates.electrode_relations import composed
from surrogates.electrode_training import train

BOX = Box(
    (
        Axis("positive_thickness", "um", 20.0, 200.0),
        Axis("positive_active_fraction", "1", 0.3, 0.75),
        Axis("positive_particle_radius", "um", 0.5, 15.0, log=True),
        Axis("c_rate", "1/h", 0.1, 8.0, log=True),
    )
)
UNITS = {
    "specific_energy_wh_kg": "W*h/kg",
    "specific_power_w_kg": "W/kg",
    "energy_density_wh_l": "W*h/l",
    "areal_capacity_mah_cm2": "mAh/cm**2",
    "utilisation": "1",
    "mean_voltage_v": "V",
    "discharge_seconds": "s",
    "stack_mass_g_m2": "g/m**2",
}
LIMIT = 0.1


def cell(designs: np.ndarray) -> Measured:
    """Diffusion in the particles takes capacity, an ohmic drop takes voltage."""
    thickness, active, radius, rate = designs.T
    utilisation = np.exp(-rate * (radius / 12.0) ** 2)
    voltage = 3.9 - 0.04 * rate * thickness / 100.0
    factors = {
        "capacity": 0.05 * thickness * active,
        "mass": 60.0 + thickness * (2.0 + 2.5 * active),
        "volume": 0.05 + 2.2e-3 * thickness,
        "rate": rate,
    }
    learnt = {
        "utilisation": utilisation,
        "voltage": voltage,
        "energy": utilisation * voltage,
        "one": np.ones(len(designs)),
    }
    tilt = 0.3 + 0.1 * np.log(rate)
    curves = voltage[:, None] + tilt[:, None] * (0.5 - STATES)
    return Measured(composed(tuple(UNITS), factors, learnt), curves, LIMIT)


COUNT = 200


@cache
def trained() -> ElectrodeModel:
    """A surrogate of it by neural networks, fitted once for all tests."""
    designs = BOX.designs(COUNT, 0)
    return train(BOX, designs, cell(designs), units=UNITS, provenance={"samples": COUNT})
