"""Lives of the average cell under many protocols at once: what a search is looking for."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instruments.cycler.cell import (
    AVERAGE_CELL,
    END_OF_LIFE_CAPACITY_AH,
    REFERENCE_TEMPERATURE_K,
    CellFactors,
    CellParameters,
)
from instruments.cycler.charging import ChargeProtocol
from instruments.cycler.cohort import Cohort, Specimen
from instruments.cycler.degradation import CYCLES_PER_STEP, advance, fresh
from instruments.cycler.discharge import Discharge, capacity_ah
from instruments.cycler.half_cell import Array

_LEAST_FALL_AH: Final = 1e-12


def average_lives(
    protocols: Sequence[ChargeProtocol],
    cell: CellParameters,
    ambient_k: float = REFERENCE_TEMPERATURE_K,
    max_cycles: int = 3000,
    factors: CellFactors | Sequence[CellFactors] = AVERAGE_CELL,
) -> Array:
    """Noise-free cycle lives, shape ``(len(protocols),)``, at most ``max_cycles``.

    factors: of all cells, or one for each.
    The cycle, between two steps by linear interpolation, at which the capacity falls to 0.88 Ah.
    """
    lives = np.full(len(protocols), float(max_cycles))
    if not len(lives):
        return lives
    cells = [factors] * len(lives) if isinstance(factors, CellFactors) else factors
    pairs = zip(protocols, cells, strict=True)
    cohort = Cohort.of([Specimen(protocol, one, ambient_k) for protocol, one in pairs], cell)
    rows = np.arange(len(lives))
    state, cycle = fresh(cohort), np.zeros(cohort.lanes)
    before = capacity_ah(Discharge.of(cohort, state))
    while len(rows) and cycle[0] < max_cycles:
        state, cycle = advance(cohort, state, cycle), cycle + CYCLES_PER_STEP
        after = capacity_ah(Discharge.of(cohort, state))
        dead = after[: len(rows)] < END_OF_LIFE_CAPACITY_AH
        if dead.any():
            ends = _crossing(cycle, before, after)[: len(rows)]
            lives[rows[dead]] = ends[dead]
            kept = np.flatnonzero(~dead)
            rows = rows[kept]
            if len(rows):
                cohort, (state, cycle, after) = _kept(cohort, kept, (state, cycle, after))
        before = after
    return np.asarray(np.clip(lives, 0.0, float(max_cycles)))


def _crossing(cycle: Array, before: Array, after: Array) -> Array:
    """Cycle at which the capacity passes 0.88 Ah in the step that ends at ``cycle``, ``(n,)``."""
    fall = np.maximum(before - after, _LEAST_FALL_AH)
    return cycle - CYCLES_PER_STEP * (END_OF_LIFE_CAPACITY_AH - after) / fall


def _kept(
    cohort: Cohort, lanes: NDArray[np.intp], arrays: tuple[Array, ...]
) -> tuple[Cohort, list[Array]]:
    """The cohort and its arrays (``... x n``) without the lanes that are done with."""
    smaller = cohort.take(lanes)
    filled = np.concatenate([lanes, np.repeat(lanes[-1:], smaller.lanes - len(lanes))])
    return smaller, [np.ascontiguousarray(array[..., filled]) for array in arrays]
