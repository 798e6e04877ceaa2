"""The figures of docs/pso.md: the swarm against pyswarms' own GlobalBestPSO on three functions.

PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/pso.py [seeds]
"""

from __future__ import annotations

import heapq
import math
import statistics
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from campaigns.campaign import Campaign, parse
from campaigns.records import Observation, Purpose, TrialState
from loop.events import Ended, Observed, Proposed, ProposedTrial
from loop.history import History
from loop.optimizers.pso import ParticleSwarm
from loop.optimizers.pyswarms_fence import fenced

Floats = NDArray[np.float64]

DIMENSION, PARTICLES, ITERATIONS = 5, 10, 40
SWARM = ParticleSwarm(particles=PARTICLES)
TOML = """
name = "{name}"
seed = {seed}
[space.parameters]
{parameters}
[[objectives]]
metric = "loss"
goal = "minimize"
[optimizer]
kind = "pso"
[instrument]
kind = "table"
[budget]
trials = 400
"""


def sphere(x: Floats) -> Floats:
    return np.asarray((x**2).sum(axis=-1))


def rosenbrock(x: Floats) -> Floats:
    here, following = x[..., :-1], x[..., 1:]
    return np.asarray((100.0 * (following - here**2) ** 2 + (1.0 - here) ** 2).sum(axis=-1))


def rastrigin(x: Floats) -> Floats:
    return np.asarray((10.0 + x**2 - 10.0 * np.cos(2.0 * math.pi * x)).sum(axis=-1))


FUNCTIONS: dict[str, tuple[Callable[[Floats], Floats], float]] = {
    "sphere": (sphere, 5.12),
    "Rosenbrock": (rosenbrock, 2.048),
    "Rastrigin": (rastrigin, 5.12),
}


class Run:
    """One campaign of the swarm, on a history without a store."""

    def __init__(self, name: str, seed: int) -> None:
        self.function, half = FUNCTIONS[name]
        rows = [f"x{i} = {{ low = {-half}, high = {half} }}" for i in range(DIMENSION)]
        text = TOML.format(name=name.lower(), seed=seed, parameters="\n".join(rows))
        self.campaign: Campaign = parse(text)
        self.history = History(self.campaign.space.names)
        self.losses: list[float] = []

    def ask(self, n: int) -> list[int]:
        """Enter the swarm's next n trials; their numbers."""
        first = self.history.next_number
        rng = np.random.default_rng([self.campaign.seed, first])
        found = SWARM.propose(self.campaign, self.history, n, rng)
        trials = tuple(ProposedTrial(dict(p.parameters), p.author, dict(p.meta)) for p in found)
        seen = self.history.seen
        body = Proposed(0.0, seen, n, first, "pso", Purpose.SEARCH, trials)
        self.history.apply(seen + 1, body)
        return list(range(first, first + n))

    def measure(self, number: int) -> None:
        """Enter the loss of a trial."""
        setting = self.history.trial(number).parameters
        point = np.array([float(setting[name]) for name in self.campaign.space.names])
        self.losses.append(float(self.function(point)))
        told = Observation("loss", self.losses[-1], None, "1")
        self.history.apply(self.history.seen + 1, Observed(0.0, number, 1, told))
        over = Ended(0.0, number, 1, TrialState.COMPLETED, 1.0)
        self.history.apply(self.history.seen + 1, over)


def synchronous(name: str, seed: int) -> float:
    """Best loss where every iteration waits for all particles."""
    run = Run(name, seed)
    for _ in range(ITERATIONS):
        for number in run.ask(PARTICLES):
            run.measure(number)
    return min(run.losses)


def asynchronous(name: str, seed: int) -> float:
    """Best loss on ten channels, each refilled when it frees; durations vary by a factor of ten."""
    run = Run(name, seed)
    durations = np.random.default_rng([seed, 1])
    due: list[tuple[float, int]] = []

    def launch(n: int, now: float) -> None:
        for number in run.ask(n):
            heapq.heappush(due, (now + 10.0 ** durations.uniform(0.0, 1.0), number))

    launch(PARTICLES, 0.0)
    while due:
        now, number = heapq.heappop(due)
        run.measure(number)
        if run.history.next_number <= PARTICLES * ITERATIONS:
            launch(1, now)
    return min(run.losses)


def by_itself(name: str, seed: int) -> float:
    """Best loss of pyswarms with its own first positions and velocities, and its own draws."""
    function, half = FUNCTIONS[name]
    with fenced(seed):
        from pyswarms.single import GlobalBestPSO

        bounds = (np.full(DIMENSION, -half), np.full(DIMENSION, half))
        swarm = GlobalBestPSO(PARTICLES, DIMENSION, bounds=bounds, **shared())
        return float(swarm.optimize(function, ITERATIONS, verbose=False)[0])


def alike(name: str, seed: int) -> float:
    """Best loss of pyswarms from our first positions and velocities, with our draws: its generator
    is seeded when it asks for costs, right before it moves."""
    function, half = FUNCTIONS[name]
    positions, velocities = start(name, seed)
    firsts = [1 + PARTICLES * (i + 1) for i in range(ITERATIONS)]
    seeds = iter([int(np.random.default_rng([seed, f]).integers(2**32)) for f in firsts])

    def cost(x: Floats) -> Floats:
        np.random.seed(next(seeds))  # noqa: NPY002
        return function((2.0 * x - 1.0) * half)

    with fenced(seed):
        from pyswarms.single import GlobalBestPSO

        cube = (np.zeros(DIMENSION), np.ones(DIMENSION))
        swarm = GlobalBestPSO(PARTICLES, DIMENSION, bounds=cube, init_pos=positions, **shared())
        swarm.swarm.velocity = velocities
        return float(swarm.optimize(cost, ITERATIONS, verbose=False)[0])


def shared() -> dict[str, Any]:
    """Our options in pyswarms' words."""
    options = {"w": SWARM.inertia, "c1": SWARM.cognitive, "c2": SWARM.social}
    return {"options": options, "bh_strategy": SWARM.boundary}


def start(name: str, seed: int) -> tuple[Floats, Floats]:
    """Our first positions and velocities, in the unit cube."""
    run = Run(name, seed)
    trials = [run.history.trial(number) for number in run.ask(PARTICLES)]
    positions = run.campaign.space.encode([trial.parameters for trial in trials])
    return positions, np.array([trial.meta["velocity"] for trial in trials])


def compared(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    """Mean paired difference of log10 loss, and its upper 95 % bound (Student's t)."""
    difference = np.log10(ours) - np.log10(theirs)
    spread = difference.std(ddof=1) / math.sqrt(len(difference))
    return float(difference.mean()), float(
        difference.mean() + stats.t.ppf(0.95, len(difference) - 1) * spread
    )


def main(seeds: int) -> None:
    print("| function | swarm | median log10 loss | minus pyswarms by itself | minus alike |")
    print("|---|---|---|---|---|")
    for name in FUNCTIONS:
        own = [by_itself(name, seed) for seed in range(seeds)]
        same = [alike(name, seed) for seed in range(seeds)]
        for label, losses in (("pyswarms by itself", own), ("pyswarms alike", same)):
            print(f"| {name} | {label} | {statistics.median(np.log10(losses)):.2f} | | |")
        for label, drive in (("synchronous", synchronous), ("asynchronous", asynchronous)):
            losses = [drive(name, seed) for seed in range(seeds)]
            pairs = [compared(losses, other) for other in (own, same)]
            cells = [f"{mean:+.2f} (<= {bound:+.2f})" for mean, bound in pairs]
            median = statistics.median(np.log10(losses))
            print(f"| {name} | {label} | {median:.2f} | {' | '.join(cells)} |", flush=True)


def starts(seeds: int) -> None:
    """What our start and draws alone make of it: pyswarms alike against pyswarms by itself."""
    print(f"\n| function | pyswarms alike minus by itself, {seeds} seeds |\n|---|---|")
    for name in FUNCTIONS:
        own = [by_itself(name, seed) for seed in range(seeds)]
        same = [alike(name, seed) for seed in range(seeds)]
        print("| {} | {:+.2f} (<= {:+.2f}) |".format(name, *compared(same, own)), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 30)
    starts(500)
