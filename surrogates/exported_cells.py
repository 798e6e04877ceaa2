"""Cells from cycler exports: records by column mapping, interpolated onto a voltage grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from surrogates.cells import Cell
from surrogates.discharges import FEWEST_POINTS, Discharge, discharges, scalars_of
from surrogates.export_table import Records, read_records, table_records
from surrogates.life_file import Life

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Grid:
    """Voltages from ``high`` down to ``low`` (V), ``points`` of them, evenly spaced."""

    high: float
    low: float
    points: int = 1000

    def __post_init__(self) -> None:
        if not -1.0 < self.low < self.high < 10.0:
            raise ValueError(
                f"high {self.high:g} and low {self.low:g}: V, low below high is needed"
            )
        if not 10 <= self.points <= 100_000:
            raise ValueError(f"points: {self.points} is not allowed; 10 to 100000 is needed")

    @property
    def voltage(self) -> FloatArray:
        return np.linspace(self.high, self.low, self.points)


@dataclass(frozen=True, slots=True)
class EndOfLife:
    """A cell's life ends at the first cycle that delivers less than ``capacity`` (Ah), or than
    ``share`` of ``nominal`` (Ah; by default what its first complete cycle delivered).

    ``alive`` says what a cell that never gets there is: its life is ``unknown``, or ``censored``,
    longer than its last cycle.
    """

    capacity: float | None = None
    share: float | None = None
    nominal: float | None = None
    alive: Literal["unknown", "censored"] = "unknown"

    def __post_init__(self) -> None:
        if (self.capacity is None) == (self.share is None):
            raise ValueError("exactly one of capacity (Ah) and share is needed")
        if self.share is not None and not 0.0 < self.share < 1.0:
            raise ValueError(f"share: {self.share:g} is not allowed; between 0 and 1 is needed")
        if self.nominal is not None and self.share is None:
            raise ValueError("nominal: belongs to share")
        for name, value in (("capacity", self.capacity), ("nominal", self.nominal)):
            if value is not None and not value > 0.0:
                raise ValueError(f"{name}: {value:g} is not allowed; Ah, > 0 is needed")

    def life(self, complete: Sequence[Discharge]) -> Life | None:
        """The life that complete discharges in order of cycle tell.

        A single low cycle is a faulty measurement, not the end: the next one must be low, too,
        unless it is the last.
        """
        delivered = np.array([one.delivered for one in complete])
        limit = self.capacity
        if limit is None:
            assert self.share is not None
            limit = self.share * (self.nominal or float(delivered[0]))
        low = delivered < limit
        ends = np.flatnonzero(low & np.concatenate([low[1:], [True]]))
        if len(ends):
            return Life(float(complete[int(ends[0])].cycle))
        return Life(float(complete[-1].cycle), censored=True) if self.alive == "censored" else None


def read_export(
    path: str | Path,
    *,
    id: str | None = None,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    decimal: str = ".",
    grid: Grid | None = None,
    life: Life | float | None = None,
    end_of_life: EndOfLife | None = None,
    last_cycle: int | None = None,
) -> Cell:
    """The cell that a cycler export tells of: one text table or Parquet file, one row a record.

    ``columns`` maps cycle, voltage, capacity, current, time, temperature, resistance to the
    columns of the file; by default those of the Battery Data Format. Current is positive in
    charge. ``units`` gives units that column names do not tell. ``life`` in cycles, else
    ``end_of_life`` finds it. See `cell_of_records` for the rest. Raises MissingCellData where there
    is no file, ValueError naming the file and what is wrong in it.
    """
    records = read_records(path, columns, units, decimal)
    name = Path(path).name.split(".", 1)[0] if id is None else id
    return cell_of_records(
        records, name, grid=grid, life=life, end_of_life=end_of_life, last_cycle=last_cycle
    )


def cell_of_table(
    frame: pd.DataFrame,
    id: str,
    *,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    grid: Grid | None = None,
    life: Life | float | None = None,
    end_of_life: EndOfLife | None = None,
    last_cycle: int | None = None,
) -> Cell:
    """The same from a pandas DataFrame, which any reader may have made."""
    try:
        records = table_records(frame, id, columns, units)
    except ValueError as error:
        raise ValueError(f"{id}: {error}") from error
    return cell_of_records(
        records, id, grid=grid, life=life, end_of_life=end_of_life, last_cycle=last_cycle
    )


def cell_of_records(
    records: Records,
    id: str,
    *,
    grid: Grid | None = None,
    life: Life | float | None = None,
    end_of_life: EndOfLife | None = None,
    last_cycle: int | None = None,
) -> Cell:
    """A cell from records: Q(V) of each cycle's discharge on a voltage grid.

    Q(V) is the capacity delivered when the voltage first reaches V, linear between records; above
    the first record it is that record's, below the last one the last one's. A discharge with fewer
    than 10 points, or one that ends more than 5 % of the grid above its lowest voltage, is no
    curve: between others it is a NaN column and repaired by rule, at either end left out. Without a
    ``grid``, it is 1000 points over the window that half of the discharges span. Curves after
    ``last_cycle`` are not kept; lives are found in all of them.
    """
    found = found_discharges(records)
    window = grid or common_grid([found])
    return build_cell(records, found, id, window, _given(life), end_of_life, last_cycle)


def common_grid(cells: Sequence[Sequence[Discharge]]) -> Grid:
    """1000 points over the voltages, in whole 10 mV, that half of all discharges span."""
    curves = [one for cell in cells for one in cell if len(one.voltage) >= FEWEST_POINTS]
    high = float(np.median([one.voltage[0] for one in curves]))
    low = float(np.median([one.voltage[-1] for one in curves]))
    return Grid(
        float(np.floor(round(high * 100, 6)) / 100), float(np.ceil(round(low * 100, 6)) / 100)
    )


def found_discharges(records: Records) -> list[Discharge]:
    """As `discharges`, the file named in errors; no discharge at all is one."""
    try:
        found = discharges(records)
    except ValueError as error:
        raise ValueError(f"{records.source}: {error}") from error
    if not found:
        raise ValueError(f"{records.source}: no cycle holds a discharge")
    if all(len(one.voltage) < FEWEST_POINTS for one in found):
        raise ValueError(
            f"{records.source}: no discharge has {FEWEST_POINTS} records of falling voltage; "
            "is capacity that of discharge?"
        )
    return found


def _given(life: Life | float | None) -> Life | None:
    return life if life is None or isinstance(life, Life) else Life(float(life))


def build_cell(
    records: Records,
    found: Sequence[Discharge],
    id: str,
    grid: Grid,
    life: Life | None,
    end_of_life: EndOfLife | None,
    last_cycle: int | None,
) -> Cell:
    """As `cell_of_records`, from discharges that were found before."""
    complete = [one for one in found if one.complete(grid.high, grid.low)]
    if not complete:
        raise ValueError(
            f"{records.source}: none of its {len(found)} discharges has 10 points and runs down to "
            f"{grid.low:g} V; the longest ends at {min(one.voltage[-1] for one in found):.4g} V"
        )
    if life is None and end_of_life is not None:
        life = end_of_life.life(complete)
    kept = [one for one in complete if last_cycle is None or one.cycle <= last_cycle]
    if not kept:
        raise ValueError(
            f"{records.source}: its first complete discharge is in cycle {complete[0].cycle}, "
            f"after last_cycle = {last_cycle}"
        )
    numbers = np.unique(records.cycle)
    numbers = numbers[(numbers >= kept[0].cycle) & (numbers <= kept[-1].cycle)]
    curves = np.full((len(numbers), grid.points), np.nan)
    rising = grid.voltage[::-1]
    for place, one in zip(np.searchsorted(numbers, [d.cycle for d in kept]), kept, strict=True):
        curves[place] = np.interp(rising, one.voltage[::-1], one.capacity[::-1])[::-1]
    try:
        return Cell(
            id,
            None if life is None else life.cycles,
            curves.T,
            grid.voltage,
            numbers,
            scalars=scalars_of(records, numbers),
            censored=life is not None and life.censored,
        )
    except ValueError as error:
        raise ValueError(f"{records.source}: {error}") from error
