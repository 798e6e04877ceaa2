"""How far a what-if is from the truth: horizons replayed on one record, and really simulated.

One campaign of 40 cells is simulated and recorded with early prediction at cycle 100. What-if tells
from its record what other horizons would have cost; then each is really simulated, with seeds of
its own. Prints one Markdown table: channel-days and lab-days, mean over the seeds.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from typing import Any

from campaigns.campaign import parse
from loop.launch import create, engine
from loop.restoring import restore
from loop.store.store import Store
from loop.whatif import compare
from loop.whatif_stage import Question, stage

EARLY = ("20", "50", "100", "adaptive", "none")
CAMPAIGN = """\
name = "charging"
seed = 3
[space.parameters]
cc1 = { choices = [3.6, 4.8, 6.0, 8.0], unit = "1/h" }
cc2 = { choices = [3.6, 4.8, 6.0], unit = "1/h" }
cc3 = { choices = [3.6, 4.8, 5.6], unit = "1/h" }
[space.derived.cc4]
expression = "0.2/(1/6 - (0.2/cc1 + 0.2/cc2 + 0.2/cc3))"
low = 0.1
high = 4.81
unit = "1/h"
[[objectives]]
metric = "cycle_life"
goal = "maximize"
[optimizer]
kind = "random"
replicates = 3
[instrument]
kind = "cycler.simulated"
channels = 5
[early_prediction]
model = "variance"
at_cycle = 100
run_on = 0.3
training = { simulate = 10 }
[budget]
trials = 40
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    seeds = parser.parse_args().seeds
    replayed = _replayed(seeds)
    print("| tests end at | what-if, channel-days | simulated | what-if, lab-days | simulated |")
    print("|---|---|---|---|---|")
    for early in EARLY:
        real = [_simulated(_changes(early, seed)) for seed in range(100, 100 + seeds)]
        channel, lab = (math.fsum(column) / seeds for column in zip(*real, strict=True))
        told = replayed[early]
        print(
            f"| {early} | {told[0]:.0f} | {channel:.0f} | {told[1]:.0f} | {lab:.0f} |", flush=True
        )


def _replayed(seeds: int) -> dict[str, tuple[float, float]]:
    """Channel-days and lab-days that the record of one campaign tells, by horizon."""
    with Store.open("sqlite://") as store:
        name = _ran(store, {})
        question = Question(("random",), (5,), EARLY, seeds)
        *_, last = compare(stage(store, name, question), question, workers=1)
    return {row.case.early: (row.channel_days, row.lab_days) for row in last.rows()}


def _changes(early: str, seed: int) -> dict[str, Any]:
    if early == "none":
        return {"seed": seed, "early_prediction": None}
    at_cycle = int(early) if early.isdigit() else early
    return {"seed": seed, "early_prediction.at_cycle": at_cycle}


def _simulated(changes: Mapping[str, Any]) -> tuple[float, float]:
    with Store.open("sqlite://") as store:
        cost = restore(store, _ran(store, changes)).cost
    return (cost.instrument_hours + cost.training_hours) / 24.0, cost.lab_days


def _ran(store: Store, changes: Mapping[str, Any]) -> str:
    name = create(store, parse(CAMPAIGN, {}, changes))
    with engine(store, name) as runner:
        runner.run()
    return name


if __name__ == "__main__":
    main()
