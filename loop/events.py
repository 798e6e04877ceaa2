"""What can happen in a campaign: one frozen record a kind of event, and its canonical text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import TypeAdapter

from campaigns.records import (
    Failure,
    Observation,
    Prediction,
    Purpose,
    Recommendation,
    TrialState,
    Value,
)

VERSION = 1  # of the payloads; readers upcast older ones

Verdict: TypeAlias = Literal["not_run", "adopt", "failed", "measured"]


@dataclass(frozen=True, slots=True)
class Created:
    """The campaign was frozen; always event 1. `epoch` is campaign time zero (ISO 8601, UTC)."""

    kind: ClassVar[str] = "created"
    name: str
    digest: str  # of the campaign text and the files it names
    seed: int
    epoch: str
    environment: dict[str, str]
    origin: str = "run"  # or "import"


@dataclass(frozen=True, slots=True)
class EngineStarted:
    """An engine took the campaign up; no part of its history."""

    kind: ClassVar[str] = "engine_started"
    host: str
    pid: int
    fence: int
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class ProposedTrial:
    """One setting of a proposal; its number is `first` + its position."""

    parameters: dict[str, Value]
    author: str
    meta: dict[str, Any] = field(default_factory=dict)
    fidelity: str = ""


@dataclass(frozen=True, slots=True)
class Proposed:
    """One call of an optimiser: asked for `n` trials knowing the events up to `seen`.

    Fewer than `n` trials stand in it only where the optimiser was `exhausted` (the reason).
    """

    kind: ClassVar[str] = "proposed"
    time: float
    seen: int
    n: int
    first: int
    optimizer: str
    purpose: Purpose
    trials: tuple[ProposedTrial, ...]
    exhausted: str = ""


@dataclass(frozen=True, slots=True)
class AwaitingApproval:
    """A trial waits for a person to approve the payload of this `digest`, for a `reason` that
    follows from the `policies` of its instruments."""

    kind: ClassVar[str] = "awaiting_approval"
    time: float
    trial: int
    digest: str
    policies: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Approved:
    """A person approved the payload with this digest, and no other."""

    kind: ClassVar[str] = "approved"
    time: float
    trial: int
    digest: str
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class Modified:
    """A person changed a trial's setting before it ran; what was approved before is void."""

    kind: ClassVar[str] = "modified"
    time: float
    trial: int
    parameters: dict[str, Value]
    digest: str  # of the new payload
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A person refused a trial; its end follows."""

    kind: ClassVar[str] = "rejected"
    time: float
    trial: int
    digest: str
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class Submitting:
    """The intent to run an attempt, stored before the instrument hears of it."""

    kind: ClassVar[str] = "submitting"
    time: float
    trial: int
    attempt: int
    key: str
    step: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """The instrument has the job."""

    kind: ClassVar[str] = "started"
    time: float
    trial: int
    attempt: int
    run_id: str
    step: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """Per-cycle data arrived; `digest` covers the rows written with this event.

    All there is up to cycle `until` is stored now; cycles missing among them were never recorded.
    """

    kind: ClassVar[str] = "measured"
    time: float
    trial: int
    attempt: int
    until: int
    cycles: int
    curves: int
    digest: str


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model was fitted; its artifact is stored under `model`, the SHA-256 of its text."""

    kind: ClassVar[str] = "fitted"
    time: float
    seen: int
    surrogate: str
    model: str
    trials: tuple[int, ...]  # training trials of this campaign
    source: str = ""  # digest of the outside training data, where there is any
    card: str = ""  # digest of the model card, an artifact too; "" in older journals
    bias_sd: float = 0.0  # what its mean error of ln life may be; 0: its word is taken as it is


@dataclass(frozen=True, slots=True)
class Predicted:
    """A model predicted a trial's outcome from its first cycles."""

    kind: ClassVar[str] = "predicted"
    time: float
    trial: int
    attempt: int
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Revised:
    """A trial's prediction once more, with the bias removed that the events up to `seen` show."""

    kind: ClassVar[str] = "revised"
    time: float
    seen: int
    trial: int
    attempt: int
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Decided:
    """A stopper weighed stopping a trial against letting it go on."""

    kind: ClassVar[str] = "decided"
    time: float
    seen: int
    trial: int
    attempt: int
    stopper: str
    action: str  # "stop" or "go_on"
    reason: str
    weighed: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """A metric was measured."""

    kind: ClassVar[str] = "observed"
    time: float
    trial: int
    attempt: int
    observation: Observation


@dataclass(frozen=True, slots=True)
class Passed:
    """An attempt left one instrument for the `next` one; `hours` is how long it held a channel."""

    kind: ClassVar[str] = "passed"
    time: float
    trial: int
    attempt: int
    step: str
    next: str
    hours: float


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt failed and the campaign's rule asks for another one."""

    kind: ClassVar[str] = "attempt_failed"
    time: float
    trial: int
    attempt: int
    hours: float
    failure: Failure
    step: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial reached a terminal state; `hours` is how long its last step held a channel."""

    kind: ClassVar[str] = "ended"
    time: float
    trial: int
    attempt: int
    state: TrialState
    hours: float
    failure: Failure | None = None
    step: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A person ruled what became of a lost attempt: `not_run` (it is run again), `adopt` (the
    instrument is asked once more), `failed` or `measured` (what was measured follows)."""

    kind: ClassVar[str] = "resolved"
    time: float
    trial: int
    attempt: int
    verdict: Verdict
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class Corrected:
    """A person replaced a recorded value."""

    kind: ClassVar[str] = "corrected"
    time: float
    trial: int
    observation: Observation
    reason: str


@dataclass(frozen=True, slots=True)
class Excluded:
    """A person took a trial out of the learning data (or, with `excluded` false, back in)."""

    kind: ClassVar[str] = "excluded"
    time: float
    trial: int
    excluded: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A person changed the budget, the channels, or where jobs are computed; nothing else of a
    frozen campaign can change."""

    kind: ClassVar[str] = "changed"
    time: float
    path: str
    value: int | float | str | None


@dataclass(frozen=True, slots=True)
class Recommended:
    """The optimiser's recommendation, knowing the events up to `seen`."""

    kind: ClassVar[str] = "recommended"
    time: float
    seen: int
    optimizer: str
    recommendation: Recommendation


@dataclass(frozen=True, slots=True)
class Finished:
    """The campaign came to its end (`finished`), or a person ended it (`stopped`)."""

    kind: ClassVar[str] = "finished"
    time: float
    status: str
    reason: str


Body: TypeAlias = (
    Created
    | EngineStarted
    | Proposed
    | AwaitingApproval
    | Approved
    | Modified
    | Rejected
    | Submitting
    | Started
    | Measured
    | Fitted
    | Predicted
    | Revised
    | Decided
    | Observed
    | Passed
    | AttemptFailed
    | Ended
    | Resolved
    | Corrected
    | Excluded
    | Changed
    | Recommended
    | Finished
)

KINDS: Mapping[str, type[Body]] = {
    cls.kind: cls
    for cls in (
        Created, EngineStarted, Proposed, AwaitingApproval, Approved, Modified, Rejected,
        Submitting, Started, Measured, Fitted, Predicted, Revised, Decided, Observed, Passed,
        AttemptFailed, Ended, Resolved, Corrected, Excluded, Changed, Recommended, Finished,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the journal as stored. `payload` is the canonical text that was hashed."""

    campaign: str
    seq: int
    version: int
    kind: str
    payload: str
    recorded_at: str  # wall clock, ISO 8601 UTC
    previous: str
    hash: str
    body: Body


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(KINDS[kind])


def encode(body: Body) -> str:
    """Canonical JSON of an event: sorted keys, no blanks, floats by repr, no NaN.

    Raises ValueError for a value JSON cannot hold.
    """
    plain = _adapter(body.kind).dump_python(body, mode="json")
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)


def decode(kind: str, payload: str) -> Body:
    """The event that a payload describes. Raises ValueError where it describes none."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind of event {kind!r}: written by a newer release")
    body: Body = _adapter(kind).validate_json(payload)
    return body
