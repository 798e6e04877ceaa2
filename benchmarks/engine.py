"""What the engine and the store cost a trial: `random` on a table, SQLite, one channel.

python benchmarks/engine.py [--trials 1000] [--repeats 5] [--long 10000]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from time import perf_counter

from campaigns.campaign import Campaign, parse
from loop.events import Ended, Event
from loop.launch import create, engine
from loop.state import CampaignState
from loop.store.store import Store

CAMPAIGN = """\
name = "engine"
[space.parameters]
a = { choices = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] }
b = { choices = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13] }
[[objectives]]
metric = "value"
[optimizer]
kind = "random"
replicates = 1000000
[instrument]
kind = "table"
[instrument.options]
file = "table.csv"
parameters = { a = "a", b = "b" }
metrics = { value = { column = "value", noise_sd = 5.0 } }
[budget]
trials = 1000
"""
TABLE = "a,b,value\n" + "".join(f"{a},{b},{a * b}\n" for a in range(16) for b in range(14))


def campaign(trials: int) -> Campaign:
    return parse(CAMPAIGN, {"table.csv": TABLE.encode()}, {"budget.trials": trials})


def run(trials: int) -> tuple[float, list[float]]:
    """Engine seconds of one campaign, and the wall seconds between ends of trials."""
    ends: list[float] = []

    def listen(events: Sequence[Event], state: CampaignState) -> None:
        if any(isinstance(event.body, Ended) for event in events):
            ends.append(perf_counter())

    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(f"sqlite:///{Path(folder) / 'engine.db'}") as store,
    ):
        campaign_id = create(store, campaign(trials))
        with engine(store, campaign_id, listener=listen) as runner:
            runner.run()
            seconds = runner.watch.engine
    return seconds, [later - sooner for sooner, later in pairwise(ends)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--long", type=int, default=10_000)
    given = parser.parse_args()
    costs = [1000 * run(given.trials)[0] / given.trials for _ in range(given.repeats)]
    each = ", ".join(f"{cost:.2f}" for cost in costs)
    print(f"engine ms a trial over {given.trials} trials: {each}; median "
          f"{statistics.median(costs):.2f}")  # fmt: skip
    seconds, gaps = run(given.long)
    tenth = given.long // 10
    first, last = statistics.median(gaps[:tenth]), statistics.median(gaps[-tenth:])
    print(f"{given.long} trials: {1000 * seconds / given.long:.2f} ms a trial; median of the last "
          f"tenth to that of the first: {last / first:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
