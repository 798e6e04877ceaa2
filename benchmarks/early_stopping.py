"""What stopping early buys: adaptive stopping against fixed horizons on the simulated cycler.

    PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/early_stopping.py --seeds 100 --out FOLDER

Every run is a whole campaign `fast-charging` (eight channels, gp_ucb, 40 training cells, no cell
runs on), judged by the true life of the protocol it recommends after so many battery-hours; tests
under way count the hours that they have held a channel. The rule of 100 cycles runs `--trials`
tests, the others as long as `--share` of its hours lasts. Results are kept in the folder, one file
a run, and read again. Training cells cost every rule the same and are left out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop import derive, launch
from loop.engine import Engine
from loop.events import Ended, Event
from loop.state import CampaignState
from loop.station import true_values
from loop.store.store import Store

Array = NDArray[np.float64]

HOURS_PER_CYCLE = 0.96
CHANNELS = 8
BASE, ADAPTIVE = "100", "adaptive"
FIXED = ("25", "50", "75", BASE)
RESAMPLES = 2000


@dataclass(frozen=True)
class Run:
    """One campaign: a rule, a seed, and how long it lasts."""

    rule: str
    seed: int
    hours: float
    overrides: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        return f"{self.rule}-{self.seed}"

    def changes(self) -> dict[str, Any]:
        """What differs from the shipped file."""
        at_cycle = self.rule if self.rule == ADAPTIVE else int(self.rule)
        return {
            "seed": self.seed,
            "execution.kind": "inline",
            "early_prediction.at_cycle": at_cycle,
            "early_prediction.run_on": 0.0,
            "budget.trials": 100_000,
            "budget.instrument_hours": self.hours,
            **dict(self.overrides),
        }


def followed(run: Run) -> list[tuple[float, float]]:
    """Battery-hours and true life of the recommendation, after each test of the search."""
    points: list[tuple[float, float]] = []
    with TemporaryDirectory() as folder, Store.open(f"sqlite:///{folder}/store.db") as store:
        campaign = launch.create(store, launch.read("fast-charging", run.changes()))
        holder: list[Engine] = []

        def look(events: Sequence[Event], state: CampaignState) -> None:
            ends = [event.body.trial for event in events if isinstance(event.body, Ended)]
            if any(number in state.history.trials for number in ends):
                points.append((_spent(state), _truth(holder[0], state)))

        with launch.engine(store, campaign, listener=look) as engine:
            holder.append(engine)
            engine.run()
    return points


def _spent(state: CampaignState) -> float:
    held = sum(state.time - attempt.since for attempt in state.attempts.values())
    return state.cost.instrument_hours + held / 3600.0


def _truth(engine: Engine, state: CampaignState) -> float:
    body = derive.recommend(engine.lab.optimizer, state.campaign, state.history)
    if body is None:
        return float("nan")
    objective, setting = state.campaign.objectives[0], body.recommendation.parameters
    values = true_values(engine.lab.line(), objective, [setting])
    value = None if values is None else values[0]
    if value is None:
        raise RuntimeError("the simulated cycler knows the true life of every protocol")
    return value


def kept(run: Run, folder: str) -> tuple[Run, list[tuple[float, float]]]:
    """The run's points, from the folder where they are there already."""
    file = Path(folder) / f"{run.name}.json"
    if file.exists():
        return run, [tuple(point) for point in json.loads(file.read_text())]
    points = followed(run)
    file.write_text(json.dumps(points))
    return run, points


# judging -------------------------------------------------------------------------------------


def at_hours(points: list[tuple[float, float]], hours: float) -> float:
    """True life of what is recommended once so many hours are spent."""
    spent = np.array([point[0] for point in points])
    place = int(np.searchsorted(spent, hours + 1e-9, side="right")) - 1
    return points[max(place, 0)][1]


def curve(seeds: dict[int, list[tuple[float, float]]], hours: Array) -> Array:
    """seeds x hours."""
    return np.array([[at_hours(seeds[s], h) for h in hours] for s in sorted(seeds)])


def first_reaching(values: Array, hours: Array, level: float) -> float:
    """Hours at which the mean over the seeds reaches a level, for good; infinite if never."""
    below = np.flatnonzero(values.mean(axis=0) < level)
    if not len(below):
        return float(hours[0])
    return float(hours[below[-1] + 1]) if below[-1] + 1 < len(hours) else float("inf")


def report(results: dict[str, dict[int, list[tuple[float, float]]]], budget: float) -> None:
    hours = np.arange(96.0, budget + 1.0, 24.0)
    curves = {rule: curve(seeds, hours) for rule, seeds in results.items()}
    marks = [h for h in (384, 768, 1152, 1536, 1843, 2304, 3072) if h <= budget]
    say("| rule | " + " | ".join(f"{h} h" for h in marks) + " | tests | cycles a test |")
    say("|---|" + "---|" * (len(marks) + 2))
    for rule in curves:
        cells = [_mean(curve(results[rule], np.array([float(h)]))[:, 0]) for h in marks]
        tests = np.mean([len(p) for p in results[rule].values()])
        cycles = np.mean([p[-1][0] / len(p) for p in results[rule].values()]) / HOURS_PER_CYCLE
        say(f"| {rule} | " + " | ".join(cells) + f" | {tests:.0f} | {cycles:.0f} |")
    ends = np.array([at_hours(results[BASE][s], budget) for s in sorted(results[BASE])])
    for share in (0.5, 0.6, 0.75):
        there = curve(results[ADAPTIVE], np.array([share * budget]))[:, 0]
        loss = ends - there
        low, high = interval(lambda rows, loss=loss: float(loss[rows].mean()), len(loss))
        say(
            f"\nadaptive at {share:.0%} of the hours of {BASE}: loses {loss.mean():.1f} cycles "
            f"({low:.1f} to {high:.1f}) of true life against all of them ({len(loss)} seeds)"
        )
    for trials in (8, 16, 24, 32):
        _ratios(curves, hours, results, trials)


def _ratios(
    curves: dict[str, Array],
    hours: Array,
    results: dict[str, dict[int, list[tuple[float, float]]]],
    trials: int,
) -> None:
    """Hours of every rule to the mean true life that 100 cycles reach after so many tests."""
    spent = trials * 100 * HOURS_PER_CYCLE
    ends = curve(results[BASE], np.array([spent]))[:, 0]

    def needed(rows: NDArray[np.intp]) -> dict[str, float]:
        level = float(ends[rows].mean())
        return {rule: first_reaching(v[rows], hours, level) for rule, v in curves.items()}

    every = np.arange(len(ends))
    told = needed(every)
    say(
        f"\nafter {trials} tests of {BASE} cycles (true life {ends.mean():.1f}), hours to the same:"
    )
    say("  " + ", ".join(f"{rule}: {value:.0f}" for rule, value in told.items()))

    def to_base(rows: NDArray[np.intp]) -> float:
        return needed(rows)[ADAPTIVE] / spent

    def to_best(rows: NDArray[np.intp]) -> float:
        found = needed(rows)
        return found[ADAPTIVE] / min(found[rule] for rule in FIXED)

    for name, ratio in ((f"{BASE} cycles", to_base), ("the best fixed horizon", to_best)):
        low, high = interval(ratio, len(ends))
        say(f"  adaptive over {name}: {ratio(every):.2f} ({low:.2f} to {high:.2f})")


def interval(value: Callable[[NDArray[np.intp]], float], n: int) -> tuple[float, float]:
    """The middle 90 % over bootstrap samples of the seeds: its upper end is a 95 % bound."""
    rng = np.random.default_rng(0)
    found = [value(rng.integers(n, size=n)) for _ in range(RESAMPLES)]
    return float(np.quantile(found, 0.05)), float(np.quantile(found, 0.95))


def _mean(values: Array) -> str:
    return f"{values.mean():.0f} ± {values.std(ddof=1) / np.sqrt(len(values)):.1f}"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def runs(given: argparse.Namespace) -> Iterator[Run]:
    budget = given.trials * 100 * HOURS_PER_CYCLE
    for seed in range(given.first, given.first + given.seeds):
        for rule in (BASE, *given.rule):
            yield Run(rule, seed, budget if rule == BASE else given.share * budget)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="the folder of the results")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--trials", type=int, default=32, help="tests of the rule of 100 cycles")
    parser.add_argument("--share", type=float, default=0.8, help="of its hours for the others")
    parser.add_argument("--rule", action="append", help="25, 50, 75, adaptive")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    given.rule = given.rule or [rule for rule in (*FIXED, ADAPTIVE) if rule != BASE]
    Path(given.out).mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[int, list[tuple[float, float]]]] = {}
    with ProcessPoolExecutor(given.jobs, get_context("spawn")) as pool:
        for run, points in pool.map(kept, runs(given), itertools.repeat(given.out)):
            results.setdefault(run.rule, {})[run.seed] = points
    report(results, given.trials * 100 * HOURS_PER_CYCLE)


if __name__ == "__main__":
    main()
