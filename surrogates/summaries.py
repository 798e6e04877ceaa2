"""What features are made of: the early and late curves and the fade of many cells at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogates.cells import Cell
from surrogates.repairs import LONGEST_GAP_CYCLES
from surrogates.window import FIRST_CYCLE, Window

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Summaries:
    """``n`` cells with the same cycles and number of voltages, up to the horizon.

    * ``early``, ``late``: ``n x n_voltages``, Ah, the curves at both ends of the window
    * ``change``: ``n x n_voltages``, Ah, dQ(V): late minus early
    * ``voltage``: ``n x n_voltages``, V
    * ``cycles``: ``n_cycles`` from cycle 2 on; ``capacity``: ``n x n_cycles``, Ah
    * ``tail``: first index of the last stretch of the cycles
    * ``scalars``: by name, ``n x n_cycles``: what was recorded of every one of these cells

    Every operation on them is element by element or a sum along a row, so that what comes out
    for a cell does not depend on the others.
    """

    early: FloatArray
    late: FloatArray
    change: FloatArray
    voltage: FloatArray
    cycles: FloatArray
    capacity: FloatArray
    tail: int
    scalars: dict[str, FloatArray]

    def moment(self, order: int) -> FloatArray:
        """Central moments of dQ(V) over the voltage grid, Ah^order (population form), ``n``."""
        deviation = self.change - self.change.mean(axis=1)[:, None]
        power = deviation
        for _ in range(order - 1):
            power = power * deviation
        return np.asarray(power.mean(axis=1))


def summarise(cells: Sequence[Cell], window: Window) -> Summaries:
    """Summaries of cells whose curves end at the horizon and have the same cycles.

    Raises ValueError, naming the cell, if its curves start too late for the reference.
    """
    cell = cells[0]
    late = _mean_curves(cells, *window.late)
    early = _mean_curves(cells, *window.early)
    kept = int(np.searchsorted(cell.cycles, FIRST_CYCLE))
    cycles = cell.cycles[kept:].astype(np.float64)
    # With sparsely stored curves the last stretch still holds three of them.
    tail = int(np.searchsorted(cycles, window.at_cycle - window.tail_cycles + 1))
    tail = min(tail, len(cycles) - 3)
    if tail < 0:
        raise ValueError(
            f"cell {cell.id}: only {len(cycles)} curves up to cycle {window.at_cycle}, needs 3"
        )
    common = set(cell.scalars).intersection(*(other.scalars for other in cells))
    return Summaries(
        early=early,
        late=late,
        change=late - early,
        voltage=np.array([one.voltage for one in cells]),
        cycles=cycles,
        capacity=np.array([one.q[-1, kept:] for one in cells]),
        tail=tail,
        scalars={
            name: np.array([one.scalars[name][kept:] for one in cells]) for name in sorted(common)
        },
    )


def _mean_curves(cells: Sequence[Cell], first: int, last: int) -> FloatArray:
    """Mean of the curves of cycles ``first`` to ``last``; interpolated if none was stored."""
    start, stop = (int(k) for k in np.searchsorted(cells[0].cycles, [first, last + 1]))
    if start == stop:
        return _interpolated_curves(cells, 0.5 * (first + last), start)
    # One column after the other: the order of a sum must not depend on the array's shape.
    block = np.array([cell.q[:, start:stop].T for cell in cells])
    total = block[:, 0]
    for j in range(1, stop - start):
        total += block[:, j]
    return np.ascontiguousarray(total / (stop - start))


def _interpolated_curves(cells: Sequence[Cell], cycle: float, right: int) -> FloatArray:
    cycles = cells[0].cycles
    if not 0 < right < len(cycles) or cycles[right] - cycles[right - 1] - 1 > LONGEST_GAP_CYCLES:
        raise ValueError(
            f"cell {cells[0].id}: there is no curve near cycle {cycle:g}, "
            f"its curves run from cycle {cycles[0]} to {cycles[-1]}"
        )
    share = (cycle - float(cycles[right - 1])) / float(cycles[right] - cycles[right - 1])
    left_curves = np.array([cell.q[:, right - 1] for cell in cells])
    right_curves = np.array([cell.q[:, right] for cell in cells])
    return np.asarray((1.0 - share) * left_curves + share * right_curves)
