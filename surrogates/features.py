"""Summary features of the first cycles of a cell, after Severson et al. (2019)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogates.cells import Cell
from surrogates.repairs import LONGEST_GAP_CYCLES

FloatArray = NDArray[np.float64]

SHORTEST_HORIZON_CYCLES = 12
# Below 0.01 % of a 1.1 Ah cell a change of capacity is measurement noise; without this floor its
# logarithm would run to minus infinity when a change passes through zero.
SMALLEST_CHANGE_AH = 1e-4


@dataclass(frozen=True)
class Window:
    """What is looked at: which cycles, and how many neighbouring curves are averaged.

    dQ(V) is the mean curve over the last ``n_averaged`` cycles up to ``at_cycle`` minus that over
    as many cycles centred on ``reference_cycle``. No cycle after ``at_cycle`` is ever used.
    """

    at_cycle: int
    n_averaged: int

    @property
    def reference_cycle(self) -> int:
        """Cycle 10 (Severson et al. 2019), earlier for horizons below 50 cycles.

        A tenth of the way leaves too little ageing between the two curves when the horizon is
        short; a fifth, and never before cycle 4, keeps both windows apart down to 12 cycles.
        """
        return min(10, max(4, self.at_cycle // 5))

    @property
    def tail_cycles(self) -> int:
        """Length of the last stretch on which the recent fade is measured."""
        return max(8, self.at_cycle // 4)


@dataclass(frozen=True)
class Summary:
    """What the features are made of: dQ(V) and the capacity of a cell up to the horizon.

    ``change`` is dQ(V), ``n_voltages``, Ah; ``cycles`` and ``capacity`` (Ah) have one value a
    cycle from cycle 2 on; ``tail`` is the first index of the last stretch.
    """

    change: FloatArray
    cycles: FloatArray
    capacity: FloatArray
    tail: int

    def moment(self, order: int) -> float:
        """Central moment of dQ(V) over the voltage grid, Ah^order (population form)."""
        deviation = self.change - self.change.mean()
        power = deviation
        for _ in range(order - 1):
            power = power * deviation
        return float(power.mean())


def _log_change(change_ah: float) -> float:
    return math.log10(max(abs(change_ah), SMALLEST_CHANGE_AH))


def _log_variance(s: Summary) -> float:
    return math.log10(max(s.moment(2), SMALLEST_CHANGE_AH**2))


def _standardised_moment(s: Summary, order: int) -> float:
    return s.moment(order) / math.pow(max(s.moment(2), SMALLEST_CHANGE_AH**2), order / 2)


def _early_capacity(s: Summary) -> float:
    return float(s.capacity[:3].mean())


def _slope(cycles: FloatArray, capacity: FloatArray) -> float:
    x = cycles - cycles.mean()
    return float((x * capacity).sum() / (x * x).sum())


# Name -> feature. All are in the feature list of Severson et al. (2019), Supplementary Table 1,
# there with cycles 100 and 10 and single curves. log is log10 of the value in Ah or Ah^2.
FEATURES: dict[str, Callable[[Summary], float]] = {
    # dQ(V) over the voltage grid
    "log_var_dq": _log_variance,
    "log_abs_min_dq": lambda s: _log_change(float(s.change.min())),
    "log_abs_mean_dq": lambda s: _log_change(float(s.change.mean())),
    "skewness_dq": lambda s: _standardised_moment(s, 3),
    "kurtosis_dq": lambda s: _standardised_moment(s, 4),
    "log_abs_dq_at_lowest_voltage": lambda s: _log_change(float(s.change[-1])),
    # the capacity fade curve
    "capacity_early_ah": _early_capacity,
    "capacity_rise_ah": lambda s: float(s.capacity.max() - s.capacity[0]),
    "fade_slope_ah_per_cycle": lambda s: _slope(s.cycles, s.capacity),
    "tail_slope_ah_per_cycle": lambda s: _slope(s.cycles[s.tail :], s.capacity[s.tail :]),
}


def feature_table(cells: Sequence[Cell], names: Sequence[str], window: Window) -> FloatArray:
    """``n_cells x n_features``. A row depends on its own cell alone, bit for bit.

    Raises ValueError, naming the cell, if its curves do not reach ``window.at_cycle`` or start
    too late for the reference.
    """
    rows = [_feature_row(cell, names, window) for cell in cells]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(names))


def _feature_row(cell: Cell, names: Sequence[str], window: Window) -> list[float]:
    summary = summarise(cell.until(window.at_cycle), window)
    row = [FEATURES[name](summary) for name in names]
    if not all(math.isfinite(value) for value in row):
        values = dict(zip(names, row, strict=True))
        raise ValueError(f"cell {cell.id}: a feature is not finite: {values}")
    return row


def summarise(cell: Cell, window: Window) -> Summary:
    """dQ(V) and fade curve of one cell, whose curves end at the horizon."""
    n, reference, at = window.n_averaged, window.reference_cycle, window.at_cycle
    change = _mean_curve(cell, at - n + 1, at)
    change = change - _mean_curve(cell, reference - n // 2, reference - n // 2 + n - 1)
    kept = int(np.searchsorted(cell.cycles, 2))  # cycle 1 is formation, or missing
    cycles = cell.cycles[kept:].astype(np.float64)
    # With sparsely stored curves the last stretch still holds three of them.
    tail = int(np.searchsorted(cycles, at - window.tail_cycles + 1))
    tail = min(tail, len(cycles) - 3)
    if tail < 0:
        raise ValueError(f"cell {cell.id}: only {len(cycles)} curves up to cycle {at}, needs 3")
    return Summary(change, cycles, cell.capacity[kept:], tail)


def _mean_curve(cell: Cell, first: int, last: int) -> FloatArray:
    """Mean of the curves of cycles ``first`` to ``last``; interpolated if none was stored."""
    start, stop = np.searchsorted(cell.cycles, [first, last + 1])
    if start == stop:
        return _interpolated_curve(cell, 0.5 * (first + last), int(start))
    # One column after the other: the order of a sum must not depend on the array's shape.
    total = cell.q[:, start].copy()
    for j in range(int(start) + 1, int(stop)):
        total += cell.q[:, j]
    return np.asarray(total / float(stop - start))


def _interpolated_curve(cell: Cell, cycle: float, right: int) -> FloatArray:
    cycles = cell.cycles
    if not 0 < right < len(cycles) or cycles[right] - cycles[right - 1] - 1 > LONGEST_GAP_CYCLES:
        raise ValueError(
            f"cell {cell.id}: there is no curve near cycle {cycle:g}, "
            f"its curves run from cycle {cycles[0]} to {cycles[-1]}"
        )
    share = (cycle - float(cycles[right - 1])) / float(cycles[right] - cycles[right - 1])
    return np.asarray((1.0 - share) * cell.q[:, right - 1] + share * cell.q[:, right])
