"""Cells written down as a cycler would record them: charge, rest, discharge, one row a record."""

from __future__ import annotations

import numpy as np
import pandas as pd

from surrogates.cells import Cell

BDF = {
    "time": "Test Time / s",
    "voltage": "Voltage / V",
    "current": "Current / A",
    "cycle": "Cycle Count / 1",
    "capacity": "Discharging Capacity / Ah",
    "temperature": "Ambient Temperature / degC",
    "resistance": "Internal Resistance / ohm",
}
CHARGE_V = np.linspace(2.5, 3.6, 12)


def as_recorded(cell: Cell) -> np.ndarray:
    """The curves of a cell before they were repaired, ``n_voltages x n_cycles``."""
    q = np.array(cell.q)
    for repair in cell.repairs:
        q[:, np.searchsorted(cell.cycles, repair.cycle)] = repair.recorded
    return q


def records_of(cell: Cell, counter: str = "cycle", amperes: float = 4.4) -> pd.DataFrame:
    """Records in Battery Data Format columns: each cycle charges for 11 minutes, rests, discharges.

    ``counter`` says when the discharge capacity starts anew: with each ``cycle``, ``never``, or
    with each ``step`` (then charge is counted in the same column); ``net`` counts both ways.
    """
    q, n = as_recorded(cell), len(cell.voltage)
    blocks, elapsed, total = [], 0.0, 0.0
    for j, cycle in enumerate(cell.cycles):
        charge = np.linspace(0.0, q[-1, j], len(CHARGE_V))
        counted = {
            "cycle": (0.0 * charge, q[:, j]),
            "never": (0.0 * charge + total, total + q[:, j]),
            "step": (charge, q[:, j]),
            "net": (charge, charge[-1] - q[:, j]),
        }[counter]
        before = counted[0][-1] if counter != "step" else 0.0
        seconds = np.concatenate([np.full(len(CHARGE_V), 60.0), [300.0], np.full(n, 2.0)])
        block = {
            BDF["time"]: elapsed + np.cumsum(seconds),
            BDF["voltage"]: np.concatenate([CHARGE_V, [3.59], cell.voltage]),
            BDF["current"]: np.repeat([amperes, 0.0, -amperes], [len(CHARGE_V), 1, n]),
            BDF["cycle"]: np.full(len(CHARGE_V) + 1 + n, cycle),
            BDF["capacity"]: np.concatenate([counted[0], [before], counted[1]]),
            BDF["temperature"]: np.repeat([30.0 + 0.01 * j, 25.0], [len(CHARGE_V), n + 1]),
            BDF["resistance"]: np.where(np.arange(len(CHARGE_V) + 1 + n) == 5, 0.016 + 1e-6 * j, 0),
        }
        elapsed, total = block[BDF["time"]][-1], total + q[-1, j]
        blocks.append(pd.DataFrame(block))
    return pd.concat(blocks, ignore_index=True)
