"""A cohort: many cells side by side as arrays, one lane a cell, in lanes of a fixed multiple."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from instruments.cycler.cell import REFERENCE_TEMPERATURE_K, CellFactors, CellParameters
from instruments.cycler.charging import ChargeProtocol, currents_a, temperature_rise_k_per_ohm
from instruments.cycler.half_cell import Array

# Processors compute 2, 4 or 8 doubles at once and treat a left-over differently from a full set,
# which may change the last bit. With a whole number of eights there is never a left-over, so a
# cell's numbers are the same alone and among others, wherever it stands.
LANES: Final = 8

NO_LEAK_CYCLE: Final = 1e9


@dataclass(frozen=True, slots=True)
class Specimen:
    """One cell to be aged: what it is, how it is charged, where, and whether it leaks lithium.

    A leak (an internal short, the simulated early death) takes ``leak_ah`` of lithium a cycle from
    ``leak_cycle`` on, which must lie on the step grid of the ageing.
    """

    protocol: ChargeProtocol
    factors: CellFactors
    ambient_k: float = REFERENCE_TEMPERATURE_K
    leak_cycle: float = NO_LEAK_CYCLE
    leak_ah: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Arrays over lanes (``n``, a multiple of 8) and over charging points (``p x n``).

    The last specimen is repeated to fill the lanes. Currents in A, durations in hours,
    ``rise_k_per_ohm`` is the temperature over ambient per ohm of cell resistance.
    """

    cell: CellParameters
    ambient_k: Array
    negative_ah: Array
    positive_ah: Array
    lithium_ah: Array
    resistance_ohm: Array
    lam_factor: Array
    plating_factor: Array
    sei_factor: Array
    leak_cycle: Array
    leak_ah: Array
    current_a: Array
    hours: Array
    soc: Array
    rise_k_per_ohm: Array

    @classmethod
    def of(cls, specimens: Sequence[Specimen], cell: CellParameters) -> "Cohort":
        """Stack specimens, whose protocols must have the same number of steps (else ValueError)."""
        if not specimens:
            raise ValueError("a cohort needs at least one specimen")
        if len({len(s.protocol.rates_per_h) for s in specimens}) > 1:
            raise ValueError("all protocols of a cohort must have the same number of steps")
        filled = [*specimens, *[specimens[-1]] * (-len(specimens) % LANES)]
        factors = [specimen.factors for specimen in filled]
        points = [specimen.protocol.points() for specimen in filled]
        currents = [currents_a(rates) for rates, _, _ in points]
        rises = [
            temperature_rise_k_per_ohm(current, hours, cell.cooling_w_k * f.cooling, cell)
            for current, (_, _, hours), f in zip(currents, points, factors, strict=True)
        ]
        return cls(
            cell=cell,
            ambient_k=np.array([s.ambient_k for s in filled]),
            negative_ah=cell.negative_capacity_ah * _lane([f.negative_capacity for f in factors]),
            positive_ah=cell.positive_capacity_ah * _lane([f.positive_capacity for f in factors]),
            lithium_ah=cell.lithium_ah * _lane([f.lithium for f in factors]),
            resistance_ohm=cell.resistance_ohm * _lane([f.resistance for f in factors]),
            lam_factor=_lane([f.lam_rate for f in factors]),
            plating_factor=_lane([f.plating_rate for f in factors]),
            sei_factor=_lane([f.sei_rate for f in factors]),
            leak_cycle=_lane([s.leak_cycle for s in filled]),
            leak_ah=_lane([s.leak_ah for s in filled]),
            current_a=_columns(currents),
            hours=_columns([hours for _, _, hours in points]),
            soc=_columns([soc for _, soc, _ in points]),
            rise_k_per_ohm=_columns(rises),
        )

    def take(self, lanes: NDArray[np.intp]) -> "Cohort":
        """The lanes of these numbers, which may repeat; filled up to a whole number of eights."""
        filled = np.concatenate([lanes, np.repeat(lanes[-1:], -len(lanes) % LANES)])
        arrays: dict[str, Any] = {
            field.name: np.ascontiguousarray(getattr(self, field.name)[..., filled])
            for field in fields(self)
            if field.name != "cell"
        }
        return replace(self, **arrays)

    @property
    def lanes(self) -> int:
        """Lanes in the arrays, specimens and filling together."""
        return len(self.ambient_k)


def _lane(values: Sequence[float]) -> Array:
    return np.array(values, dtype=np.float64)


def _columns(rows: Sequence[Array]) -> Array:
    """``p x n`` in C order, so that neighbouring lanes are neighbours in memory."""
    return np.ascontiguousarray(np.stack(rows, axis=1))
