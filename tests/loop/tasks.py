"""Small computations for the tests of execution; workers import them by name."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from campaigns.records import NOTHING
from instruments.base import Card, Clock, Job, JobState, Result, Scalar, SettingCard
from instruments.computed import ComputedInstrument
from instruments.computing import Payload, Task


def square(payload: Payload) -> Payload:
    """x squared."""
    return {"value": payload["x"] ** 2}


def noted(payload: Payload) -> Payload:
    """Note the process in a folder, wait there until `go` appears, tell x squared."""
    folder = Path(payload["folder"])
    (folder / f"{payload['x']}.{os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    return square({"x": payload["x"]})


def wrong(payload: Payload) -> Payload:
    """Fail as a computation does."""
    raise ValueError(f"no atoms left,\n  of {payload['x']}")


def unspeakable(payload: Payload) -> Payload:
    """An answer that JSON cannot hold."""
    return {"value": {1, 2}}


def fatal(payload: Payload) -> Payload:
    """Die as a segmentation fault makes a process die; count the deaths in a file."""
    with Path(payload["deaths"]).open("a") as deaths:
        deaths.write("x")
    if Path(payload["deaths"]).stat().st_size < payload["until"]:
        os.kill(os.getpid(), 11)
    return {"deaths": payload["until"]}


def leaving(payload: Payload) -> Payload:
    """Leave with an exit code and a last word."""
    sys.stderr.write("out of memory\n")
    sys.stderr.flush()
    os._exit(3)


def loud(payload: Payload) -> Payload:
    """Print, and look at standard input, as foreign programs do."""
    os.write(1, b"not an answer\n")
    sys.stdout.write("nor this\n")
    sys.stdout.flush()
    return {"read": sys.stdin.read()}


def parent(payload: Payload) -> Payload:
    """Start a process of its own, note both, and compute for ever."""
    child = subprocess.Popen(["sleep", "1000"])
    folder = Path(payload["folder"])
    (folder / str(os.getpid())).touch()
    (folder / str(child.pid)).touch()
    (folder / "ready").touch()
    while True:
        time.sleep(1)


def place(payload: Payload) -> Payload:
    """How many threads numerical libraries may use here, and whose process it is."""
    from threadpoolctl import threadpool_info

    return {"threads": [one["num_threads"] for one in threadpool_info()], "pid": os.getpid()}


def hill(payload: Payload) -> Payload:
    """A noisy hill over x with its top at 1; nothing stands left of -2. Notes its process where a
    `folder` is given, and waits there until `go` appears."""
    if payload.get("folder"):
        noted(payload)
    if payload["x"] < -2:
        raise ArithmeticError("the hill ends here")
    noise = np.random.default_rng(payload["seed"]).standard_normal()
    return {"value": 10 - (payload["x"] - 1) ** 2 + 0.1 * float(noise)}


class Hill(ComputedInstrument):
    """The hill as an instrument whose jobs are computed."""

    def __init__(self, card: Card, clock: Clock, folder: str) -> None:
        super().__init__(card, clock)
        self._folder = folder

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        card = Card(
            kind="hill",
            settings=(SettingCard("x", low=-3.0, high=3.0),),
            metrics={"value": "1"},
            channels=options["channels"],
            series=False,
            repeatable=True,
            abortable=True,
            simulated=True,
        )
        return cls(card, clock, options.get("folder", ""))

    def task(self, job: Job) -> Task:
        told = {"x": job.parameters["x"], "seed": list(job.seed), "folder": self._folder}
        return Task("tests.loop.tasks:hill", told)

    def seconds(self, job: Job) -> float:
        return 60.0 + 10.0 * float(job.parameters["x"])

    def result(self, answer: Payload) -> Result:
        return Result(JobState.FINISHED, {"value": Scalar(answer["value"], "1", 0.1)})
