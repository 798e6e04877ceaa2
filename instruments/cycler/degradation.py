"""Ageing of many cells cycle by cycle: loss of graphite, growth of SEI, plating of lithium.

A state is an array ``4 x n`` in Ah: graphite capacity left, then lithium lost to the SEI, to
plating and to an internal short.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from instruments.cycler.cell import NOMINAL_CAPACITY_AH, REFERENCE_TEMPERATURE_K
from instruments.cycler.cohort import Cohort
from instruments.cycler.half_cell import (
    FARADAY_C_MOL,
    GAS_CONSTANT_J_MOL_K,
    Array,
    arrhenius,
    graphite_potential_v,
    reaction_overpotential_v,
)

CYCLES_PER_STEP: Final = 5

# A cell is simulated for some cycles past its death; these keep its numbers finite there.
_LEAST_HEALTH: Final = 0.25
_LEAST_FULL_AH: Final = 0.02
_LARGEST_CONTENT: Final = 1.05
_LEAST_SITES: Final = 1e-4

# Share of the positive electrode's capacity in lithium that it keeps when the cell is full.
_UNUSED_POSITIVE: Final = 0.012
_LAM_REFERENCE_RATE_PER_H: Final = 3.5
_LAM_REFERENCE_CONTENT: Final = 0.35
_INTERFACE_SHARE: Final = 0.7  # of the first resistance, outside the graphite


@dataclass(frozen=True, slots=True, eq=False)
class Electrodes:
    """What a state means for the electrodes and the resistance, each array of shape ``(n,)``.

    full_ah: lithium in the graphite of the full cell; health: graphite left, as a share
    """

    negative_ah: Array
    positive_ah: Array
    lithium_ah: Array
    full_ah: Array
    health: Array
    resistance_ohm: Array


def fresh(cohort: Cohort) -> Array:
    """State of new cells, ``4 x n``."""
    state = np.zeros((4, cohort.lanes))
    state[0] = cohort.negative_ah
    return state


def electrodes(cohort: Cohort, state: Array) -> Electrodes:
    """Capacities, lithium and resistance of cells in ``state`` (``4 x n``).

    Resistance grows with lost graphite and with the lithium bound in films.
    """
    cell = cohort.cell
    graphite, sei, plated, leaked = state
    health = graphite / cohort.negative_ah
    films = sei + plated
    lithium = cohort.lithium_ah - films - leaked
    growth = cell.resistance_growth_lam * (1.0 - health)
    growth += cell.resistance_growth_lithium * films / cohort.lithium_ah
    full = np.maximum(lithium - _UNUSED_POSITIVE * cohort.positive_ah, _LEAST_FULL_AH)
    return Electrodes(
        graphite, cohort.positive_ah, lithium, full, health, cohort.resistance_ohm * (1.0 + growth)
    )


def charge_temperature_k(cohort: Cohort, resistance_ohm: Array) -> Array:
    """Temperature at every charging point, ``p x n``, for resistances ``(n,)``."""
    return cohort.ambient_k + resistance_ohm * cohort.rise_k_per_ohm


def mean_over_charge(cohort: Cohort, values: Array) -> Array:
    """Time average over the charge of ``p x n`` values, shape ``(n,)``."""
    mean: Array = np.add.reduce(values * cohort.hours, axis=0) / np.add.reduce(cohort.hours, axis=0)
    return mean


def ageing_per_cycle(cohort: Cohort, state: Array, cycle: Array) -> Array:
    """Change of the state over one cycle, ``4 x n``, at cycle numbers ``(n,)``."""
    now = electrodes(cohort, state)
    temperature = charge_temperature_k(cohort, now.resistance_ohm)
    content = now.full_ah - (1.0 - cohort.soc) * NOMINAL_CAPACITY_AH
    content = np.maximum(content, 0.0) / now.negative_ah
    lost = _graphite_loss(cohort, now, temperature, content)
    plated = _plating(cohort, now, temperature, content)
    sei = _sei_growth(cohort, state[1], temperature, lost)
    leaked = np.where(cycle >= cohort.leak_cycle, cohort.leak_ah, 0.0)
    return np.stack([-lost, sei, plated, leaked])


def advance(cohort: Cohort, state: Array, cycle: Array) -> Array:
    """State five cycles on, by Heun's rule (second order); ``cycle`` (``n``) on the step grid."""
    slope = ageing_per_cycle(cohort, state, cycle)
    ahead = _bounded(cohort, state + CYCLES_PER_STEP * slope)
    slope_ahead = ageing_per_cycle(cohort, ahead, cycle)
    return _bounded(cohort, state + 0.5 * CYCLES_PER_STEP * (slope + slope_ahead))


def _bounded(cohort: Cohort, state: Array) -> Array:
    state[0] = np.maximum(state[0], _LEAST_HEALTH * cohort.negative_ah)
    return state


def _graphite_loss(cohort: Cohort, now: Electrodes, temperature_k: Array, content: Array) -> Array:
    """Loss of graphite in Ah a cycle, a power of the local rate ``I / Qn`` at each charging point.

    After the empirical rate law of Attia et al. (2020, supplement), with a mild dependence on
    lithium content for the stress of filling.
    """
    cell = cohort.cell
    rate = (cohort.current_a / (_LAM_REFERENCE_RATE_PER_H * now.negative_ah)) ** (
        cell.lam_rate_exponent
    )
    speed = arrhenius(cell.lam_activation_j_mol, temperature_k, REFERENCE_TEMPERATURE_K)
    stress = np.exp(cell.lam_content_slope * (content - _LAM_REFERENCE_CONTENT))
    total: Array = np.add.reduce(cohort.hours * rate * speed * stress, axis=0)
    return cohort.lam_factor * cell.lam_rate * now.negative_ah * total


def _plating(cohort: Cohort, now: Electrodes, temperature_k: Array, content: Array) -> Array:
    """Lithium plated for good, in Ah a cycle: cathodic Tafel law in the local graphite potential.

    Form of Yang et al. (J. Power Sources 360, 28, 2017). The surface runs ahead of the mean
    content by diffusion; both slow down as graphite is lost, which is what makes the knee.
    """
    cell = cohort.cell
    speed = arrhenius(cell.charge_activation_j_mol, temperature_k, REFERENCE_TEMPERATURE_K)
    lag = cell.charge_diffusion_time_h / now.health
    surface = content + cohort.current_a / now.negative_ah * lag / speed
    sites = np.maximum(surface * (_LARGEST_CONTENT - surface), _LEAST_SITES)
    exchange = cell.charge_exchange_current_a * now.health * speed * 2.0 * np.sqrt(sites)
    overpotential = reaction_overpotential_v(cohort.current_a / (2.0 * exchange), temperature_k)
    film = now.resistance_ohm - _INTERFACE_SHARE * cohort.resistance_ohm
    potential = graphite_potential_v(surface) - overpotential - 0.5 * cohort.current_a * film
    tafel = -cell.plating_transfer * FARADAY_C_MOL / GAS_CONSTANT_J_MOL_K
    total: Array = np.add.reduce(cohort.hours * np.exp(tafel * potential / temperature_k), axis=0)
    return cohort.plating_factor * cell.plating_rate_a * total


def _sei_growth(cohort: Cohort, sei_ah: Array, temperature_k: Array, lost_ah: Array) -> Array:
    """Lithium bound by the SEI, in Ah a cycle: parabolic on a formation layer, and on cracks.

    The formation layer (Pinson and Bazant, J. Electrochem. Soc. 160, A243, 2013, for the parabola)
    keeps the loss of the first hundred cycles at the recorded half per cent.
    """
    cell = cohort.cell
    mean_k = mean_over_charge(cohort, temperature_k)
    speed = arrhenius(cell.sei_activation_j_mol, mean_k, REFERENCE_TEMPERATURE_K)
    parabola = cell.sei_rate_ah**2 / (2.0 * (sei_ah + cell.sei_formation_ah))
    return cohort.sei_factor * parabola * speed + cell.sei_per_lam * lost_ah
