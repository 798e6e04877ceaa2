"""The engine that is killed: opens the adapter it is told, submits, and polls for ever."""

from __future__ import annotations

import base64
import json
import sys
import time
from datetime import datetime
from typing import Any

from instruments.base import Busy, Instrument, InstrumentError, Job
from instruments.clock import RealClock, SimulatedClock
from instruments.conformance.target import adapter_of

LOOK_S = 0.1


def main() -> None:
    """Follows the orders on standard input, line by line; says each step on standard output."""
    order = json.loads(sys.stdin.readline())
    adapter = opened(order)
    say("opened")
    jobs = [job_of(told) for told in order["jobs"]]
    sys.stdin.readline()
    say("submitting")
    for job in jobs:
        submit(adapter, job)
    say("submitted")
    while True:
        for job in jobs:
            look(adapter, job.key)
        time.sleep(LOOK_S)


def opened(order: dict[str, Any]) -> Instrument:
    """The adapter of an order, on the clock that its class asks for."""
    cls = adapter_of(order["adapter"])
    files = {name: base64.b64decode(data) for name, data in order["files"].items()}
    return cls.open(order["options"], SimulatedClock() if cls.simulated else RealClock(), files)


def job_of(told: dict[str, Any]) -> Job:
    """A job as it was written into an order."""
    seed = (told["seed"][0], told["seed"][1], told["seed"][2])
    return Job(told["key"], told["parameters"], seed, datetime.fromisoformat(told["started_at"]))


def submit(adapter: Instrument, job: Job) -> None:
    """Once a channel is free."""
    while True:
        try:
            adapter.submit(job)
        except Busy:
            time.sleep(LOOK_S)
        else:
            return


def look(adapter: Instrument, key: str) -> None:
    """As an engine does, whose silence a device may notice."""
    try:
        adapter.poll(key)
    except InstrumentError:
        return


def say(word: str) -> None:
    """One step, at once."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
