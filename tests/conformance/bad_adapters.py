"""Adapters that each break one rule of the contract, as authors do."""

from __future__ import annotations

import math
import os
import threading
import time
from dataclasses import replace
from functools import partial
from itertools import count

from folder_coater import FolderCoater
from folder_coater_bench import CoaterPc, coater_pc

from instruments.adapter import Seen
from instruments.base import (
    Busy,
    Found,
    JobState,
    Receipt,
    Scalar,
    Status,
    Unreachable,
)
from instruments.conformance.bench import Bench


class OutboxPc(CoaterPc):
    """A coater PC that is sent its jobs through an outbox."""

    seconds = 0.0

    def __init__(self, *more):
        super().__init__(*more)
        (self.share / "outbox").mkdir()
        threading.Thread(target=self._deliver, daemon=True).start()

    def delay(self, seconds):
        self.seconds = seconds

    def restore(self):
        super().restore()
        self.seconds = 0.0

    def _deliver(self):
        while self.share.exists():
            for file in (self.share / "outbox").glob("*"):
                if time.time() - file.stat().st_mtime >= self.seconds:
                    os.replace(file, self.share / "jobs" / file.name)
            time.sleep(0.05)


def conformance() -> Bench:
    return Bench(
        options={"channels": 2},
        settings=[{"gap": 200.0, "speed": 0.5}, {"gap": 300.0, "speed": 1.0}],
        device=partial(coater_pc, 0.6),
        longest_s=10.0,
    )


class Good(FolderCoater):
    pass


class ChecksNothing(FolderCoater):
    def check(self, job):
        return []


class ForgivesALittle(FolderCoater):
    """Its own limits with a tolerance."""

    def check(self, job):
        told = super().check(job)
        return [one for one in told if not one.reason.startswith(("50 um", "500 um"))]


class ComparesOnly(FolderCoater):
    """NaN is neither below nor above anything."""

    def check(self, job):
        gap = job.parameters.get("gap", 0.0)
        if isinstance(gap, float) and math.isnan(gap):
            return []
        return super().check(job)


class ChecksAfterAsking(FolderCoater):
    def submit(self, job):
        self.find(job.key)
        return super().submit(job)


class FillsInTheLastSpeed(FolderCoater):
    def check(self, job):
        return super().check(replace(job, parameters={"speed": 0.5, **job.parameters}))

    def submit(self, job):
        return super().submit(replace(job, parameters={"speed": 0.5, **job.parameters}))


class RunsADuplicateTwice(FolderCoater):
    def submit(self, job):
        for folder in ("jobs", "running", "over"):
            self.path(folder, job.key).unlink(missing_ok=True)
        return super().submit(job)


class TakesAnotherJobForTheSame(FolderCoater):
    def submit(self, job):
        if self.look(job.key) is not None:
            return Receipt(job.key, job.key)
        return super().submit(job)


class NewReceiptEachTime(FolderCoater):
    numbers = count()

    def submit(self, job):
        return replace(super().submit(job), run_id=str(next(self.numbers)))


class NeverBusy(FolderCoater):
    def send(self, job, payload):
        try:
            super().send(job, payload)
        except Busy:
            self.write("jobs", job.key, {"payload": payload, **job.parameters})


class BlocksUntilTheEnd(FolderCoater):
    def submit(self, job):
        receipt = super().submit(job)
        while self.poll(job.key).state is JobState.RUNNING:
            time.sleep(0.05)
        return receipt


class AbortThatLies(FolderCoater):
    def abort(self, key, reason):
        return Status(JobState.ABORTED, safe=True)


class AbortThatDoesNothing(FolderCoater):
    def stop(self, key, reason):
        pass


class AbortAtTheEnd(FolderCoater):
    """Calls the job aborted once it has run to its end."""

    def __init__(self, *more):
        super().__init__(*more)
        self._asked = set()

    def stop(self, key, reason):
        self._asked.add(key)

    def look(self, key):
        seen = super().look(key)
        if key in self._asked and seen.state is JobState.FINISHED:
            return replace(seen, state=JobState.ABORTED, values={})
        return seen


class AbortForgetsTheResult(FolderCoater):
    """Whatever was aborted is aborted, even what had finished."""

    def abort(self, key, reason):
        super().abort(key, reason)
        told = self.read("over", key)
        self.write("over", key, {**told, "state": "aborted"})
        return Status(JobState.ABORTED, safe=True)


class NeverUnlessMine(FolderCoater):
    """Remembers what it submitted itself, and nothing else."""

    def __init__(self, *more):
        super().__init__(*more)
        self._mine = set()

    def submit(self, job):
        receipt = super().submit(job)
        self._mine.add(job.key)
        return receipt

    def find(self, key, since=None):
        return super().find(key, since) if key in self._mine else Found.NEVER

    def poll(self, key):
        if key not in self._mine:
            raise KeyError(key)
        return super().poll(key)


class BelievesAShortMemory(FolderCoater):
    def find(self, key, since=None):
        return super().find(key)


class SaysNeverWhenSilent(FolderCoater):
    def find(self, key, since=None):
        try:
            return super().find(key, since)
        except Unreachable:
            return Found.NEVER


class WaitsForEver(FolderCoater):
    def describe(self):
        return replace(super().describe(), patience_s=0.5)

    def memory(self):
        while True:
            try:
                return super().memory()
            except Unreachable:
                time.sleep(0.1)


class SendsThroughAnOutbox(FolderCoater):
    """What it sends lies in an outbox for a while, which it does not think of."""

    conformance = Bench(
        options={"channels": 2},
        settings=[{"gap": 200.0, "speed": 0.5}, {"gap": 300.0, "speed": 1.0}],
        device=partial(coater_pc, 0.6, OutboxPc),
        longest_s=10.0,
    )

    def write(self, folder, key, told):
        super().write("outbox" if folder == "jobs" else folder, key, told)


class KnowsItsOutbox(SendsThroughAnOutbox):
    delivery_s = 2.0

    def send(self, job, payload):
        super().send(job, payload)
        raise Unreachable("it lies in the outbox")


class NotANumber(FolderCoater):
    def fetch(self, key, since=0):
        result = super().fetch(key, since)
        return replace(
            result, scalars={name: Scalar(math.nan, "mg/cm^2") for name in result.scalars}
        )


class AnotherUnit(FolderCoater):
    def fetch(self, key, since=0):
        result = super().fetch(key, since)
        return replace(
            result, scalars={n: replace(s, unit="um") for n, s in result.scalars.items()}
        )


class NeverTheSameTwice(FolderCoater):
    def fetch(self, key, since=0):
        result, value = super().fetch(key, since), time.monotonic()
        return replace(result, scalars={name: Scalar(value, "mg/cm^2") for name in result.scalars})


class MakesNumbersUp(FolderCoater):
    """Nonsense is read as a finished coating of zero."""

    def look(self, key):
        try:
            return super().look(key)
        except (ValueError, KeyError, TypeError, AttributeError):
            return Seen(JobState.FINISHED, "", values={"loading": 0.0})


class LeaksItsErrors(FolderCoater):
    def fetch(self, key, since=0):
        self.look(key)
        return super().fetch(key, since)


class GoesBackwards(FolderCoater):
    numbers = count()

    def poll(self, key):
        return replace(super().poll(key), cycle=1000 - next(self.numbers))


class AsksInThePast(FolderCoater):
    polling_s = -1.0


class SwallowsOptions(FolderCoater):
    @classmethod
    def open(cls, options, clock, files=None):
        known = {name: options[name] for name in ("folder", "channels")}
        return super().open(known, clock)


class UnitOfItsOwn(FolderCoater):
    def describe(self):
        return replace(super().describe(), metrics={"loading": "heap"})


class SimulatedByCard(FolderCoater):
    def describe(self):
        return replace(super().describe(), simulated=True)


class SaysItStops(FolderCoater):
    """Its coater knows nothing of a lease."""

    def describe(self):
        return replace(super().describe(), lease_s=0.1, on_lease_loss="stop")


class WrongAnswer(FolderCoater):
    def find(self, key, since=None):
        return "never"
