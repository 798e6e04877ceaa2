"""Inverse calibration of the slurry simulation: which optimiser finds a force field, how well.

    python benchmarks/slurry.py [--seeds 10] [--workers 2] [--keep results.jsonl]
    python benchmarks/slurry.py --scaling

A target is made with known parameters (the mean of 16 mid-fidelity runs), every optimiser
calibrates the six free parameters of the shipped campaign `slurry-calibration` against it, and
what it recommends is measured again on 4 fresh seeds outside the campaign. The floor is what the
true parameters themselves score. `--keep` writes every finished run, and goes on from there.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from campaigns.campaign import Campaign, load
from campaigns.records import TrialState
from campaigns.target import Target
from instruments.base import Job, JobState
from instruments.clock import SimulatedClock
from instruments.registry import open_instrument
from loop.launch import create, engine
from loop.store.store import Store
from loop.threads import before_imports

CAMPAIGN = "slurry-calibration"
TRUTH = {"kn": 1.3, "cn": 1.1, "mu": 0.05, "e_am": 0.3, "e_cb": 0.15, "s": 0.83}
TARGET_RUNS, FLOOR_RUNS, FRESH = 16, 48, 4
MADE, FLOOR, AGAIN = 1_000_001, 1_000_002, 1_000_003  # first seeds, apart from all campaigns'
BUDGETS = {"ml_pso": 30, "ml_pso (neural)": 30, "pso": 48, "random": 48}
OPTIONS = {"ml_pso (neural)": ("ml_pso", {"surrogate": "neural"})}
ASKED = {"ml_pso": 1.7, "pso": 3.0}
RESAMPLES = 20_000


@dataclass(frozen=True)
class Outcome:
    """One calibration: the loss of its recommendation on fresh seeds, and what it took."""

    method: str
    seed: int
    losses: list[float]
    expected: float
    trials: int
    failed: int
    confirmations: int
    cpu_s: float
    parameters: dict[str, float]

    @property
    def loss(self) -> float:
        return statistics.fmean(self.losses)


def measured(setting: Mapping[str, float], seeds: Sequence[tuple[int, int]]) -> list[dict]:
    """The metrics of a setting at mid fidelity, one run a seed; failed runs are left out."""
    clock = SimulatedClock()
    found = []
    for first, trial in seeds:
        with_options = {"fidelity": "mid", "channels": 1}
        device = open_instrument("cgmd", with_options, clock)
        job = Job(f"benchmark/{first}/{trial}", dict(setting), (first, trial, 1), clock.now())
        device.submit(job)
        clock.wait_until(device.poll(job.key).ask_at or clock.now())
        result = device.fetch(job.key)
        if result.state is JobState.FINISHED:
            found.append({name: one.value for name, one in result.scalars.items()})
        device.close()
    return found


def target_file(folder: Path) -> Path:
    """The target as the campaign reads it: means over runs at the true parameters."""
    runs = measured(TRUTH, [(MADE, i) for i in range(TARGET_RUNS)])
    path = folder / "target.csv"
    lines = ["metric,value,sd"]
    for name in runs[0]:
        if name.startswith(("density", "viscosity")):
            values = [run[name] for run in runs]
            error = statistics.stdev(values) / math.sqrt(len(values))
            lines.append(f"{name},{statistics.fmean(values):.6g},{error:.3g}")
    path.write_text("\n".join(lines) + "\n")
    return path


def campaign(target: Path, method: str, seed: int) -> Campaign:
    kind, options = OPTIONS.get(method, (method, {}))
    return load(
        CAMPAIGN,
        {
            "objectives.0.target.file": str(target),
            "optimizer.kind": kind,
            "optimizer.options": options,
            "budget.trials": BUDGETS[method],
            "execution.kind": "inline",
            "seed": seed,
        },
    )


def curve(target: Path) -> Target:
    found = campaign(target, "random", 0).objectives[0].curve
    assert found is not None
    return found


def cpu_seconds() -> float:
    """Of this process and the simulations it has waited for."""
    return sum(os.times()[:4])


def calibrate(target: Path, method: str, seed: int) -> Outcome:
    began = cpu_seconds()
    chosen = campaign(target, method, seed)
    with Store.open("sqlite://") as store:
        campaign_id = create(store, chosen)
        with engine(store, campaign_id) as runner:
            runner.run()
            state = runner.state
    best = state.recommendation
    assert best is not None
    again = measured(best.parameters, [(AGAIN + seed, i) for i in range(FRESH)])
    wanted = curve(target)
    trials = state.history.trials.values()
    return Outcome(
        method=method,
        seed=seed,
        losses=[wanted.discrepancy(run) for run in again] or [math.inf],
        expected=best.objectives["discrepancy"].mean,
        trials=sum(one.purpose == "search" for one in trials),
        failed=sum(one.state is TrialState.FAILED for one in trials),
        confirmations=sum(one.purpose == "confirm" for one in trials),
        cpu_s=cpu_seconds() - began,
        parameters={name: float(best.parameters[name]) for name in TRUTH},
    )


def outcomes(
    target: Path, methods: Sequence[str], seeds: int, workers: int, keep: Path | None
) -> list[Outcome]:
    """Every method at every seed; those kept from an earlier run are not run again."""
    found = list(_kept(keep))
    done = {(one.method, one.seed) for one in found}
    left = [(m, s) for s in range(seeds) for m in methods if (m, s) not in done]
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, before_imports) as pool:
        futures = [pool.submit(calibrate, target, method, seed) for method, seed in left]
        for future in as_completed(futures):
            found.append(future.result())
            if keep is not None:
                with keep.open("a") as file:
                    file.write(json.dumps(asdict(found[-1])) + "\n")
    order = {method: i for i, method in enumerate(methods)}
    wanted = [one for one in found if one.method in order and one.seed < seeds]
    return sorted(wanted, key=lambda one: (order[one.method], one.seed))


def _kept(keep: Path | None) -> Iterator[Outcome]:
    if keep is not None and keep.exists():
        for line in keep.read_text().splitlines():
            yield Outcome(**json.loads(line))


def floor(wanted: Target) -> list[float]:
    """What the true parameters score, run by run."""
    runs = measured(TRUTH, [(FLOOR, i) for i in range(FLOOR_RUNS)])
    return [wanted.discrepancy(run) for run in runs]


def upper(differences: Sequence[float]) -> float:
    """Upper 95 % bound of the mean of paired differences (percentile bootstrap)."""
    rng = np.random.default_rng(0)
    values = np.asarray(differences)
    means = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    return float(np.quantile(means, 0.95))


def told(found: Sequence[Outcome], level: float) -> None:
    methods = list(dict.fromkeys(one.method for one in found))
    table = {m: [one for one in found if one.method == m] for m in methods}
    print("\n| method | evaluations | re-measured loss, mean | / floor | asked | median | "
          "failed runs | re-measurements |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for method, rows in table.items():
        losses = [one.loss for one in rows]
        asked = f"<= {ASKED[method]}" if method in ASKED else ""
        print(f"| `{method}` | {rows[0].trials} | {statistics.fmean(losses):.4f} | "
              f"{statistics.fmean(losses) / level:.2f} | {asked} | "
              f"{statistics.median(losses):.4f} | {sum(one.failed for one in rows)} | "
              f"{statistics.fmean(one.confirmations for one in rows):.1f} |")  # fmt: skip
    print("\nEvery seed, re-measured loss:\n")
    print("| seed | " + " | ".join(methods) + " |\n|---|" + "---|" * len(methods))
    for rows in zip(*table.values(), strict=True):
        print(f"| {rows[0].seed} | " + " | ".join(f"{one.loss:.4f}" for one in rows) + " |")
    print("\nPaired bootstrap over the seeds, loss minus that of `random`:\n")
    for method in methods:
        if method != "random" and "random" in table:
            pairs = zip(table[method], table["random"], strict=True)
            gaps = [a.loss - b.loss for a, b in pairs]
            print(f"* `{method}`: mean {statistics.fmean(gaps):+.4f}, upper 95 % bound "
                  f"{upper(gaps):+.4f}")  # fmt: skip


def scaling(evaluations: int = 32) -> None:
    """Wall seconds of the same fast campaign with one worker and with two."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "target.csv"
        target.write_text("metric,value\ndensity_g_cm3,2.05\nviscosity_pa_s_at_100,0.35\n")
        for workers in (1, 2):
            chosen = load(
                CAMPAIGN,
                {
                    "objectives.0.target.file": str(target),
                    "optimizer.kind": "random",
                    "instrument.options.fidelity": "fast",
                    "recommend.confirm": 0,
                    "budget.trials": evaluations,
                    "execution.workers": workers,
                },
            )
            with Store.open("sqlite://") as store:
                campaign_id = create(store, chosen)
                began = time.perf_counter()
                with engine(store, campaign_id) as runner:
                    runner.run()
                seconds[workers] = time.perf_counter() - began
    print(f"{evaluations} fast evaluations: one worker {seconds[1]:.1f} s, two workers "
          f"{seconds[2]:.1f} s, ratio {seconds[2] / seconds[1]:.2f} (asked <= 0.65)")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--methods", nargs="*", default=["ml_pso", "pso", "random"])
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--scaling", action="store_true")
    given = parser.parse_args()
    if given.scaling:
        scaling()
        return
    with tempfile.TemporaryDirectory() as folder:
        target = target_file(Path(folder))
        print(target.read_text())
        wanted = curve(target)
        losses = floor(wanted)
        level = statistics.fmean(losses)
        print(f"floor: the true parameters score {level:.4f} on average over {len(losses)} runs "
              f"({min(losses):.3f} to {max(losses):.3f})")  # fmt: skip
        told(outcomes(target, given.methods, given.seeds, given.workers, given.keep), level)


if __name__ == "__main__":
    main()
