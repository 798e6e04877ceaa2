"""Per-cycle data and curves in the column names of the Battery Data Format."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from instruments.base import Series
from loop.events import Event, Measured
from loop.store.store import Store

# Our summaries and the machine-readable names of Battery Data Format 0.1 in the same unit
# (`surrogates.export_columns.QUANTITIES`); what has no such name there keeps its own.
NAMES = {
    "capacity_ah": "discharging_capacity_ah",
    "resistance_ohm": "internal_resistance_ohm",
    "temperature_c": "temperature_t1_celsius",
}
CYCLE, VOLTAGE, CAPACITY = "cycle_count", "voltage_volt", "discharging_capacity_ah"


def attempts(events: Sequence[Event]) -> list[tuple[int, int]]:
    """Trial and attempt of all that was cycled, in order."""
    bodies = (event.body for event in events)
    return sorted({(one.trial, one.attempt) for one in bodies if isinstance(one, Measured)})


def cycle_table(
    store: Store, campaign_id: str, events: Sequence[Event]
) -> tuple[list[str], list[list[Any]]]:
    """Heads and rows of the summaries of every cycle; what is not a number is empty."""
    series = {key: store.series(campaign_id, *key) for key in attempts(events)}
    names = sorted({name for one in series.values() for name in one.summary})
    rows: list[list[Any]] = []
    for key, one in series.items():
        columns = [one.summary[n].tolist() if n in one.summary else None for n in names]
        for index, cycle in enumerate(one.cycles.tolist()):
            values = [None if c is None or c[index] != c[index] else c[index] for c in columns]
            rows.append([*key, cycle, *values])
    return ["trial", "attempt", CYCLE, *(NAMES.get(name, name) for name in names)], rows


def write_curves(
    store: Store, campaign_id: str, events: Sequence[Event], folder: Path
) -> dict[str, int]:
    """Write the curves of every attempt, `curves/trial-1-attempt-1.bdf.csv`; rows a file."""
    found = {}
    for trial, attempt in attempts(events):
        series = store.series(campaign_id, trial, attempt)
        if not len(series.curves):
            continue
        name = f"curves/trial-{trial}-attempt-{attempt}.bdf.csv"
        (folder / "curves").mkdir(exist_ok=True)
        with (folder / name).open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow([CYCLE, VOLTAGE, CAPACITY])
            writer.writerows(_records(series))
        found[name] = series.curves.size
    return found


def _records(series: Series) -> Iterator[list[Any]]:
    """One row a voltage of each curve; Ah as float32 holds them, in the shortest text."""
    voltage = series.voltage.tolist()
    for cycle, curve in zip(series.curve_cycles.tolist(), series.curves, strict=True):
        for volt, charge in zip(voltage, curve, strict=True):
            yield [cycle, volt, "" if charge != charge else str(charge)]
