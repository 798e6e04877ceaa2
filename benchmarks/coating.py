"""The figures of docs/mixture_design.md: designed experiments against `bo` and random search.

PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/coating.py [--seeds 30] [--jobs 2]

Every seed is a whole campaign `electrode-coating` on the simulated coater. Told is the noise-free
value of the setting recommended after so many trials, and how often it lies in the window that
Primo et al. 2021 found best for calendering.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
from scipy import stats

from campaigns.campaign import load
from campaigns.records import Setting
from loop.benchmark import Told
from loop.events import Recommended
from loop.launch import create, engine
from loop.store.store import Store
from loop.threads import before_imports

RIVALS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "bo": ("bo", {}),
    "I-optimal": ("mixture_design", {"criterion": "I"}),
    "D-optimal": ("mixture_design", {"criterion": "D"}),
    "space-filling": ("mixture_design", {"criterion": "space-filling"}),
    "random": ("random", {}),
}
CHECKPOINTS = (10, 20, 30, 40, 50, 60)
WINDOW = {"calender_c": (60.0, 75.0), "calender_pressure_mpa": (60.0, 120.0)}


@dataclass(frozen=True)
class Outcome:
    """One campaign: true values and settings recommended at the checkpoints (None: none yet), and
    whether the last one truly keeps the outcome constraints."""

    rival: str
    values: tuple[float | None, ...]
    settings: tuple[Setting | None, ...]
    kept: bool
    failed: int
    cpu_seconds: float


def run(task: tuple[str, int]) -> Outcome:
    """One campaign of a rival with a seed."""
    rival, seed = task
    began = time.process_time()
    kind, options = RIVALS[rival]
    changes = {"seed": seed, "optimizer.kind": kind, "optimizer.options": dict(options)}
    campaign = load("electrode-coating", changes)
    told: list[Told] = []

    def listen(events: Sequence[Any], state: Any) -> None:
        if any(isinstance(event.body, Recommended) for event in events):
            best = state.recommendation.parameters
            told.append(Told(state.ended, best, state.cost.instrument_hours))

    with Store.open("sqlite://") as store:
        identity = create(store, campaign)
        with engine(store, identity, listener=listen, growth=0.0) as runner:
            runner.run()
            settings = tuple(_latest(told, trials) for trials in CHECKPOINTS)
            known = [one for one in settings if one is not None]
            truths = iter(runner.lab.instruments[0].truth(known) or ())
            metric = campaign.objectives[0].metric
            found = [None if one is None else next(truths) for one in settings]
            values = tuple(None if one is None else one[metric] for one in found)
            last = found[-1]
            kept = last is not None and all(c.met(last[c.metric]) for c in campaign.constraints)
            failed = sum(t.failure is not None for t in runner.state.history.trials.values())
    return Outcome(rival, values, settings, kept, failed, time.process_time() - began)


def _latest(told: Sequence[Told], trials: int) -> Setting | None:
    """What was recommended once so many trials had ended."""
    return next((one.setting for one in reversed(told) if one.ended <= trials), None)


def inside(setting: Setting | None) -> bool:
    """Whether a setting lies in the known window."""
    return setting is not None and all(
        low <= float(setting[name]) <= high for name, (low, high) in WINDOW.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=list(RIVALS), choices=list(RIVALS))
    given = parser.parse_args()
    tasks = [(rival, seed) for rival in given.only for seed in range(given.seeds)]
    context = get_context("spawn")  # a forked child would share locks and torch's threads
    with ProcessPoolExecutor(given.jobs, context, before_imports) as pool:
        outcomes = list(pool.map(run, tasks))
    by_rival = {r: [one for one in outcomes if one.rival == r] for r in given.only}
    _progress(by_rival)
    _ends(by_rival)
    _pairs(by_rival)


def _progress(found: Mapping[str, list[Outcome]]) -> None:
    print(f"| rival | {' | '.join(f'{n} trials' for n in CHECKPOINTS)} |")
    print(f"|---{'|---' * len(CHECKPOINTS)}|")
    for rival, outcomes in found.items():
        cells = []
        for values in zip(*(one.values for one in outcomes), strict=True):
            known = [value for value in values if value is not None]
            sd = statistics.stdev(known) if len(known) > 1 else 0.0
            less = "" if len(known) == len(values) else f" ({len(known)} seeds)"
            cells.append(f"{statistics.fmean(known):.1f} ± {sd:.1f}{less}" if known else "none")
        print(f"| {rival} | {' | '.join(cells)} |")


def _ends(found: Mapping[str, list[Outcome]]) -> None:
    heads = "worst seed | in the window | porosity kept | failed trials | CPU seconds a seed"
    print(f"\n| rival | {heads} |")
    print("|---|---|---|---|---|---|")
    for rival, outcomes in found.items():
        worst = min((o.values[-1] for o in outcomes if o.values[-1] is not None), default=None)
        hits = sum(inside(one.settings[-1]) for one in outcomes)
        failed = statistics.fmean(one.failed for one in outcomes)
        cpu = statistics.fmean(one.cpu_seconds for one in outcomes)
        told = "none" if worst is None else f"{worst:.1f}"
        kept = sum(one.kept for one in outcomes)
        cells = [told, f"{hits} of {len(outcomes)}", f"{kept} of {len(outcomes)}"]
        print(f"| {rival} | {' | '.join(cells)} | {failed:.1f} | {cpu:.0f} |")


def _pairs(found: Mapping[str, list[Outcome]]) -> None:
    """The first rival minus each other at the end, paired by seed."""
    first, *others = found
    print(f"\n| {first} minus | mean difference | 95 % interval, paired bootstrap |")
    print("|---|---|---|")
    for other in others:
        pairs = zip(found[first], found[other], strict=True)
        ends = [(a.values[-1], b.values[-1]) for a, b in pairs]
        gaps = np.array([a - b for a, b in ends if a is not None and b is not None])
        if len(gaps) < 2:
            print(f"| {other} | too few seeds | |")
            continue
        spread = stats.bootstrap((gaps,), np.mean, rng=np.random.default_rng(0)).confidence_interval
        print(f"| {other} | {gaps.mean():+.1f} | {spread.low:+.1f} to {spread.high:+.1f} |")


if __name__ == "__main__":
    main()
