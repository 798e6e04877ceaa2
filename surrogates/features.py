"""Features of the first cycles of a cell, by name, each with its source."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from surrogates.cells import Cell
from surrogates.summaries import Summaries, summarise
from surrogates.window import SHORTEST_HORIZON_CYCLES, Window

__all__ = ["FEATURES", "SAMPLES", "SHORTEST_HORIZON_CYCLES", "SUMMARY", "Window", "feature_table"]

FloatArray = NDArray[np.float64]

# Below 0.01 % of a 1.1 Ah cell a change of capacity is measurement noise; without this floor its
# logarithm would run to minus infinity when a change passes through zero.
SMALLEST_CHANGE_AH = 1e-4
N_SAMPLES = 100
# dQ/dV is the slope over 2 % of the grid (32 mV of 1.6 V): finer, noise makes the peaks.
SLOPE_SHARE = 0.02


@dataclass(frozen=True)
class Feature:
    """One feature: its value for each of ``n`` cells, where it comes from, what it needs.

    ``needs`` names the value recorded cycle by cycle without which it cannot be had.
    """

    compute: Callable[[Summaries], FloatArray]
    source: str
    needs: str | None = None


def _log10(values: FloatArray) -> FloatArray:
    # One by one: NumPy's logarithm may round differently in a vector of another length.
    return np.array([math.log10(value) for value in values.tolist()], dtype=np.float64)


def _log_change(change_ah: FloatArray) -> FloatArray:
    return _log10(np.maximum(np.abs(change_ah), SMALLEST_CHANGE_AH))


def _floored_variance(s: Summaries) -> FloatArray:
    return np.maximum(s.moment(2), SMALLEST_CHANGE_AH**2)


def _standardised_moment(s: Summaries, order: int) -> FloatArray:
    powers = [math.pow(value, order / 2) for value in _floored_variance(s).tolist()]
    return np.asarray(s.moment(order) / np.array(powers))


def _interquartile_range(s: Summaries) -> FloatArray:
    ordered = np.sort(s.change, axis=1)
    n = ordered.shape[1]
    return np.asarray(ordered[:, (3 * n) // 4] - ordered[:, n // 4])


def _voltage_of_minimum(s: Summaries) -> FloatArray:
    return np.asarray(s.voltage[np.arange(len(s.change)), s.change.argmin(axis=1)])


def _slope(cycles: FloatArray, capacity: FloatArray) -> FloatArray:
    x = cycles - cycles.mean()
    return np.asarray((x * capacity).sum(axis=1) / (x * x).sum())


def _early_capacity(s: Summaries) -> FloatArray:
    return np.asarray(s.capacity[:, :3].mean(axis=1))


def _largest_rise(s: Summaries) -> FloatArray:
    return np.asarray(s.capacity.max(axis=1) - s.capacity[:, 0])


def _peaks(s: Summaries, curves: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Height (Ah/V) and position (V) of the highest peak of dQ/dV, ``n`` each."""
    width = max(1, round(0.5 * SLOPE_SHARE * curves.shape[1]))
    rise = curves[:, 2 * width :] - curves[:, : -2 * width]
    slopes = rise / (s.voltage[:, : -2 * width] - s.voltage[:, 2 * width :])
    rows, top = np.arange(len(slopes)), slopes.argmax(axis=1)
    return slopes[rows, top], s.voltage[rows, top + width]


def _peak_height(s: Summaries) -> FloatArray:
    return _peaks(s, s.late)[0]


def _peak_change(s: Summaries) -> FloatArray:
    return _peaks(s, s.late)[0] - _peaks(s, s.early)[0]


def _peak_position(s: Summaries) -> FloatArray:
    return _peaks(s, s.late)[1]


def _peak_shift(s: Summaries) -> FloatArray:
    return _peaks(s, s.late)[1] - _peaks(s, s.early)[1]


def _sample(s: Summaries, k: int) -> FloatArray:
    return np.ascontiguousarray(s.change[:, k * s.change.shape[1] // N_SAMPLES])


def _scalar_mean(s: Summaries, name: str, last: int | None = None) -> FloatArray:
    return np.asarray(s.scalars[name][:, :last].mean(axis=1))


def _scalar_rise(s: Summaries, name: str) -> FloatArray:
    values = s.scalars[name]
    return np.asarray(values[:, s.tail :].mean(axis=1) - values[:, :3].mean(axis=1))


SEVERSON = "Severson et al. 2019, Supplementary Table 1"
PEAKS = "Bloom et al., J. Power Sources 139, 295 (2005)"

# The ten of Severson's list that need nothing but Q(V), there with cycles 100 and 10 and single
# curves. log is log10 of the value in Ah or Ah^2.
_SUMMARY: dict[str, Callable[[Summaries], FloatArray]] = {
    # dQ(V) over the voltage grid
    "log_var_dq": lambda s: _log10(_floored_variance(s)),
    "log_abs_min_dq": lambda s: _log_change(s.change.min(axis=1)),
    "log_abs_mean_dq": lambda s: _log_change(s.change.mean(axis=1)),
    "skewness_dq": partial(_standardised_moment, order=3),
    "kurtosis_dq": partial(_standardised_moment, order=4),
    "log_abs_dq_at_lowest_voltage": lambda s: _log_change(s.change[:, -1]),
    # the capacity fade curve
    "capacity_early_ah": _early_capacity,
    "capacity_rise_ah": _largest_rise,
    "fade_slope_ah_per_cycle": lambda s: _slope(s.cycles, s.capacity),
    "tail_slope_ah_per_cycle": lambda s: _slope(s.cycles[s.tail :], s.capacity[:, s.tail :]),
}
SUMMARY = tuple(_SUMMARY)

# dQ(V) itself at 100 voltages, every tenth of 1000 (Attia, Severson, Witmer 2021).
SAMPLES = tuple(f"dq_at_{k:02d}_ah" for k in range(N_SAMPLES))

FEATURES: dict[str, Feature] = {
    **{name: Feature(compute, SEVERSON) for name, compute in _SUMMARY.items()},
    "log_iqr_dq": Feature(
        lambda s: _log_change(_interquartile_range(s)), "Attia, Severson, Witmer 2021"
    ),
    "voltage_of_min_dq_v": Feature(_voltage_of_minimum, "Attia, Severson, Witmer 2021"),
    "peak_height_ah_per_v": Feature(_peak_height, PEAKS),
    "peak_change_ah_per_v": Feature(_peak_change, PEAKS),
    "peak_position_v": Feature(_peak_position, PEAKS),
    "peak_shift_v": Feature(_peak_shift, PEAKS),
    "resistance_mean_ohm": Feature(
        partial(_scalar_mean, name="resistance_ohm"), SEVERSON, "resistance_ohm"
    ),
    "resistance_rise_ohm": Feature(
        partial(_scalar_rise, name="resistance_ohm"), SEVERSON, "resistance_ohm"
    ),
    "charge_temperature_mean_k": Feature(
        partial(_scalar_mean, name="charge_temperature_k"), SEVERSON, "charge_temperature_k"
    ),
    "charge_time_early_h": Feature(
        partial(_scalar_mean, name="charge_time_h", last=5), SEVERSON, "charge_time_h"
    ),
    **{
        name: Feature(partial(_sample, k=k), "Attia, Severson, Witmer 2021")
        for k, name in enumerate(SAMPLES)
    },
}


def feature_table(cells: Sequence[Cell], names: Sequence[str], window: Window) -> FloatArray:
    """``n_cells x n_features``. A row depends on its own cell alone, bit for bit.

    Cells with the same cycles are computed side by side. Raises ValueError, naming the cell, if
    its curves do not reach ``window.at_cycle`` or start too late for the reference, or if a
    feature needs what was not recorded of it; and for a name that is no feature.
    """
    check_features(names)
    table = np.empty((len(cells), len(names)))
    known = [cell.until(window.at_cycle) for cell in cells]
    for places in _alike(known):
        group = [known[k] for k in places]
        summaries = summarise(group, window)
        _check_recorded(group, names, summaries)
        for j, name in enumerate(names):
            table[places, j] = FEATURES[name].compute(summaries)
    for cell, row in zip(cells, table, strict=True):
        if not np.isfinite(row).all():
            values = dict(zip(names, row.tolist(), strict=True))
            raise ValueError(f"cell {cell.id}: a feature is not finite: {values}")
    return table


def check_features(names: Sequence[str]) -> None:
    """Raises ValueError for a name that is no feature, and for none at all."""
    unknown = [name for name in names if name not in FEATURES]
    if unknown or not names:
        raise ValueError(
            f"unknown features {', '.join(map(repr, unknown)) or '(none given)'}: there are "
            f"{', '.join(name for name in FEATURES if name not in SAMPLES)}, "
            f"{SAMPLES[0]} to {SAMPLES[-1]}"
        )


def _alike(cells: Sequence[Cell]) -> Iterator[list[int]]:
    """Indices of cells with the same cycles and number of voltages."""
    groups: dict[tuple[int, bytes], list[int]] = {}
    for k, cell in enumerate(cells):
        groups.setdefault((len(cell.voltage), cell.cycles.tobytes()), []).append(k)
    yield from groups.values()


def _check_recorded(cells: Sequence[Cell], names: Sequence[str], summaries: Summaries) -> None:
    for name in names:
        needed = FEATURES[name].needs
        if needed is not None and needed not in summaries.scalars:
            lacking = next(cell.id for cell in cells if needed not in cell.scalars)
            raise ValueError(f"cell {lacking}: {name} needs {needed}, which was not recorded of it")
