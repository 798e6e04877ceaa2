"""The energy-power front of an electrode on the P2D model: which optimiser finds more of it.

    PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/electrode_design.py --out FOLDER --jobs 2
    PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/electrode_design.py --out FOLDER --jobs 2 \
        --surrogate p2d.surrogate --cost 30

    PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/electrode_design.py --out FOLDER \
        --surrogate p2d.surrogate --checked 1000

Every run is a whole campaign `electrode-design` in a store of its own in the folder; what is there
already is resumed or read. The second command adds `bo` with the surrogate as a cheaper fidelity,
the third `nsga2` on the surrogate alone, half of `--trials` settings of whose front are solved on
the P2D model in the end: only these count.
Hypervolumes are those of the P2D solves that give a tenth of their capacity and more, from 0 Wh/kg
and 0 W/kg, in units of 1000 (Wh/kg)(W/kg).
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from campaigns.records import Purpose
from loop import launch
from loop.optimizers.hypervolume import hypervolume
from loop.restoring import restore
from loop.state import CampaignState
from loop.store.store import Store

ENERGY, POWER, USED = "specific_energy_wh_kg", "specific_power_w_kg", "utilisation"
LEAST_USED = 0.1
UNIT = 1000.0
STAND_IN = "surrogate"


@dataclass(frozen=True)
class Run:
    """One campaign of one seed."""

    name: str
    seed: int
    trials: int
    folder: str
    surrogate: str = ""
    share: float = 0.0
    cost: float = 0.0
    checked: int = 0

    @property
    def url(self) -> str:
        return f"sqlite:///{Path(self.folder).resolve()}/{self.name}-{self.seed}.db"

    def overrides(self) -> dict[str, object]:
        """What differs from the shipped file."""
        changes: dict[str, object] = {"seed": self.seed, "execution.kind": "inline"}
        if not self.surrogate:
            return {**changes, "optimizer.kind": self.name, "budget.trials": self.trials}
        if self.checked:
            return {
                **changes,
                "optimizer.kind": "nsga2",
                "budget.trials": self.checked,
                "instrument.kind": "p2d.surrogate",
                "instrument.options.file": self.surrogate,
                "recommend.check": {"kind": "p2d", "most": self.trials},
            }
        fidelity = {
            "name": STAND_IN,
            "kind": "p2d.surrogate",
            "cost": self.share,
            "options": {"file": self.surrogate},
        }
        return {
            **changes,
            "fidelities": [fidelity],
            "budget.cost": self.cost,
            "budget.trials": 100_000,
        }


def finished(run: Run) -> tuple[Run, list[float], int]:
    """The run, its hypervolume after each P2D solve, and how many stand-in trials it took."""
    with Store.open(run.url) as store:
        known = [row.id for row in store.campaigns()]
        if not known:
            known = [launch.create(store, launch.read("electrode-design", run.overrides()))]
        with launch.engine(store, known[0]) as engine:
            engine.run()
        state = restore(store, known[0])
    stand_ins = sum(trial.fidelity == STAND_IN for trial in state.history.trials.values())
    if run.checked:
        return run, volumes(state, Purpose.CHECK), run.checked
    return run, volumes(state), stand_ins


def volumes(state: CampaignState, purpose: Purpose = Purpose.SEARCH) -> list[float]:
    """The hypervolume after each P2D solve of the search, or of the check behind it."""
    points: list[list[float]] = []
    found = []
    for trial in state.history.trials.values():
        if trial.purpose is not purpose or (trial.fidelity and purpose is Purpose.SEARCH):
            continue
        told = {metric: outcome.mean for metric, outcome in trial.outcomes.items()}
        if told.get(USED, 0.0) >= LEAST_USED:
            points.append([told[ENERGY], told[POWER]])
        found.append(hypervolume(np.array(points).reshape(-1, 2), np.zeros(2)) / UNIT)
    return found


def main() -> None:
    given = _arguments()
    Path(given.out).mkdir(parents=True, exist_ok=True)
    kinds = given.only or ["bo", "nsga2", "sobol"]
    runs = [Run(kind, s, given.trials, given.out) for kind in kinds for s in range(given.seeds)]
    file = str(Path(given.surrogate).resolve()) if given.surrogate else ""
    if given.checked:
        name, most = f"nsga2-surrogate-{given.checked}", given.trials // 2
        runs += [
            Run(name, s, most, given.out, file, checked=given.checked) for s in range(given.seeds)
        ]
    elif given.surrogate:
        name = f"bo-{given.share:g}-{given.cost:g}"
        runs = [
            Run(name, s, given.trials, given.out, file, given.share, given.cost)
            for s in range(given.seeds)
        ] + runs
    results: dict[str, dict[int, tuple[list[float], int]]] = {}
    with ProcessPoolExecutor(given.jobs, get_context("spawn")) as pool:
        for run, found, stand_ins in pool.map(finished, runs):
            results.setdefault(run.name, {})[run.seed] = (found, stand_ins)
            sys.stdout.write(
                f"{run.name} seed {run.seed}: {found[-1]:.1f} after {len(found)} P2D solves"
                + (f" and {stand_ins} stand-in trials" if stand_ins else "")
                + "\n"
            )
            sys.stdout.flush()
    sys.stdout.write(table(results, given.trials))


def table(results: dict[str, dict[int, tuple[list[float], int]]], trials: int) -> str:
    """Mean and standard error over the seeds at some numbers of P2D solves, and paired gaps."""
    marks = [n for n in (10, 15, 20, 25, 30, 40, 50, 60) if n <= trials]
    lines = ["", "| optimiser | " + " | ".join(map(str, marks)) + " | at its end |"]
    lines.append("|---|" + "---|" * (len(marks) + 1))
    for name, seeds in results.items():
        cells = []
        for mark in marks:
            values = [found[mark - 1] for found, _ in seeds.values() if len(found) >= mark]
            cells.append(_spread(values) if len(values) == len(seeds) else "–")
        cells.append(_spread([found[-1] for found, _ in seeds.values()]))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines.append("")
    reference = results.get("bo")
    for name, seeds in results.items():
        if reference is None or name == "bo":
            continue
        gaps = [seeds[s][0][-1] - reference[s][0][-1] for s in seeds if s in reference]
        solves = np.mean([len(found) for found, _ in seeds.values()])
        wins = sum(gap >= 0 for gap in gaps)
        lines.append(
            f"{name} ({solves:.1f} P2D solves) minus bo ({trials}): {_spread(gaps)}, "
            f"not less in {wins} of {len(gaps)} seeds"
        )
    return "\n".join(lines) + "\n"


def _spread(values: list[float]) -> str:
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{np.mean(values):.1f} ± {error:.1f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="the folder of the stores")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=60, help="P2D solves of each campaign")
    parser.add_argument("--only", action="append", help="of bo, nsga2, sobol")
    parser.add_argument("--surrogate", default="", help="the file of a built surrogate")
    parser.add_argument("--share", type=float, default=0.25, help="cost of a stand-in trial")
    parser.add_argument("--cost", type=float, default=30.0, help="budget with the surrogate")
    parser.add_argument("--checked", type=int, default=0, help="trials on the surrogate alone")
    parser.add_argument("--jobs", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
