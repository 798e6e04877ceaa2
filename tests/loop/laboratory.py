"""Small campaigns and the ways the loop's tests run, kill and compare them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from campaigns.campaign import Campaign, load, parse
from loop.events import EngineStarted, Event
from loop.launch import create, engine
from loop.store.store import Store

TABLE = "a,b,value,days,sd\n" + "".join(
    f"{a},{b},{100 - (a - 3) ** 2 - 2 * (b - 2) ** 2},{1 + (a * b) % 3},2.0\n"
    for a in range(6)
    for b in range(5)
)

CAMPAIGN = """\
name = "hill"
seed = 11

[space.parameters]
a = {{ choices = [0, 1, 2, 3, 4, 5] }}
b = {{ choices = [0, 1, 2, 3, 4] }}

[[objectives]]
metric = "value"
goal = "maximize"

[optimizer]
kind = "{optimizer}"
rounds = {rounds}
replicates = 4

[instrument]
kind = "table"
channels = {channels}

[instrument.options]
file = "hill.csv"
parameters = {{ a = "a", b = "b" }}
metrics = {{ value = {{ column = "value", noise_sd = 2.0 }} }}
hours = "{hours}"

[budget]
{budget}
"""

CYCLER = """\
name = "charging"
seed = 3

[space.parameters]
cc1 = {{ choices = [3.6, 4.8, 6.0, 8.0], unit = "1/h" }}
cc2 = {{ choices = [3.6, 4.8, 6.0], unit = "1/h" }}
cc3 = {{ choices = [3.6, 4.8, 5.6], unit = "1/h" }}
[space.derived.cc4]
expression = "0.2/(1/6 - (0.2/cc1 + 0.2/cc2 + 0.2/cc3))"
low = 0.1
high = 4.81
unit = "1/h"

[[objectives]]
metric = "cycle_life"
goal = "maximize"

[optimizer]
kind = "gp_ucb"
replicates = 3

[instrument]
kind = "cycler.simulated"
channels = 5
[instrument.options]
{options}

[early_prediction]
kind = "cycle_life"
model = "variance"
at_cycle = 100
run_on = 0.3
training = {{ simulate = 10 }}

[failures]
channel_fault = "retry:2"
data_gap = "retry:1"
early_death = "censored"

[budget]
trials = 14
"""


def hill(
    optimizer: str = "random",
    *,
    channels: int = 3,
    rounds: bool = False,
    budget: str = "trials = 12",
    hours: str = "days",
    overrides: Mapping[str, Any] | None = None,
) -> Campaign:
    """A table campaign with a known best setting: a = 3, b = 2, value 100."""
    text = CAMPAIGN.format(
        optimizer=optimizer,
        channels=channels,
        rounds=str(rounds).lower(),
        budget=budget,
        hours=hours,
    )
    return parse(text, {"hill.csv": TABLE.encode()}, overrides or {})


STAND_IN = """
[[fidelities]]
name = "coarse"
cost = 0.25
kind = "table"
channels = 2
[fidelities.options]
file = "coarse.csv"
parameters = { a = "a", b = "b" }
metrics = { value = { column = "value", noise_sd = 1.0 } }
hours = 0.5
"""

# what the coarse instrument tells: the same hill, seen from the side
COARSE = "a,b,value\n" + "".join(
    f"{a},{b},{97 + a - (a - 3) ** 2 - 2 * (b - 2) ** 2}\n" for a in range(6) for b in range(5)
)


def foothill(
    optimizer: str = "bo", budget: str = "cost = 6", overrides: Mapping[str, Any] | None = None
) -> Campaign:
    """The hill with a cheap stand-in that is a little off."""
    text = CAMPAIGN.format(
        optimizer=optimizer, channels=1, rounds="false", budget=budget, hours="days"
    )
    files = {"hill.csv": TABLE.encode(), "coarse.csv": COARSE.encode()}
    return parse(text + STAND_IN, files, overrides or {})


def charging(options: str = "", overrides: Mapping[str, Any] | None = None) -> Campaign:
    """A small fast-charging campaign with early prediction on the simulated cycler."""
    return parse(CYCLER.format(options=options), {}, overrides or {})


def run(store: Store, campaign: Campaign) -> str:
    """Run a campaign to its end; returns its id."""
    campaign_id = create(store, campaign)
    finish(store, campaign_id)
    return campaign_id


def coat_and_cycle(overrides: Mapping[str, Any] | None = None) -> Campaign:
    """The shipped campaign of two steps, searched at random: eight trials, four cycler channels."""
    small = {"optimizer.kind": "random", "budget.trials": 8, "steps.1.channels": 4}
    return load("coat-and-cycle", {**small, **(overrides or {})})


def finish(
    store: Store,
    campaign_id: str,
    changes: Mapping[str, Any] | None = None,
    *,
    patient: bool = True,
) -> None:
    """Resume a campaign and run it to its end, or to where only a person can help."""
    with engine(store, campaign_id, changes=changes, patient=patient) as runner:
        runner.run()


def journal(events: Sequence[Event]) -> list[tuple[str, dict[str, Any]]]:
    """The journal without engine starts, its numbers closed up: what must repeat bit for bit."""
    position = {0: 0}
    kept = []
    for event in events:
        starts = isinstance(event.body, EngineStarted)
        position[event.seq] = position[event.seq - 1] + (not starts)
        if not starts and event.kind != "created":
            payload = json.loads(event.payload)
            if "seen" in payload:
                payload["seen"] = position[payload["seen"]]
            kept.append((event.kind, payload))
    return kept


def spawn(path: Path, campaign_id: str) -> int:
    """Start an engine on a stored campaign in a process of its own; returns the pid."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        with Store.open(f"sqlite:///{path}") as store:
            finish(store, campaign_id)
        status = 0
    finally:
        os._exit(status)


def kill_after(pid: int, seconds: float) -> bool:
    """kill -9 after so many seconds; False when the process had ended by itself."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True
