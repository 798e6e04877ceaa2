"""The figures of docs/standard_problems.md: `bo` beside Ax's own `Client` at equal budgets.

PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/standard_problems.py --seeds 20 --out FOLDER

Every run is one line of FOLDER/PROBLEM-SIDE.jsonl; runs that are there are not done again.
`--problem` and `--side` choose some of them, `--seeds 0` only prints the table of what is there.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from campaigns.campaign import Campaign, parse
from campaigns.options import build
from campaigns.records import Setting
from loop.optimizers.bo import BayesianOptimizer
from loop.optimizers.hypervolume import hypervolume
from tests.loop.test_bo import TAIL, Bench, branin, hartmann6

SIDES = ("bo", "ax")
START = 5  # settings drawn at random: the best of them is where a search is said to begin

Range = tuple[float, float]
Parameter = Range | range | tuple[str, ...]  # real, whole, or one of these texts
Truth = Callable[[Setting], dict[str, float]]


@dataclass(frozen=True)
class Problem:
    """A function whose best value is known; every metric is told exactly.

    Attributes:
        truth: the metrics at a setting. Those named f… are minimised, those named c… must be
            at most 0.
        best: the lowest f that keeps the constraints, or the hypervolume of the whole front.
        reference: what hypervolume is measured from, where there are several objectives.
    """

    title: str
    budget: int
    parameters: Mapping[str, Parameter]
    truth: Truth
    metrics: tuple[str, ...]
    best: float
    reference: tuple[float, ...] = ()

    @property
    def goals(self) -> list[str]:
        return [name for name in self.metrics if name.startswith("f")]

    @property
    def limited(self) -> list[str]:
        return [name for name in self.metrics if name.startswith("c")]

    def loss(self, settings: Sequence[Setting]) -> float:
        """How far the best of the settings, or all of them as a front, are from the best there is;
        infinite where one objective is asked for and none keeps the constraints."""
        told = [self.truth(setting) for setting in settings]
        kept = [one for one in told if all(one[name] <= 0.0 for name in self.limited)]
        if self.reference:
            values = np.array([[one[name] for name in self.goals] for one in kept])
            return self.best - hypervolume(-values, -np.array(self.reference))
        return min((one["f"] for one in kept), default=math.inf) - self.best


def disk(setting: Setting) -> dict[str, float]:
    """Branin inside a disk (Gelbart, Snoek & Adams 2014): one of its three minima is left."""
    x, y = (float(value) for value in setting.values())
    return {"f": branin(setting), "c": (x - 2.5) ** 2 + (y - 7.5) ** 2 - 50.0}


def gramacy(setting: Setting) -> dict[str, float]:
    """Gramacy et al. (2016): the minimum lies where c1 binds."""
    x, y = (float(value) for value in setting.values())
    wave = 0.5 * math.sin(2.0 * math.pi * (x * x - 2.0 * y))
    return {"f": x + y, "c1": 1.5 - x - 2.0 * y - wave, "c2": x * x + y * y - 1.5}


COLOURS = {"red": 0.9, "green": 0.3, "blue": 0.65, "grey": 0.05}


def mixed(setting: Setting) -> dict[str, float]:
    """Hartmann-6 whose fifth input has eleven levels and whose sixth hides behind four names."""
    last = {"x4": float(setting["x4"]) / 10.0, "x5": COLOURS[str(setting["x5"])]}
    return {"f": hartmann6({**setting, **last})}


def branin_currin(setting: Setting) -> dict[str, float]:
    """Belakaria, Deshwal & Doppa (2019) in the unit square, as BoTorch has it."""
    a, b = (float(value) for value in setting.values())
    top = 2300 * a**3 + 1900 * a**2 + 2092 * a + 60
    bottom = 100 * a**3 + 500 * a**2 + 4 * a + 20
    currin = (1.0 - math.exp(-0.5 / max(b, 1e-12))) * top / bottom
    return {"f1": branin({"x": 15.0 * a - 5.0, "y": 15.0 * b}), "f2": currin}


PLANE: Mapping[str, Parameter] = {"x": (-5.0, 10.0), "y": (0.0, 15.0)}
SQUARE: Mapping[str, Parameter] = {"x": (0.0, 1.0), "y": (0.0, 1.0)}
CUBE: Mapping[str, Parameter] = {f"x{i}": (0.0, 1.0) for i in range(6)}
LEVELS: Mapping[str, Parameter] = {**CUBE, "x4": range(11), "x5": tuple(COLOURS)}
LOWEST, DEEPEST, MIXED = 0.39788735772973816, -3.322368011415515, -3.31419481220182

PROBLEMS = {
    "branin": Problem("Branin", 25, PLANE, lambda s: {"f": branin(s)}, ("f",), LOWEST),
    "hartmann": Problem("Hartmann-6", 40, CUBE, lambda s: {"f": hartmann6(s)}, ("f",), DEEPEST),
    "disk": Problem("Branin in a disk", 25, PLANE, disk, ("f", "c"), LOWEST),
    "gramacy": Problem("Gramacy", 25, SQUARE, gramacy, ("f", "c1", "c2"), 0.5997880520),
    "mixed": Problem("Hartmann-6, mixed", 30, LEVELS, mixed, ("f",), MIXED),
    "front": Problem(
        "BraninCurrin", 25, SQUARE, branin_currin, ("f1", "f2"), 59.36011874867746, (18.0, 6.0)
    ),
}


# the two sides -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What one side did with its budget: settings in the order of evaluation, and its advice."""

    evaluated: list[Setting]
    advised: list[Setting]


def by_bo(problem: Problem, seed: int, options: Mapping[str, Any]) -> Asked:
    """Leyden's `bo`, one trial at a time."""
    optimizer = build(BayesianOptimizer, options, "optimizer.options")
    campaign = as_campaign(problem, seed)
    truth = {name: _metric(problem, name) for name in problem.metrics}
    bench = Bench(campaign, truth, sem=0.0).run(optimizer, problem.budget, 1)
    advice = optimizer.recommend(campaign, bench.history)
    evaluated = [trial.parameters for trial in bench.history.trials.values()]
    front = [setting for setting, _ in advice.front]
    return Asked(evaluated, front or [advice.parameters])


def _metric(problem: Problem, name: str) -> Callable[[Setting], float]:
    return lambda setting: problem.truth(setting)[name]


def as_campaign(problem: Problem, seed: int) -> Campaign:
    """The problem as a campaign file."""
    rows = [f'name = "standard"\nseed = {seed}\n[space.parameters]']
    for name, values in problem.parameters.items():
        if isinstance(values, range):
            rows.append(f"{name} = {{ low = {values[0]}, high = {values[-1]}, integer = true }}")
        elif isinstance(values[0], str):
            rows.append(f"{name} = {{ choices = {json.dumps(values)} }}")
        else:
            rows.append(f"{name} = {{ low = {values[0]}, high = {values[1]} }}")
    rows += [f'[[objectives]]\nmetric = "{name}"\ngoal = "minimize"' for name in problem.goals]
    rows += [f'[[constraints]]\nmetric = "{name}"\nat_most = 0.0' for name in problem.limited]
    return parse("\n".join(rows) + TAIL.format(replicates=1, among="tried"))


def by_ax(problem: Problem, seed: int, options: Mapping[str, Any]) -> Asked:
    """Ax's Client with its default strategy, one trial at a time."""
    from ax.api.client import Client

    client = Client(random_seed=seed)
    client.configure_experiment(parameters=as_ax(problem), name="standard")
    client.configure_optimization(
        objective=", ".join(f"-{name}" for name in problem.goals),
        outcome_constraints=[f"{name} <= 0" for name in problem.limited] or None,
    )
    client.configure_generation_strategy(**{"initialization_random_seed": seed, **options})
    evaluated: list[Setting] = []
    while len(evaluated) < problem.budget:
        for number, asked in client.get_next_trials(max_trials=1).items():
            evaluated.append({name: asked[name] for name in problem.parameters})
            told = {name: (value, 0.0) for name, value in problem.truth(evaluated[-1]).items()}
            client.complete_trial(trial_index=number, raw_data=told)
    if problem.reference:
        found = [one[0] for one in client.get_pareto_frontier()]
    else:
        found = [client.get_best_parameterization()[0]]
    return Asked(evaluated, [{name: one[name] for name in problem.parameters} for one in found])


def as_ax(problem: Problem) -> list[Any]:
    """The parameters as Ax's configurations."""
    from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

    found: list[Any] = []
    for name, values in problem.parameters.items():
        if isinstance(values, range):
            found.append(RangeParameterConfig(name, (values[0], values[-1]), "int"))
        elif isinstance(values[0], str):
            found.append(ChoiceParameterConfig(name, list(values), "str", is_ordered=False))
        else:
            found.append(RangeParameterConfig(name, values, "float"))
    return found


# runs and their records --------------------------------------------------------------------------


def measured(name: str, side: str, seed: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """One run as a record: losses after each evaluation and of the advice, and CPU seconds."""
    problem = PROBLEMS[name]
    began = time.process_time()
    asked = (by_bo if side == "bo" else by_ax)(problem, seed, options)
    spent = time.process_time() - began
    trace = [problem.loss(asked.evaluated[: n + 1]) for n in range(len(asked.evaluated))]
    return {
        "seed": seed,
        "loss": trace[-1],
        "advised": problem.loss(asked.advised),
        "trace": [round(one, 9) for one in trace],
        "cpu_s": round(spent, 1),
    }


def records(folder: Path, name: str, side: str) -> list[dict[str, Any]]:
    """What has been recorded of one side on one problem."""
    path = folder / f"{name}-{side}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def run(folder: Path, work: Sequence[tuple[str, str, int]], options: Mapping[str, Any]) -> None:
    """Do what is not recorded yet."""
    import torch

    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    folder.mkdir(parents=True, exist_ok=True)
    for name, side, seed in work:
        if any(record["seed"] == seed for record in records(folder, name, side)):
            continue
        record = measured(name, side, seed, options)
        with (folder / f"{name}-{side}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


# the table ---------------------------------------------------------------------------------------


def level(problem: Problem) -> float:
    """The loss where a search begins: the median, over 2,000 draws, of the best of five random
    settings that keep the constraints. With several objectives that of nothing at all."""
    if problem.reference:
        return problem.best
    draws = as_campaign(problem, 0).space.sample(20 * START * 1000, np.random.default_rng(0))
    losses = np.array([problem.loss([setting]) for setting in draws])
    kept = losses[np.isfinite(losses)][: START * 2000]
    return float(np.median(kept.reshape(-1, START).min(axis=1)))


def interval(shares: Mapping[str, np.ndarray[Any, Any]]) -> tuple[float, float]:
    """The middle 95 % of the ratio of mean shares over 10,000 bootstrap samples of the seeds."""
    rng = np.random.default_rng(0)
    means = {
        side: one[rng.integers(len(one), size=(10_000, len(one)))].mean(axis=1)
        for side, one in shares.items()
    }
    low, high = np.quantile(means["bo"] / means["ax"], [0.025, 0.975])
    return float(low), float(high)


def rows(folder: Path, name: str) -> Iterator[str]:
    """One row for each side that has been recorded."""
    problem = PROBLEMS[name]
    begin = level(problem)
    found = {side: records(folder, name, side) for side in SIDES}
    shares = {
        side: np.array([max(0.0, 1.0 - record["loss"] / begin) for record in found[side]])
        for side in SIDES
    }
    for side in SIDES:
        if not found[side]:
            continue
        losses = np.array([record["loss"] for record in found[side]])
        advised = float(np.median([record["advised"] for record in found[side]]))
        low, middle, high = np.quantile(losses, [0.25, 0.5, 0.75])
        cells = [f"{problem.title}, {problem.budget}", side, str(len(losses)), f"{middle:.2g}"]
        cells += [f"{losses.mean():.2g}", f"{low:.2g} to {high:.2g}", f"{advised:.2g}"]
        reached = problem.best + (-1.0 if problem.reference else 1.0) * losses.mean()
        cells += [f"{reached:.3f}", f"{shares[side].mean():.3f}", ""]
        if side == "bo" and found["ax"]:
            least, most = interval(shares)
            ratio = shares["bo"].mean() / shares["ax"].mean()
            cells[-1] = f"{ratio:.3f} ({least:.3f} to {most:.3f})"
        cells.append(f"{np.mean([record['cpu_s'] for record in found[side]]):.0f}")
        yield "| " + " | ".join(cells) + " |"


def table(folder: Path, names: Sequence[str]) -> None:
    heads = ["problem, budget", "side", "seeds", "loss: median", "mean", "quartiles"]
    heads += ["advised: median", "mean value", "share", "ratio of shares", "CPU s a run"]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for name in names:
        for row in rows(folder, name):
            print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description="`bo` beside Ax's Client on standard problems.")
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--problem", choices=PROBLEMS, action="append")
    parser.add_argument("--side", choices=SIDES, action="append")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--options", type=json.loads, default={}, help="options of one side, JSON")
    chosen = parser.parse_args()
    names = chosen.problem or list(PROBLEMS)
    sides = chosen.side or list(SIDES)
    if chosen.options and len(sides) > 1:
        parser.error("--options: needs one --side, whose options they are")
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    work = [(name, side, seed) for seed in seeds for name in names for side in sides]
    run(chosen.out, work, chosen.options)
    table(chosen.out, names)


if __name__ == "__main__":
    main()
