"""What an audit costs: campaigns of 1,000 trials verified, and the hash chain of a long journal.

Run from the root of the repository: python -m benchmarks.audit [--trials 1000] [--events 10000]
"""

from __future__ import annotations

import argparse
import time

from campaigns.campaign import Campaign, parse
from loop.events import Body, EngineStarted
from loop.launch import create, engine
from loop.replay import verify
from loop.store.chain import GENESIS, breaks, extend
from loop.store.journal import row_of
from loop.store.store import Store

OPTIMIZERS = ("random", "bayes_gap", "gp_ucb")
SIDES = 15, 15  # 225 candidates, as many as the fast-charging protocols that can be run

TEXT = """\
name = "hill"
seed = 11
[space]
candidates = {{ file = "hill.csv", columns = ["a", "b"] }}
[[objectives]]
metric = "value"
goal = "maximize"
[optimizer]
kind = "{optimizer}"
replicates = 50
[instrument]
kind = "table"
channels = {channels}
[instrument.options]
file = "hill.csv"
parameters = {{ a = "a", b = "b" }}
metrics = {{ value = {{ column = "value", noise_sd = 50.0 }} }}
hours = "hours"
[budget]
trials = {trials}
"""


def table() -> str:
    """A hill with ripples, and tests whose lengths differ, so that channels free one by one."""
    rows = ["a,b,value,hours"]
    for a in range(SIDES[0]):
        for b in range(SIDES[1]):
            value = 1000 - 3 * (a - 9) ** 2 - 2 * (b - 4) ** 2 + 5 * ((7 * a + 3 * b) % 11)
            rows.append(f"{a},{b},{value},{90 + (5 * a + 7 * b) % 13}")
    return "\n".join([*rows, ""])


def campaign(optimizer: str, trials: int, channels: int) -> Campaign:
    """A table of 225 candidates, measured with noise."""
    text = TEXT.format(optimizer=optimizer, trials=trials, channels=channels)
    return parse(text, {"hill.csv": table().encode()})


def verified(optimizer: str, trials: int, channels: int) -> None:
    """Run a campaign, then verify it; prints CPU seconds of both."""
    with Store.open("sqlite://") as store:
        name = create(store, campaign(optimizer, trials, channels))
        begun = time.process_time()
        with engine(store, name) as runner:
            runner.run()
        ran = time.process_time()
        verdict = verify(store, name)
        took, events = time.process_time() - ran, store.head(name)[0]
    if not verdict.ok:
        raise SystemExit(f"{optimizer}: {verdict.first_divergence}")
    print(
        f"{optimizer:10} {verdict.identical}/{verdict.proposals} proposals, {events} events, "
        f"{verdict.recommendations} recommendations: run {ran - begun:.1f} s, "
        f"verify {took:.2f} s = {1e3 * took / events:.2f} ms an event"
    )


def chain(events: int) -> None:
    """Link a journal and look for breaks in it; prints CPU seconds of the latter."""
    bodies: list[Body] = [EngineStarted("host", 1, n, {"python": "3.11"}) for n in range(events)]
    rows = [tuple(row_of(event).values()) for event in extend("hill-1", 0, GENESIS, bodies)]
    begun = time.process_time()
    found = list(breaks(rows))  # type: ignore[arg-type]
    took = time.process_time() - begun
    print(f"chain of {events} events: {took:.3f} s, {len(found)} breaks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--optimizers", nargs="+", default=OPTIMIZERS)
    chosen = parser.parse_args()
    chain(chosen.events)
    for optimizer in chosen.optimizers:
        verified(optimizer, chosen.trials, chosen.channels)


if __name__ == "__main__":
    main()
