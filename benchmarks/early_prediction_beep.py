"""Time BEEP's featuriser on the recorded cells, for comparison; in an environment of its own.

    pip install beep && python benchmarks/early_prediction_beep.py FOLDER

FOLDER holds the public layout of Severson et al. (2019). What BEEP needs beyond Q(V) (temperature,
resistance, charge time) is filled in with constants; making its tables is not counted.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from beep.features.core import DeltaQFastCharge

N_RUNS = 5


def datapath(file: Path) -> SimpleNamespace:
    """One cell as BEEP keeps it: a line a cycle, and the interpolated discharges."""
    q = pd.read_csv(file, header=None).to_numpy()
    q = np.column_stack([q[:, 0], q])  # cycle 1 was not recorded
    n_voltages, n_cycles = q.shape
    summary = pd.DataFrame({"cycle_index": np.arange(n_cycles), "discharge_capacity": q[-1]})
    for name, value in (
        ("time_temperature_integrated", 1.0),
        ("charge_duration", 600.0),
        ("temperature_maximum", 34.0),
        ("temperature_minimum", 30.0),
        ("dc_internal_resistance", 0.017),
    ):
        summary[name] = value
    data = pd.DataFrame(
        {
            "cycle_index": np.repeat(np.arange(n_cycles), n_voltages),
            "voltage": np.tile(np.linspace(3.6, 2.0, n_voltages), n_cycles),
            "discharge_capacity": q.T.ravel(),
            "step_type": "discharge",
        }
    )
    data["step_type"] = data["step_type"].astype("category")
    return SimpleNamespace(structured_summary=summary, structured_data=data)


def main() -> None:
    files = [f for split in ("train", "test1") for f in sorted(Path(sys.argv[1], split).glob("*"))]
    cells = [datapath(file) for file in files]
    seconds = []
    for _ in range(N_RUNS):
        start = time.process_time()
        for cell in cells:
            featurizer = DeltaQFastCharge.__new__(DeltaQFastCharge)
            featurizer.datapath = cell
            featurizer.hyperparameters = dict(DeltaQFastCharge.DEFAULT_HYPERPARAMETERS)
            featurizer.create_features()
        seconds.append(time.process_time() - start)
    spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
    print(f"BEEP, {len(cells)} cells: {statistics.median(seconds):.2f} s CPU ({spread})")


if __name__ == "__main__":
    main()
