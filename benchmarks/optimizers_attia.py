"""Optimisers on the simulated lives of Attia et al. 2020, and on other tables of the same form.

A light loop without engine, store and clock, for tuning. `leyden bench` is the judge.

    OMP_NUM_THREADS=1 python benchmarks/optimizers_attia.py FOLDER/policies_lifetimes_sim.csv
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from campaigns.campaign import Campaign, parse
from campaigns.records import Observation, Purpose, TrialState
from loop.events import Ended, Observed, Proposed, ProposedTrial
from loop.history import History
from loop.optimizers.base import Optimizer
from loop.optimizers.registry import create

ATTIA = {
    "prior_mean": 947.0, "prior_sd": 164.0, "noise_sd": 164.0, "kernel": "gaussian",
    "length_scale": math.sqrt(0.5), "coordinates": "raw",
}  # fmt: skip
OPTIMIZERS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "random": ("random", {}),
    "random, posterior mean": ("random", {"recommend_by": "posterior_mean"}),
    "sobol": ("sobol", {}),
    "bayes_gap, Attia": ("bayes_gap", {**ATTIA, "decimals": 4}),
    "bayes_gap": ("bayes_gap", {}),
    "gp_ucb, Attia": ("gp_ucb", ATTIA),
    "gp_ucb": ("gp_ucb", {}),
}
PLANS = {48: 4, 8: 4, 1: 10}  # channels: rounds


@dataclass(frozen=True)
class Table:
    """A table of candidates (n x d) with true values (n,), observed with a noise sd."""

    name: str
    x: np.ndarray
    value: np.ndarray
    noise_sd: float
    goal: str = "maximize"

    def campaign(self, kind: str, channels: int, replicates: int) -> Campaign:
        """The campaign over the table."""
        columns = [f"x{i}" for i in range(self.x.shape[1])]
        rows = "\n".join(",".join(repr(float(v)) for v in row) for row in self.x)
        text = f"""
name = "bench"
seed = 0
[space]
candidates = {{ file = "table.csv", columns = {columns} }}
[[objectives]]
metric = "value"
goal = "{self.goal}"
[optimizer]
kind = "{kind}"
rounds = {str(channels > 1).lower()}
replicates = {replicates}
[instrument]
kind = "table"
channels = {channels}
[budget]
trials = 1000
"""
        return parse(text, {"table.csv": f"{','.join(columns)}\n{rows}\n".encode()})


def attia(path: Path) -> Table:
    """The authors' simulated lives over the 224 protocols, best 1208, mean 888."""
    rows = np.loadtxt(path, delimiter=",")
    return Table("attia", rows[:, :3], rows[:, -1], 164.0)


def quadratic(dimension: int, goal: str) -> Table:
    """A tilted quadratic bowl with values of sd 1 over 200 random points."""
    rng = np.random.default_rng([dimension, 5])
    x = rng.uniform(size=(200, dimension))
    basis = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0]
    centred = (x - rng.uniform(0.25, 0.75, dimension)) @ basis
    value = -(centred**2 * np.geomspace(1.0, 4.0, dimension)).sum(1)
    value = (value - value.mean()) / value.std()
    return Table(f"quadratic {dimension}d", x, value if goal == "maximize" else -value, 1.0, goal)


def others(base: Table) -> list[Table]:
    """Tables that the defaults must do well on, too."""
    return [
        replace(base, name="noise 50", noise_sd=50.0),
        replace(base, name="noise 300", noise_sd=300.0),
        replace(base, name="scaled", value=base.value * 1e-3 - 40.0, noise_sd=0.164),
        replace(base, name="minimised", value=-base.value, goal="minimize"),
        quadratic(2, "maximize"),
        quadratic(3, "minimize"),
        quadratic(5, "maximize"),
    ]


def play(
    table: Table, campaign: Campaign, optimizer: Optimizer, rounds: int, seed: int
) -> list[float]:
    """True value of the recommended setting after each round."""
    campaign = replace(campaign, seed=seed)
    channels = campaign.instrument.channels
    place = {campaign.space.key(s): i for i, s in enumerate(campaign.space.candidates)}
    noise = np.random.default_rng([seed, 0, 1])  # the proposals draw from [seed, first]
    history = History(campaign.space.names)
    values = []
    for _ in range(rounds):
        first = history.next_number
        rng = np.random.default_rng([seed, first])
        proposals = optimizer.propose(campaign, history, channels, rng)
        trials = tuple(ProposedTrial(dict(p.parameters), p.author, dict(p.meta)) for p in proposals)
        seen = history.seen
        history.apply(seen + 1, Proposed(0.0, seen, channels, first, "", Purpose.SEARCH, trials))
        for number, proposal in enumerate(proposals, first):
            true = table.value[place[campaign.space.key(proposal.parameters)]]
            mean = float(true + table.noise_sd * noise.standard_normal())
            seen = history.seen
            observation = Observation("value", mean, table.noise_sd, "1")
            history.apply(seen + 1, Observed(0.0, number, 1, observation))
            history.apply(seen + 2, Ended(0.0, number, 1, TrialState.COMPLETED, 1.0))
        best = optimizer.recommend(campaign, history)
        values.append(float(table.value[place[campaign.space.key(best.parameters)]]))
    return values


def bench(table: Table, names: list[str], plans: list[int], seeds: int, replicates: int) -> None:
    """Print the mean true value (standard error) after each round."""
    best = table.value.max() if table.goal == "maximize" else table.value.min()
    print(f"{table.name}: best {best:.4g}, mean {table.value.mean():.4g}")
    for name in names:
        kind, options = OPTIMIZERS[name]
        optimizer = create(kind, options)
        for channels in plans:
            campaign = table.campaign(kind, channels, replicates)
            start = time.process_time()
            played = [play(table, campaign, optimizer, PLANS[channels], s) for s in range(seeds)]
            mean = np.mean(played, axis=0)
            error = np.std(played, axis=0, ddof=1) / math.sqrt(seeds)
            cells = "  ".join(f"{m:.5g} ({e:.2g})" for m, e in zip(mean, error, strict=True))
            spent = time.process_time() - start
            print(f"  {name:24}{channels:3} channels: {cells}   {spent:.1f} s", flush=True)


def main() -> None:
    """Read the arguments and run."""
    arguments = argparse.ArgumentParser(description=__doc__)
    data = os.environ.get("LEYDEN_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    table = Path(data) / "attia2020" / "policies_lifetimes_sim.csv"
    arguments.add_argument("table", type=Path, nargs="?", default=table)
    arguments.add_argument("--seeds", type=int, default=150)
    arguments.add_argument("--replicates", type=int, default=20)
    arguments.add_argument("--optimizer", action="append", choices=list(OPTIMIZERS))
    arguments.add_argument("--channels", action="append", type=int, choices=list(PLANS))
    arguments.add_argument("--others", action="store_true", help="other tables as well")
    given = arguments.parse_args()
    base = attia(given.table)
    for table in [base, *(others(base) if given.others else [])]:
        bench(
            table, given.optimizer or list(OPTIMIZERS), given.channels or list(PLANS),
            given.seeds, given.replicates,
        )  # fmt: skip


if __name__ == "__main__":
    main()
