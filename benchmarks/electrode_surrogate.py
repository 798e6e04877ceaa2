"""The figures of docs/electrode_surrogate.md: accuracy, coverage and speed of every model by name.

PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/electrode_surrogate.py --cache FOLDER
    [--samples 2000] [--unseen 2096] [--workers 1] [--model NAME ...] [--no-speed]

Designs are the first ones of the Sobol sequence over the wide box; those behind the samples are
unseen. Solved designs stay in FOLDER, and the next run goes on with them. Speeds are in CPU
seconds of one core: of batches of 16,384 designs, and of single discharges of the same designs by
the model that is built once and by one that is built anew each time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from instruments.computing import Task
from instruments.p2d.validity import LEAST_UTILISATION
from loop.execution_process import ProcessComputer
from loop.threads import before_imports, single_threaded
from surrogates.electrode import ElectrodeModel
from surrogates.electrode_box import WIDE
from surrogates.electrode_file import to_bytes
from surrogates.electrode_fit import KINDS
from surrogates.electrode_measured import Measured, measured
from surrogates.electrode_samples import SampleFile, Spec
from surrogates.electrode_scores import scored
from surrogates.electrode_solver import InstrumentSolver
from surrogates.electrode_training import train

ENERGY, POWER = "specific_energy_wh_kg", "specific_power_w_kg"
BATCH = 16_384
COMPARED = 40  # designs solved both ways
HEADS = (
    "model", "R2 energy", "R2 log power", "mean error, Wh/kg", "median relative error",
    "balanced accuracy", "coverage of 90 % (energy, power)", "curve, mV (rms, middling)",
    "file, MB", "fit, CPU s", "evaluations/s, all metrics", "with intervals and flags",
)  # fmt: skip


def main() -> None:
    before_imports()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--unseen", type=int, default=2096)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--model", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--no-speed", action="store_true")
    given = parser.parse_args()
    given.cache.mkdir(exist_ok=True)
    solver = InstrumentSolver("p2d", {})
    count = given.samples + given.unseen
    solved = solved_designs(given.cache / "p2d.samples.jsonl", solver, count, given.workers)
    designs = WIDE.designs(count, 0)
    known = np.arange(count) < given.samples
    unseen = solved.at(~known)
    print(
        f"{given.samples} samples, {int(solved.at(known).valid.sum())} of them valid; scored on "
        f"{len(unseen)} unseen designs, {int(unseen.valid.sum())} of them valid\n"
    )
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    speeds = {}
    with single_threaded():
        for kind in given.model:
            began = time.process_time()
            model = train(WIDE, designs[known], solved.at(known), kind, units=solver.units)
            spent = time.process_time() - began
            speeds[kind] = row(model, designs[~known], unseen, spent)
    if given.no_speed:
        return
    quick, slow = discharges(solver, designs[~known])
    print(f"\nP2D built once: {quick:.1f} evaluations/s; built anew each time: {slow:.2f}/s")
    for kind, fast in speeds.items():
        print(f"{kind}: {fast / quick:,.0f} x the one, {fast / slow:,.0f} x the other")


def solved_designs(path: Path, solver: InstrumentSolver, count: int, workers: int) -> Measured:
    computer = ProcessComputer(workers)
    try:
        answers = SampleFile(path, Spec("p2d", WIDE, 0)).collect(count, solver, computer, workers)
    finally:
        computer.close()
    return measured(answers, LEAST_UTILISATION)


def row(model: ElectrodeModel, designs: Any, solved: Measured, fit: float) -> float:
    """Print the figures of one model; its speed in batch."""
    found = scored(model, designs, solved)
    energy, power = found["metrics"][ENERGY], found["metrics"][POWER]
    batch = WIDE.designs(BATCH, 77)
    fast = BATCH / best(lambda: model.means(batch))
    full = BATCH / best(lambda: model.predict(batch))
    cells = (
        model.kind, f"{energy['r2']:.4f}", f"{power['log_r2']:.6f}", f"{energy['mae']:.2f}",
        f"{energy['median_relative_error']:.2%}",
        f"{found['validity']['balanced_accuracy']:.3f}",
        f"{energy['coverage']:.1%}, {power['coverage']:.1%}",
        f"{found['curve']['rms_mv']:.1f}, {found['curve']['median_rms_mv']:.1f}",
        f"{len(to_bytes(model)) / 1e6:.2f}", f"{fit:.0f}", f"{fast:,.0f}", f"{full:,.0f}",
    )  # fmt: skip
    print(f"| {' | '.join(cells)} |", flush=True)
    return fast


def best(call: Callable[[], Any]) -> float:
    """CPU seconds of the quickest of three calls."""
    found = []
    for _ in range(3):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return min(found)


def discharges(solver: InstrumentSolver, designs: Any) -> tuple[float, float]:
    """Single discharges a CPU second: of a model that is built once, and of one built anew each
    time; the same designs both ways."""
    settings = [dict(zip(WIDE.names, row, strict=True)) for row in designs[:COMPARED].tolist()]
    tasks = [solver.task(one) for one in settings if not solver.refusal(one)]
    tasks[0].run()  # builds the model once
    return rate(tasks, rebuilt=False), rate(tasks, rebuilt=True)


def rate(tasks: Sequence[Task], rebuilt: bool) -> float:
    """Discharges a CPU second."""
    from instruments.p2d import model as p2d

    began = time.process_time()
    for task in tasks:
        if rebuilt:
            p2d._built.cache_clear()
            p2d._solver.cache_clear()  # it belongs to the model that it solved first
        task.run()
    return len(tasks) / (time.process_time() - began)


if __name__ == "__main__":
    main()
