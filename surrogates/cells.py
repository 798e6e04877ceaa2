"""A battery cell as early prediction sees it: its discharge curves and, if known, its life."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surrogates.repairs import Repair, check_gaps, find_corrupt, interpolate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

__all__ = ["Cell", "Repair"]


@dataclass(frozen=True, eq=False, init=False)
class Cell:
    """Discharge capacity over voltage, cycle by cycle, validated and repaired when built.

    * ``id``: name, unique among the cells used together
    * ``cycle_life``: cycles to end of life, None while unknown; with ``censored``, only a bound:
      the cell was taken off after so many cycles, still alive
    * ``q``: ``n_voltages x n_cycles``, discharge capacity in Ah reached at each voltage
    * ``voltage``: ``n_voltages``, V, strictly decreasing (the order of a discharge)
    * ``cycles``: ``n_cycles``, the cycle number of each column, strictly increasing
    * ``repairs``: the curves that were corrupt or missing (NaN) and have been interpolated
    * ``censored``: True where ``cycle_life`` is a bound, "more than"
    * ``scalars``: further values, one a cycle, by name (``resistance_ohm``,
      ``charge_temperature_k``, ``charge_time_h``, ...), as far as they were recorded

    Arrays are copied to float64 and read-only. Raises ValueError, naming the cell, for shapes
    that do not fit, a life that is not positive, a bound without a value, or too many missing
    cycles.
    """

    id: str
    cycle_life: float | None
    q: FloatArray = field(repr=False)
    voltage: FloatArray = field(repr=False)
    cycles: IntArray = field(repr=False)
    repairs: tuple[Repair, ...]
    censored: bool
    scalars: Mapping[str, FloatArray] = field(repr=False)

    def __init__(
        self,
        id: str,
        cycle_life: float | None,
        q: ArrayLike,
        voltage: ArrayLike,
        cycles: ArrayLike,
        *,
        censored: bool = False,
        scalars: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        if not id:
            raise ValueError("a cell needs an id")
        try:
            curves = np.array(q, dtype=np.float64, order="C")
            life = _checked_life(cycle_life)
            grid = _checked_voltage(voltage)
            numbers = _checked_cycles(cycles)
            if curves.shape != (len(grid), len(numbers)):
                raise ValueError(
                    f"q has shape {curves.shape}, but there are {len(grid)} voltages "
                    f"and {len(numbers)} cycles"
                )
            if censored and life is None:
                raise ValueError("its life is said to be a bound, but there is no cycle_life")
            further = _checked_scalars(scalars or {}, len(numbers))
            repairs = _repair(curves, numbers)
        except ValueError as error:
            raise ValueError(f"cell {id}: {error}") from error
        for array in (curves, grid, numbers, *further.values()):
            array.setflags(write=False)
        fields = (id, life, curves, grid, numbers, repairs, bool(censored), further)
        for name, value in zip(self.__dataclass_fields__, fields, strict=True):
            object.__setattr__(self, name, value)

    @property
    def exact_life(self) -> float | None:
        """Cycles to end of life; None while unknown, and where only a bound is known."""
        return None if self.censored else self.cycle_life

    @property
    def capacity(self) -> FloatArray:
        """Discharge capacity at the lowest voltage, Ah, one value a cycle."""
        return np.ascontiguousarray(self.q[-1])

    def with_life(self, cycle_life: float | None, *, censored: bool = False) -> Cell:
        """The same cell with another life, or with a bound of it. Raises ValueError."""
        return Cell(
            self.id,
            cycle_life,
            self._as_recorded(len(self.cycles)),
            self.voltage,
            self.cycles,
            censored=censored,
            scalars=self.scalars,
        )

    def until(self, cycle: int) -> Cell:
        """The cell as it was known after ``cycle``: later curves neither kept nor used in repairs.

        So a cell that ran on looks exactly like its twin that was stopped at ``cycle``.
        Raises ValueError if the curves end before ``cycle`` or start after it.
        """
        if self.cycles[-1] < cycle or self.cycles[0] > cycle:
            raise ValueError(
                f"cell {self.id}: there is no curve at cycle {cycle}, "
                f"its curves run from cycle {self.cycles[0]} to {self.cycles[-1]}"
            )
        kept = int(np.searchsorted(self.cycles, cycle, side="right"))
        if kept == len(self.cycles):
            return self
        return Cell(
            self.id,
            self.cycle_life,
            self._as_recorded(kept),
            self.voltage,
            self.cycles[:kept],
            censored=self.censored,
            scalars={name: values[:kept] for name, values in self.scalars.items()},
        )

    def _as_recorded(self, n_cycles: int) -> FloatArray:
        """The first curves, those that were repaired as they came."""
        curves = self.q[:, :n_cycles]
        columns = np.searchsorted(self.cycles[:n_cycles], [r.cycle for r in self.repairs])
        known = [(j, r) for j, r in zip(columns, self.repairs, strict=True) if j < n_cycles]
        if known:
            curves = curves.copy()
            curves[:, [j for j, _ in known]] = np.column_stack([r.recorded for _, r in known])
        return curves


def _checked_life(cycle_life: float | None) -> float | None:
    if cycle_life is None:
        return None
    life = float(cycle_life)
    if not math.isfinite(life) or life <= 0.0:
        raise ValueError(f"cycle_life is {life:g}, it must be positive and finite, or None")
    return life


def _checked_scalars(scalars: Mapping[str, ArrayLike], n_cycles: int) -> Mapping[str, FloatArray]:
    further = {}
    for name, values in scalars.items():
        array = np.array(values, dtype=np.float64)
        if array.shape != (n_cycles,):
            raise ValueError(f"{name} has shape {array.shape}, expected ({n_cycles},)")
        further[name] = array
    return MappingProxyType(further)


def _checked_voltage(voltage: ArrayLike) -> FloatArray:
    grid = np.array(voltage, dtype=np.float64)
    if grid.ndim != 1 or len(grid) < 10:
        raise ValueError(f"voltage has shape {grid.shape}, it must be a list of at least 10")
    if not np.isfinite(grid).all() or not (np.diff(grid) < 0.0).all():
        raise ValueError("voltage must be finite and strictly decreasing")
    return grid


def _checked_cycles(cycles: ArrayLike) -> IntArray:
    numbers = np.array(cycles)
    if numbers.ndim != 1 or len(numbers) == 0:
        raise ValueError(f"cycles has shape {numbers.shape}, it must be a list of cycle numbers")
    whole = numbers.astype(np.int64)
    if not np.array_equal(whole, numbers) or whole[0] < 0 or not (np.diff(whole) > 0).all():
        raise ValueError("cycles must be whole numbers from 0, strictly increasing")
    return whole


def _repair(curves: FloatArray, cycles: IntArray) -> tuple[Repair, ...]:
    """Repair ``curves`` in place and report what was done."""
    corrupt = find_corrupt(curves)
    if not corrupt:
        return ()
    check_gaps(cycles, corrupt)
    repairs = tuple(
        Repair(int(cycles[j]), reason, curves[:, j].copy()) for j, reason in corrupt.items()
    )
    interpolate(curves, cycles, corrupt)
    return repairs
