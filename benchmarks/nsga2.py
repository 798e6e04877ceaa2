"""The figures of docs/nsga2.md: hypervolume of `nsga2` against random search and pymoo's NSGA2.

PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/nsga2.py [seeds] [population]
"""

from __future__ import annotations

import heapq
import math
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from campaigns.campaign import Campaign, parse
from campaigns.records import Observation, Purpose, TrialState
from loop.events import Ended, Observed, Proposed, ProposedTrial
from loop.history import History
from loop.optimizers import registry
from loop.optimizers.hypervolume import hypervolume

Floats = NDArray[np.float64]

CHANNELS = 8
TOML = """
name = "{name}"
seed = {seed}
[space.parameters]
{parameters}
[[objectives]]
metric = "f1"
goal = "minimize"
[[objectives]]
metric = "f2"
goal = "minimize"
[optimizer]
kind = "{kind}"
[instrument]
kind = "table"
[budget]
trials = 10000
"""


def zdt1(x: Floats) -> Floats:
    """Zitzler, Deb & Thiele (2000); n x d in the unit cube to n x 2, both minimised."""
    g = 1.0 + 9.0 * x[:, 1:].mean(axis=1)
    return np.stack([x[:, 0], g * (1.0 - np.sqrt(x[:, 0] / g))], axis=1)


def branin_currin(x: Floats) -> Floats:
    """Belakaria, Deshwal & Doppa (2019), as BoTorch has it; n x 2 to n x 2, both minimised."""
    u, v = 15.0 * x[:, 0] - 5.0, 15.0 * x[:, 1]
    branin = (v - 5.1 / (4 * math.pi**2) * u**2 + 5.0 / math.pi * u - 6.0) ** 2
    branin += 10.0 * (1.0 - 1.0 / (8.0 * math.pi)) * np.cos(u) + 10.0
    a, b = x[:, 0], np.maximum(x[:, 1], 1e-12)
    currin = (1.0 - np.exp(-0.5 / b)) * (2300 * a**3 + 1900 * a**2 + 2092 * a + 60)
    currin /= 100 * a**3 + 500 * a**2 + 4 * a + 20
    return np.stack([branin, currin], axis=1)


@dataclass(frozen=True)
class Task:
    """A problem of two objectives; `best` is the hypervolume of its whole front."""

    function: Callable[[Floats], Floats]
    dimension: int
    reference: tuple[float, float]
    best: float
    evaluations: tuple[int, ...]

    def share(self, values: Floats) -> float:
        """Hypervolume of minimised values (n x 2) as a share of the best one."""
        return hypervolume(-values, -np.array(self.reference)) / self.best


TASKS = {
    "ZDT1, d = 6": Task(zdt1, 6, (1.1, 1.1), 0.11 + 0.1 + 2.0 / 3.0, (100, 200, 400, 800)),
    "BraninCurrin": Task(branin_currin, 2, (18.0, 6.0), 59.36011874867746, (40, 60, 100, 200)),
}


class Run:
    """One campaign on a history without a store."""

    def __init__(self, task: Task, seed: int, kind: str, **options: Any) -> None:
        self.task = task
        rows = [f"x{i} = {{ low = 0.0, high = 1.0 }}" for i in range(task.dimension)]
        text = TOML.format(name="front", seed=seed, parameters="\n".join(rows), kind=kind)
        self.campaign: Campaign = parse(text)
        self.optimizer = registry.create(kind, options)
        self.history = History(self.campaign.space.names)
        self.values: list[Floats] = []

    def ask(self, n: int) -> list[int]:
        """Enter the next n trials; their numbers."""
        first = self.history.next_number
        rng = np.random.default_rng([self.campaign.seed, first])
        found = self.optimizer.propose(self.campaign, self.history, n, rng)
        trials = tuple(ProposedTrial(dict(p.parameters), p.author, dict(p.meta)) for p in found)
        seen = self.history.seen
        self.history.apply(seen + 1, Proposed(0.0, seen, n, first, "x", Purpose.SEARCH, trials))
        return list(range(first, first + n))

    def measure(self, number: int) -> None:
        """Enter both objectives of a trial."""
        point = self.campaign.space.encode([self.history.trial(number).parameters])
        self.values.append(self.task.function(point)[0])
        for metric, value in zip(("f1", "f2"), self.values[-1].tolist(), strict=True):
            told = Observation(metric, value, None, "1")
            self.history.apply(self.history.seen + 1, Observed(0.0, number, 1, told))
        over = Ended(0.0, number, 1, TrialState.COMPLETED, 1.0)
        self.history.apply(self.history.seen + 1, over)


def synchronous(task: Task, seed: int, size: int, kind: str = "nsga2") -> Floats:
    """Objectives in the order of evaluation, where every generation waits for all its trials."""
    options = {"population": size} if kind == "nsga2" else {}
    run = Run(task, seed, kind, **options)
    while len(run.values) < max(task.evaluations):
        for number in run.ask(size):
            run.measure(number)
    return np.array(run.values)


def asynchronous(task: Task, seed: int, size: int) -> Floats:
    """Eight channels, each refilled when it frees; durations vary by a factor of ten."""
    run = Run(task, seed, "nsga2", population=size)
    durations = np.random.default_rng([seed, 1])
    due = [(float(10.0 ** durations.uniform(0.0, 1.0)), i) for i in run.ask(CHANNELS)]
    heapq.heapify(due)
    while len(run.values) < max(task.evaluations):
        now, number = heapq.heappop(due)
        run.measure(number)
        (following,) = run.ask(1)
        heapq.heappush(due, (now + 10.0 ** durations.uniform(0.0, 1.0), following))
    return np.array(run.values)


def by_pymoo(task: Task, seed: int, size: int) -> Floats:
    """pymoo's own NSGA2 with its default operators and its own random start."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.optimize import minimize

    values: list[Floats] = []

    class Recorded(Problem):
        def _evaluate(self, x: Floats, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            out["F"] = task.function(x)
            values.extend(out["F"])

    problem = Recorded(n_var=task.dimension, n_obj=2, xl=0.0, xu=1.0)
    limit = ("n_eval", max(task.evaluations))
    minimize(problem, NSGA2(pop_size=size), limit, seed=seed + 1, verbose=False)
    return np.array(values)


METHODS: dict[str, Callable[[Task, int, int], Floats]] = {
    "random": lambda task, seed, size: synchronous(task, seed, size, "random"),
    "pymoo's `NSGA2`": by_pymoo,
    "`nsga2`, in rounds": synchronous,
    "`nsga2`, 8 channels": asynchronous,
}


def main(seeds: int, size: int) -> None:
    for name, task in TASKS.items():
        print(f"\n| {name} | " + " | ".join(map(str, task.evaluations)) + " |")
        print("|---|" + "---|" * len(task.evaluations))
        for label, method in METHODS.items():
            runs = [method(task, seed, size) for seed in range(seeds)]
            cells = []
            for n in task.evaluations:
                shares = [task.share(run[:n]) for run in runs]
                error = statistics.stdev(shares) / math.sqrt(seeds)
                cells.append(f"{statistics.fmean(shares):.3f} ± {error:.3f}")
            print(f"| {label} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    main(*(given + [10, 12][len(given) :]))
