"""The figures of docs/bo.md: regret on two test functions, and CPU seconds a call.

PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/bo.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from campaigns.records import Setting
from loop.optimizers.base import Optimizer
from loop.optimizers.bo import BayesianOptimizer
from loop.optimizers.random import RandomSearch
from tests.loop.test_bo import PLANE, Bench, branin, campaign, hartmann6

CUBE = "[space.parameters]\n" + "".join(f"x{i} = {{ low = 0.0, high = 1.0 }}\n" for i in range(6))


def regret(
    space: str,
    function: Callable[[Setting], float],
    best: float,
    optimizer: Optimizer,
    plan: tuple[int, int],
    seed: int,
) -> float:
    """True value of the recommended setting above the minimum, after rounds of n evaluations."""
    bench = Bench(campaign(space, seed=seed), {"beta": function}, sem=0.0)
    bench.run(optimizer, *plan)  # type: ignore[arg-type]
    return function(optimizer.recommend(bench.campaign, bench.history).parameters) - best


def regrets() -> None:
    print("| function | budget | bo, seeds 1-3 | random, median of 20 |\n|---|---|---|---|")
    for name, space, function, best, plan in (
        ("Branin, one at a time", PLANE, branin, 0.397887, (24, 1)),
        ("Hartmann-6, batches of 3", CUBE, hartmann6, -3.32237, (15, 3)),
    ):
        found = [regret(space, function, best, BayesianOptimizer(), plan, s) for s in (1, 2, 3)]
        chance = [regret(space, function, best, RandomSearch(), plan, s) for s in range(20)]
        each = ", ".join(f"{value:.3f}" for value in found)
        print(f"| {name} | {plan[0] * plan[1]} | {each} | {statistics.median(chance):.2f} |")


def seconds(call: Callable[..., object], *arguments: object) -> float:
    began = time.process_time()
    call(*arguments)
    return time.process_time() - began


def costs() -> None:
    print("\n| past trials | propose 1 | propose 8 | recommend |\n|---|---|---|---|")
    optimizer = BayesianOptimizer()
    for past in (20, 100, 300):
        bench = Bench(campaign(CUBE), {"beta": hartmann6}, sem=0.05)
        bench.run(RandomSearch(), 1, past)  # type: ignore[arg-type]
        known, rng = (bench.campaign, bench.history), np.random.default_rng(0)
        one = seconds(optimizer.propose, *known, 1, rng)
        eight = seconds(optimizer.propose, *known, 8, rng)
        advice = seconds(optimizer.recommend, *known)
        print(f"| {past} | {one:.1f} | {eight:.1f} | {advice:.1f} |", flush=True)


if __name__ == "__main__":
    regrets()
    costs()
