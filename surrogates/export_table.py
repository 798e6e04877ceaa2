"""Read the table of a cycler export: one row a record, columns by mapping, units converted."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surrogates.export_columns import (
    CLOCK,
    Column,
    check_mapping,
    converted,
    enough,
    resolve,
    wanted,
)
from surrogates.missing import MissingCellData

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LINES_BEFORE_HEADER = 200  # cyclers put a page of notes in front of the table
SEPARATORS = (",", "\t", ";")
# A cell is between these; beyond, the unit is wrong. Single records may be glitches.
LOWEST_CELL_V, HIGHEST_CELL_V = -1.0, 10.0
LARGEST_GLITCH_SHARE = 0.01
HIGHEST_CYCLE = 10_000_000


@dataclass(frozen=True, eq=False)
class Records:
    """What a cycler recorded of one cell, in the order of the file; one value a record.

    ``cycle`` is the cycle number; ``voltage`` V; ``capacity`` Ah as counted by the cycler;
    ``current`` A, positive in charge; ``time`` s since the start of the test; ``temperature`` K;
    ``resistance`` ohm. None stands for a column that is not there.
    """

    source: str
    cycle: IntArray
    voltage: FloatArray
    capacity: FloatArray | None = None
    current: FloatArray | None = None
    time: FloatArray | None = None
    temperature: FloatArray | None = None
    resistance: FloatArray | None = None


def read_records(
    path: str | Path,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    decimal: str = ".",
) -> Records:
    """The records of a text table (comma, tab or semicolon) or a Parquet file.

    Lines before the header are skipped: it is the first line with the columns asked for. Records
    without cycle number or voltage are left out. ``columns`` and ``units`` as in
    `surrogates.export_columns.resolve`. Raises MissingCellData where there is no file, ValueError
    naming the file, the column and what is there.
    """
    file = Path(path)
    units = units or {}
    try:
        check_mapping(columns, units)
        if not file.is_file():
            raise MissingCellData("there is no such file")
        if file.suffix == ".parquet":
            return table_records(_parquet(file), str(file), columns, units)
        text = _text(file)
        row, header, separator = _header(text, columns)
        found = resolve(header, columns, units)
        values = _values(text, row, separator, decimal, found)
        return _records(str(file), values, found)
    except OSError as error:
        if isinstance(error, MissingCellData):
            raise MissingCellData(f"{file}: {error}") from error
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        told = str(error)
        raise ValueError(told if told.startswith(str(file)) else f"{file}: {told}") from error


def table_records(
    frame: pd.DataFrame,
    source: str,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
) -> Records:
    """The records of a pandas DataFrame. Raises ValueError, naming the column."""
    check_mapping(columns, units or {})
    found = resolve([str(name) for name in frame.columns], columns, units or {})
    values = {
        quantity: _numbers(frame.iloc[:, column.place], column, quantity, first=1)
        for quantity, column in found.items()
    }
    return _records(source, values, found)


# text ----------------------------------------------------------------------------------------


def _text(path: Path) -> str:
    content = path.read_bytes()
    if not content.strip():
        raise ValueError("is empty")
    if b"\0" in content[:4096]:
        raise ValueError(
            "is no text; have your cycler's software or a reader write it as CSV or Parquet, in "
            "Battery Data Format columns for instance"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")  # what Windows software writes


def _header(text: str, columns: Mapping[str, str] | None) -> tuple[int, list[str], str]:
    """Place, names and separator of the first line with every column asked for.

    Where there is none, the line with most of them, so that the error can tell what is there.
    """
    best: tuple[int, int, list[str], str] = (-1, 0, [], ",")
    for row, line in enumerate(text.split("\n", LINES_BEFORE_HEADER)[:LINES_BEFORE_HEADER]):
        for separator in SEPARATORS:
            names = _cut(line, separator)
            asked = wanted(columns, names)
            there = sum(name in names for name in asked.values())
            if there and (there == len(columns) if columns else enough(asked)):
                return row, names, separator
            if there > best[0] or (there == best[0] == 0 and len(names) > len(best[2])):
                best = (there, row, names, separator)
    return best[1:]


def _cut(line: str, separator: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:  # a note that is no line of a table
        return []


def _values(
    text: str, row: int, separator: str, decimal: str, found: Mapping[str, Column]
) -> dict[str, FloatArray]:
    """The columns found, below the header in line ``row`` (from 0), as numbers."""
    import io

    import pandas as pd

    clocks = {c.place for c in found.values() if c.unit == CLOCK}
    places = sorted({column.place for column in found.values()})
    options: Any = {
        "sep": separator, "decimal": decimal, "header": None, "skiprows": row + 1,
        "usecols": places, "skip_blank_lines": False, "index_col": False,
    }  # fmt: skip
    types: Any = {place: str if place in clocks else np.float64 for place in places}
    try:
        frame = pd.read_csv(io.StringIO(text), dtype=types, **options)
    except pd.errors.EmptyDataError as error:
        raise ValueError("holds a header, but no records") from error
    except pd.errors.ParserError as error:
        raise ValueError(f"is no even table below its header: {str(error).strip()}") from error
    except ValueError:  # text among the numbers; the slow way tells where
        frame = pd.read_csv(io.StringIO(text), dtype=str, **options)
    return {
        quantity: _numbers(frame[column.place], column, quantity, first=row + 2)
        for quantity, column in found.items()
    }


def _numbers(series: Any, column: Column, quantity: str, first: int) -> FloatArray:
    """A column as numbers in our unit; ``first`` is the line of its first value."""
    import pandas as pd

    if column.unit == CLOCK:
        seconds = pd.to_timedelta(series.astype(str).str.strip(), errors="coerce")
        values = seconds.dt.total_seconds().to_numpy(dtype=np.float64)
    else:
        values = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.isnan(values) & series.notna().to_numpy()
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        needed = f"a time like {CLOCK}" if column.unit == CLOCK else "a number"
        clock = ":" in str(series.iloc[at]) and quantity == "time" and column.unit != CLOCK
        hint = f'; for times as text, units.time = "{CLOCK}"' if clock else ""
        raise ValueError(
            f"line {first + at}, column {column.name!r} holds {str(series.iloc[at])!r}, "
            f"which is not {needed}{hint}"
        )
    return values if column.unit == CLOCK else converted(values, column.unit, quantity)


def _parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise ValueError("reading Parquet needs the package pyarrow (extra `data`)") from error


# checks --------------------------------------------------------------------------------------


def _records(source: str, values: Mapping[str, FloatArray], found: Mapping[str, Column]) -> Records:
    cycle, voltage = values["cycle"], values["voltage"]
    _check_voltage(voltage, found["voltage"])
    known = np.isfinite(cycle) & np.isfinite(voltage)
    known &= (voltage > LOWEST_CELL_V) & (voltage < HIGHEST_CELL_V)
    if not known.any():
        raise ValueError(
            f"holds no record with numbers in {found['cycle'].name!r} and {found['voltage'].name!r}"
        )
    numbers = cycle[known]
    wrong = (numbers != np.floor(numbers)) | (numbers < 0) | (numbers > HIGHEST_CYCLE)
    if wrong.any():
        raise ValueError(
            f"column {found['cycle'].name!r} (cycle) holds {numbers[wrong][0]:g}; "
            f"cycle numbers are whole numbers from 0 to {HIGHEST_CYCLE:g}"
        )
    rest = {name: column[known] for name, column in values.items() if name != "cycle"}
    return Records(source, numbers.astype(np.int64), **rest)


def _check_voltage(voltage: FloatArray, column: Column) -> None:
    finite = voltage[np.isfinite(voltage)]
    beyond = (finite <= LOWEST_CELL_V) | (finite >= HIGHEST_CELL_V)
    if beyond.sum() > LARGEST_GLITCH_SHARE * len(finite):
        raise ValueError(
            f"column {column.name!r} (voltage) runs from {finite.min():g} to {finite.max():g} V, "
            f"read in {column.unit}; a cell lies between {LOWEST_CELL_V:g} and "
            f"{HIGHEST_CELL_V:g} V; is its unit another? Give it in units.voltage"
        )
