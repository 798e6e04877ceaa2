"""The discharge of each cycle in the records of a cycler, and what else a cycle tells."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogates.export_table import Records
from surrogates.repairs import LARGEST_CORRUPT_SHARE

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Currents below this share of the largest are rest: cyclers record some microamperes of noise.
REST_SHARE = 1e-3
RESET_SHARE = 0.02  # a count that drops below this share of the last one has started anew
FEWEST_POINTS = 10  # of a discharge, to be a curve
# A discharge that ends further above the lowest voltage of the grid was broken off.
LARGEST_SHORTFALL_SHARE = 0.05


@dataclass(frozen=True, eq=False)
class Discharge:
    """One discharge: ``voltage`` (V, strictly falling) and ``capacity`` (Ah from its start) at
    the records where the voltage is lower than ever before in it; ``delivered`` is all of it, Ah.
    """

    cycle: int
    voltage: FloatArray
    capacity: FloatArray
    delivered: float

    def complete(self, high: float, low: float) -> bool:
        """True if it has points enough and runs down to ``low``, or nearly."""
        reached = self.voltage[-1] <= low + LARGEST_SHORTFALL_SHARE * (high - low)
        return len(self.voltage) >= FEWEST_POINTS and bool(reached)


def discharges(records: Records) -> list[Discharge]:
    """The discharge of each cycle that has one, by cycle number.

    With a current (positive in charge), a discharge is what lies between two charges: records of
    negative current, rests left out; of several in a cycle, the one that delivers most. Without,
    it is where the discharge capacity rises. Without capacity, current is integrated over time
    (trapezoid). Raises ValueError where the current never turns negative, or time runs backwards.
    """
    count = _counted(records)
    order = np.argsort(records.cycle, kind="stable")
    cycle = records.cycle[order]
    voltage, count = records.voltage[order], count[order]
    before = np.concatenate([[np.nan], count[:-1]])
    current = None if records.current is None else records.current[order]
    part, discharging = _parts(cycle, voltage, count, current)
    found: list[Discharge] = []
    numbers, starts = np.unique(cycle, return_index=True)
    for number, first, last in zip(numbers, starts, [*starts[1:], len(cycle)], strict=True):
        rows = first + np.flatnonzero(discharging[first:last])
        best: Discharge | None = None
        for one in np.unique(part[rows]):
            made = _discharge(int(number), rows[part[rows] == one], voltage, count, before)
            if made is not None and (best is None or made.delivered > best.delivered):
                best = made
        if best is not None:
            found.append(best)
    return found


def _counted(records: Records) -> FloatArray:
    """The charge counter of each record, Ah, rising or falling in discharge."""
    if records.capacity is not None:
        return records.capacity
    if records.current is None or records.time is None:
        raise ValueError("without capacity, current and time are needed")
    hours = _elapsed(records) / 3600.0
    mean = 0.5 * (records.current + np.concatenate([records.current[:1], records.current[:-1]]))
    return np.cumsum(np.nan_to_num(-mean * hours))


def _elapsed(records: Records) -> FloatArray:
    """Seconds since the record before, 0 for the first. Raises ValueError."""
    assert records.time is not None
    elapsed = np.diff(records.time, prepend=records.time[:1])
    if (elapsed < 0).any():
        at = int(np.flatnonzero(elapsed < 0)[0])
        raise ValueError(
            f"the time runs backwards at record {at + 1}, in cycle {records.cycle[at]}; "
            "a time that starts anew with each step cannot be used, map the test time"
        )
    return elapsed


def _rest(current: FloatArray) -> float:
    """The current in A up to which a record counts as rest."""
    return REST_SHARE * float(np.max(np.abs(np.nan_to_num(current))))


def _parts(
    cycle: IntArray, voltage: FloatArray, count: FloatArray, current: FloatArray | None
) -> tuple[IntArray, NDArray[np.bool_]]:
    """A number for each stretch between charges, and which records are discharging."""
    if current is None:
        rising = np.diff(count, prepend=count[:1]) > 0
        # the record before the first rise is where the discharge starts
        starts = rising[1:] & ~rising[:-1] & (voltage[:-1] > voltage[1:])
        rising[:-1] |= starts & (cycle[:-1] == cycle[1:])
        return np.zeros(len(count), dtype=np.int64), rising
    rest = _rest(current)
    discharging = (current < -rest) & np.isfinite(count)
    if not discharging.any():
        raise ValueError(
            "the current is never negative, so there is no discharge (charge is positive); "
            "leave current out of columns to go by the discharge capacity"
        )
    return np.cumsum(current > rest), discharging


def _discharge(
    cycle: int, rows: IntArray, voltage: FloatArray, count: FloatArray, before: FloatArray
) -> Discharge | None:
    q = _delivered(count[rows], float(before[rows[0]]))
    v = voltage[rows]
    lowest = np.minimum.accumulate(v)
    falls = np.concatenate([[True], v[1:] < lowest[:-1]])
    if not q[-1] > 0.0:
        return None
    return Discharge(cycle, v[falls], q[falls], float(q[-1]))


def _delivered(count: FloatArray, start: float) -> FloatArray:
    """Capacity since the record before, whose counter stood at ``start``, Ah.

    Counters rise, or fall where they count net capacity. They may start anew with the cycle or the
    step: then the record before has a higher count, or the count drops to nothing on the way.
    """
    steps = np.diff(count)
    if (steps < 0).sum() > (steps > 0).sum():
        return (count[0] if math.isnan(start) or start < count[0] else start) - count
    anew = (count[1:] < RESET_SHARE * count[:-1]) & (count[:-1] > 0.05 * count.max())
    total = count + np.concatenate([[0.0], np.cumsum(np.where(anew, count[:-1], 0.0))])
    if math.isnan(start):  # the file begins with this discharge
        start = count[0] if count[0] > 0.05 * (total[-1] - count[0]) else 0.0
    return np.asarray(total - (start if start <= count[0] else 0.0))


def scalars_of(records: Records, cycles: IntArray) -> dict[str, FloatArray]:
    """What the records tell of each of ``cycles`` beside its curve, as far as columns are there.

    ``resistance_ohm`` median of the positive values; ``charge_temperature_k`` mean over charging
    records; ``charge_time_h`` time with charging current. Gaps are filled linearly in cycle
    number; a scalar that lacks more than a quarter of the cycles is left out.
    """
    charging = None
    if records.current is not None:
        charging = records.current > _rest(records.current)
    found = {}
    if records.resistance is not None:
        found["resistance_ohm"] = _medians(records, cycles)
    if records.temperature is not None and charging is not None:
        total, n = _sums(records, records.temperature, charging, cycles)
        found["charge_temperature_k"] = np.where(n > 0, total / np.maximum(n, 1.0), np.nan)
    if records.time is not None and charging is not None:
        total, n = _sums(records, _elapsed(records) / 3600.0, charging, cycles)
        found["charge_time_h"] = np.where(n > 0, total, np.nan)
    return {name: _filled(values, cycles) for name, values in found.items() if _enough(values)}


def _sums(
    records: Records, values: FloatArray, where: NDArray[np.bool_], cycles: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Sum and number of the finite ``values`` at the records ``where``, for each cycle."""
    where = where & np.isfinite(values) & np.isin(records.cycle, cycles)
    places = np.searchsorted(cycles, records.cycle[where])
    total = np.bincount(places, weights=values[where], minlength=len(cycles))
    n = np.bincount(places, minlength=len(cycles))
    return total.astype(np.float64), n.astype(np.float64)


def _medians(records: Records, cycles: IntArray) -> FloatArray:
    assert records.resistance is not None
    good = np.isfinite(records.resistance) & (records.resistance > 0.0)
    good &= np.isin(records.cycle, cycles)
    places = np.searchsorted(cycles, records.cycle[good])
    order = np.lexsort((records.resistance[good], places))
    values, n = records.resistance[good][order], np.bincount(places, minlength=len(cycles))
    ends = np.cumsum(n)
    middle = np.full((2, len(cycles)), np.nan)
    some = n > 0
    middle[0, some] = values[(ends - n)[some] + (n[some] - 1) // 2]
    middle[1, some] = values[(ends - n)[some] + n[some] // 2]
    return np.asarray(middle.mean(axis=0))


def _enough(values: FloatArray) -> bool:
    return bool(np.isnan(values).mean() <= LARGEST_CORRUPT_SHARE)


def _filled(values: FloatArray, cycles: IntArray) -> FloatArray:
    known = np.isfinite(values)
    return np.interp(cycles, cycles[known], values[known])
