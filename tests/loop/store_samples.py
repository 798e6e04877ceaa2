"""A campaign with a row in every table, small enough to be damaged in many ways."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from campaigns.campaign import Campaign, parse
from campaigns.records import (
    Bound,
    Estimate,
    Failure,
    FailureKind,
    Observation,
    Prediction,
    Purpose,
    Recommendation,
    TrialState,
)
from instruments.base import Series
from loop.events import (
    Approved,
    AttemptFailed,
    AwaitingApproval,
    Body,
    Changed,
    Corrected,
    Created,
    Decided,
    Ended,
    EngineStarted,
    Excluded,
    Finished,
    Fitted,
    Measured,
    Modified,
    Observed,
    Passed,
    Predicted,
    Proposed,
    ProposedTrial,
    Recommended,
    Rejected,
    Resolved,
    Started,
    Submitting,
)
from loop.store.store import Store, digest_series

TEXT = """
name = "sample"
seed = 7
[space]
candidates = { file = "points.csv", columns = ["x"] }
[[objectives]]
metric = "life"
goal = "maximize"
[optimizer]
kind = "random"
[instrument]
kind = "table"
channels = 2
options = { file = "lives.csv", parameters = { x = "x" }, metrics = { life = { column = "life" } } }
[budget]
trials = 3
"""
FILES = {"points.csv": b"x\n1\n2\n3\n", "lives.csv": b"x,life\n1,500\n2,800\n3,700\n"}
MODEL = b'{"kind": "variance", "slope": -1.5}'
MODEL_DIGEST = hashlib.sha256(MODEL).hexdigest()


def campaign() -> Campaign:
    return parse(TEXT, FILES)


def create(store: Store) -> str:
    """The sample campaign, frozen; its id."""
    sample = campaign()
    body = Created("sample", sample.digest, 7, "2024-01-01T00:00:00+00:00", {"python": "3.11"})
    return store.create(sample.name, sample.text, sample.files, body)


def series(first: int, cycles: int, curves: int = 5, points: int = 40, seed: int = 0) -> Series:
    """Per-cycle data with gaps (NaN) as cyclers leave them."""
    rng = np.random.default_rng([seed, first])
    voltage = np.linspace(3.5, 2.0, points)
    numbers = np.arange(first, first + cycles)
    capacity = 1.1 - 1e-4 * numbers + 1e-5 * rng.normal(size=cycles)
    capacity[cycles // 2] = np.nan
    shape = 1 / (1 + np.exp(8 * (voltage - 3.1)))
    data = (1.1 - 1e-4 * numbers[:curves, None]) * shape + 1e-5 * rng.normal(size=(curves, points))
    if curves:
        data[0, 3] = np.nan
    return Series(
        cycles=numbers,
        summary={"capacity_ah": capacity, "temperature_c": rng.normal(30, 1, cycles)},
        voltage=voltage,
        curves=data.astype(np.float32),
        curve_cycles=numbers[:curves],
    )


def measured(time: float, trial: int, attempt: int, data: Series) -> Measured:
    return Measured(
        time=time,
        trial=trial,
        attempt=attempt,
        until=int(data.cycles[-1]),
        cycles=len(data.cycles),
        curves=len(data.curves),
        digest=digest_series(data),
    )


def proposed(first: int, n: int = 1) -> Proposed:
    trials = tuple(
        ProposedTrial({"x": float(first + k)}, "random", {"step": k, "nested": {"b": [1.5]}})
        for k in range(n)
    )
    return Proposed(0.25 * first, 1, n, first, "random", Purpose.SEARCH, trials)


def simple_trial(number: int, value: float) -> list[list[Body]]:
    """The four transactions of a trial that goes well."""
    return [
        [proposed(number)],
        [Submitting(1.0, number, 1, f"key-{number}")],
        [Started(1.0, number, 1, f"run-{number}")],
        [
            Observed(2.0, number, 1, Observation("life", value, 12.5, "1")),
            Ended(2.0, number, 1, TrialState.COMPLETED, 96.0),
        ],
    ]


def fill(store: Store) -> str:
    """A campaign with every kind of event and a row in every table; its id."""
    name = create(store)
    lease = store.acquire(name)
    fence = lease.fence
    store.append(name, [EngineStarted("host", 1, fence, {"python": "3.11"})], fence=fence)
    store.append(name, [proposed(1, 3)], fence=fence)
    for number in (1, 2, 3):
        store.append(name, [Submitting(1.0, number, 1, f"key-{number}")], fence=fence)
        store.append(name, [Started(1.5, number, 1, f"run-{number}")], fence=fence)
    early, later = series(1, 20), series(21, 10, curves=3)
    for part in (early, later):
        store.append(name, [measured(2.0, 1, 1, part)], fence=fence, series={0: part})
    store.append(name, _learned(), fence=fence, artifacts={MODEL_DIGEST: MODEL})
    store.append(name, _ended(), fence=fence)
    store.release(lease)
    return name


def _learned() -> list[Body]:
    prediction = Prediction("life", 810.5, 40.0, "1", 700.0, 900.0, 0.9, 20, MODEL_DIGEST)
    return [
        Fitted(3.0, 10, "cycle_life", MODEL_DIGEST, (1,), "abc"),
        Predicted(3.0, 1, 1, prediction),
        Decided(3.0, 12, 1, 1, "never", "go_on", "it may be good", {"sd_ln": 0.1}),
    ]


def _ruled() -> list[Body]:
    """What persons were asked and said, and a job that went from step to step."""
    lost = Failure(FailureKind.CHANNEL_FAULT, "nobody knows")
    rejected = Failure(FailureKind.REJECTED, "rejected by Ada: too thick", infeasible=True)
    return [
        replace(proposed(4, 2), time=5.5),
        AwaitingApproval(5.5, 4, "aa", ("always",), "every job is approved"),
        Modified(5.5, 4, {"x": 3.5}, "bb", "Ada", "thinner"),
        Approved(5.6, 4, "bb", "Ada", "as agreed"),
        AwaitingApproval(5.6, 5, "cc", ("always",), "every job is approved"),
        Rejected(5.6, 5, "cc", "Ada", "too thick"),
        Ended(5.6, 5, 0, TrialState.REFUSED, 0.0, rejected),
        Submitting(5.6, 4, 1, "key-4/coat", "coat"),
        Started(5.6, 4, 1, "run-4", "coat"),
        Passed(5.7, 4, 1, "coat", "cycle", 0.5),
        Submitting(5.7, 4, 1, "key-4/cycle", "cycle"),
        Ended(5.8, 4, 1, TrialState.LOST, 0.1, lost, "cycle"),
        Resolved(5.9, 4, 1, "failed", "Ada", "the cell is gone"),
        Ended(5.9, 4, 1, TrialState.FAILED, 0.0, lost, "cycle"),
    ]


def _ended() -> list[Body]:
    fault = Failure(FailureKind.CHANNEL_FAULT, "the channel fell silent")
    death = Failure(FailureKind.EARLY_DEATH, "dead after 120 cycles", infeasible=True)
    best = {"life": Estimate(805.0, 760.0, 850.0, 0.9, "1")}
    return [
        Observed(4.0, 1, 1, Observation("life", 800.25, 12.5, "1")),
        Ended(4.0, 1, 1, TrialState.COMPLETED, 95.5),
        AttemptFailed(4.5, 2, 1, 12.0, fault),
        Submitting(4.5, 2, 2, "key-2-2"),
        Started(4.5, 2, 2, "run-2-2"),
        Observed(5.0, 2, 2, Observation("life", 120.0, None, "1", Bound.AT_LEAST)),
        Ended(5.0, 2, 2, TrialState.FAILED, 11.0, death),
        Ended(5.5, 3, 1, TrialState.STOPPED, 40.0),
        *_ruled(),
        Corrected(6.0, 1, Observation("life", 801.0, 12.5, "1"), "typing error"),
        Excluded(6.0, 3, True, "wrong cell"),
        Changed(6.0, "budget.trials", 4.0),
        Recommended(7.0, 26, "random", Recommendation({"x": 1.0}, best, (({"x": 2.0}, best),), 1)),
        Finished(7.0, "finished", "budget.trials"),
    ]
