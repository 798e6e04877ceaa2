"""What an event does to the other tables: a pure function, live and when rebuilding."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from campaigns.records import Failure, TrialState
from loop.events import (
    Approved,
    AttemptFailed,
    AwaitingApproval,
    Changed,
    Corrected,
    Created,
    Decided,
    Ended,
    EngineStarted,
    Event,
    Excluded,
    Finished,
    Fitted,
    Modified,
    Observed,
    Passed,
    Predicted,
    Proposed,
    Recommended,
    Rejected,
    Resolved,
    Revised,
    Started,
    Submitting,
)

Row: TypeAlias = dict[str, Any]
Tables: TypeAlias = dict[str, dict[tuple[Any, ...], Row]]

KEYS: Mapping[str, tuple[str, ...]] = {
    "campaign": ("id",),
    "trial": ("campaign", "number"),
    "attempt": ("campaign", "trial", "attempt", "step"),
    "approval": ("campaign", "seq"),
    "observation": ("campaign", "seq"),
    "prediction": ("campaign", "seq"),
    "decision": ("campaign", "seq"),
    "recommendation": ("campaign", "seq"),
    "model": ("campaign", "seq"),
}
REBUILT = tuple(name for name in KEYS if name != "campaign")  # in an order foreign keys allow


@dataclass(frozen=True, slots=True)
class Add:
    """Write a new row."""

    table: str
    row: Row


@dataclass(frozen=True, slots=True)
class Put:
    """Write a row, in place of one with the same key (an attempt may be submitted again)."""

    table: str
    row: Row


@dataclass(frozen=True, slots=True)
class Set:
    """Change columns of the row with that key, if there is one."""

    table: str
    key: Row
    values: Row


Change: TypeAlias = Add | Put | Set


def project(event: Event) -> list[Change]:
    """The changes one event makes, in order."""
    body, campaign = event.body, event.campaign
    match body:
        case Created():
            return [_created(event, body)]
        case EngineStarted():
            return [_campaign(campaign, status="running", reason="")]
        case Finished():
            return [_campaign(campaign, status=body.status, reason=body.reason)]
        case Proposed(optimizer="person"):
            return [*_proposed(event, body), _reopened(campaign)]
        case Proposed():
            return _proposed(event, body)
        case AwaitingApproval() | Approved() | Modified() | Rejected() | Resolved():
            return _ruled(event, body)
        case Submitting() | Started():
            return _under_way(campaign, body)
        case Observed():
            return [_observation(event, body)]
        case Corrected():
            return [_observation(event, body), _reopened(campaign)]
        case Changed():
            return [_reopened(campaign)]
        case Predicted() | Revised():
            return [_prediction(event, body)]
        case Decided() | Fitted() | Recommended():
            return [_verbatim(event)]
        case Passed():
            return _over(campaign, body, None, TrialState.PROPOSED, TrialState.COMPLETED)
        case AttemptFailed():
            return _over(campaign, body, body.failure, TrialState.PROPOSED, TrialState.FAILED)
        case Ended():
            return _over(campaign, body, body.failure, body.state, body.state)
        case Excluded():
            return [_trial(campaign, body.trial, excluded=body.excluded), _reopened(campaign)]
        case _:
            return []


def fold(events: Iterable[Event], campaign: Row) -> Tables:
    """All projected rows of one campaign by table and key, from its events.

    campaign: the row of table `campaign`, of which only what no event tells (the text) stands.
    """
    tables: Tables = {name: {} for name in KEYS}
    tables["campaign"][(campaign["id"],)] = dict(campaign)
    for event in events:
        for change in project(event):
            rows, names = tables[change.table], KEYS[change.table]
            if not isinstance(change, Set):
                rows[tuple(change.row[name] for name in names)] = dict(change.row)
                continue
            row = rows.get(tuple(change.key[name] for name in names))
            if row is not None:
                row.update(change.values)
    return tables


def canonical(value: Any) -> str:
    """JSON as the columns hold it: sorted keys, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _reopened(campaign: str) -> Set:
    """A person's change gives a campaign that was over something to do again."""
    return _campaign(campaign, status="running", reason="")


def _campaign(campaign: str, **values: Any) -> Set:
    return Set("campaign", {"id": campaign}, values)


def _trial(campaign: str, number: int, **values: Any) -> Set:
    return Set("trial", {"campaign": campaign, "number": number}, values)


def _attempt(campaign: str, trial: int, attempt: int, step: str, **values: Any) -> Set:
    key = {"campaign": campaign, "trial": trial, "attempt": attempt, "step": step}
    return Set("attempt", key, values)


def _created(event: Event, body: Created) -> Set:
    return _campaign(
        event.campaign,
        name=body.name,
        digest=body.digest,
        created_at=event.recorded_at,
        seed=body.seed,
        epoch=body.epoch,
        origin=body.origin,
        environment=canonical(body.environment),
        status="created",
        reason="",
        trials=0,
    )


def _proposed(event: Event, body: Proposed) -> list[Change]:
    changes: list[Change] = []
    for number, trial in enumerate(body.trials, start=body.first):
        row = {
            "campaign": event.campaign,
            "number": number,
            "proposed": event.seq,
            "parameters": canonical(trial.parameters),
            "author": trial.author,
            "purpose": body.purpose.value,
            "meta": canonical(trial.meta),
            "fidelity": trial.fidelity,
            "state": TrialState.PROPOSED.value,
            "attempt": 0,
            "failure": None,
            "failure_reason": None,
            "infeasible": False,
            "excluded": False,
        }
        changes.append(Add("trial", row))
    if body.trials:
        changes.append(_campaign(event.campaign, trials=body.first + len(body.trials) - 1))
    return changes


def _under_way(campaign: str, body: Submitting | Started) -> list[Change]:
    if isinstance(body, Started):
        state = TrialState.RUNNING.value
        return [
            _trial(campaign, body.trial, state=state),
            _attempt(
                campaign,
                body.trial,
                body.attempt,
                body.step,
                state=state,
                run_id=body.run_id,
                started_s=body.time,
            ),
        ]
    state = TrialState.SUBMITTING.value
    row = {
        "campaign": campaign,
        "trial": body.trial,
        "attempt": body.attempt,
        "step": body.step,
        "key": body.key,
        "run_id": None,
        "state": state,
        "submitted_s": body.time,
        "started_s": None,
        "ended_s": None,
        "hours": None,
        "failure": None,
        "failure_reason": None,
    }
    return [_trial(campaign, body.trial, state=state, attempt=body.attempt), Put("attempt", row)]


Ruling: TypeAlias = AwaitingApproval | Approved | Modified | Rejected | Resolved


def _ruled(event: Event, body: Ruling) -> list[Change]:
    """A person is asked about a trial, or rules; some rulings give an idle campaign work."""
    campaign, number = event.campaign, body.trial
    changes: list[Change] = []
    match body:
        case AwaitingApproval():
            verdict, state = "asked", TrialState.AWAITING_APPROVAL
            changes.append(_trial(campaign, number, state=state.value))
        case Approved():
            verdict = "approved"
            changes.append(_trial(campaign, number, state=TrialState.PROPOSED.value))
            changes.append(_reopened(campaign))
        case Modified():
            verdict = "modified"
            changes.append(_trial(campaign, number, parameters=canonical(body.parameters)))
        case Rejected():
            verdict = "rejected"
        case Resolved():
            verdict = body.verdict
            state = TrialState.RUNNING if verdict == "adopt" else TrialState.PROPOSED
            nothing = {"failure": None, "failure_reason": None}
            changes.append(_trial(campaign, number, state=state.value, **nothing))
            if verdict != "failed":
                changes.append(_reopened(campaign))
    row = {
        "campaign": campaign,
        "seq": event.seq,
        "time": body.time,
        "trial": number,
        "verdict": verdict,
        "digest": "" if isinstance(body, Resolved) else body.digest,
        "who": "" if isinstance(body, AwaitingApproval) else body.who,
        "reason": body.reason,
        "parameters": canonical(body.parameters) if isinstance(body, Modified) else None,
    }
    return [Add("approval", row), *changes]


def _over(
    campaign: str,
    body: Passed | AttemptFailed | Ended,
    failure: Failure | None,
    state: TrialState,
    attempt_state: TrialState,
) -> list[Change]:
    kind = None if failure is None else failure.kind.value
    reason = None if failure is None else failure.reason
    return [
        _trial(
            campaign,
            body.trial,
            state=state.value,
            failure=kind,
            failure_reason=reason,
            infeasible=failure is not None and failure.infeasible,
        ),
        _attempt(
            campaign,
            body.trial,
            body.attempt,
            body.step,
            state=attempt_state.value,
            ended_s=body.time,
            hours=body.hours,
            failure=kind,
            failure_reason=reason,
        ),
    ]


def _observation(event: Event, body: Observed | Corrected) -> Add:
    observation = body.observation
    row = {
        "campaign": event.campaign,
        "seq": event.seq,
        "time": body.time,
        "trial": body.trial,
        "attempt": None if isinstance(body, Corrected) else body.attempt,
        "metric": observation.metric,
        "mean": observation.mean,
        "sem": observation.sem,
        "unit": observation.unit,
        "bound": observation.bound.value,
        "source": observation.source,
        "reason": body.reason if isinstance(body, Corrected) else None,
    }
    return Add("observation", row)


def _prediction(event: Event, body: Predicted | Revised) -> Add:
    prediction = body.prediction
    row = {
        "campaign": event.campaign,
        "seq": event.seq,
        "time": body.time,
        "trial": body.trial,
        "attempt": body.attempt,
        "metric": prediction.metric,
        "mean": prediction.mean,
        "sem": prediction.sem,
        "unit": prediction.unit,
        "lower": prediction.lower,
        "upper": prediction.upper,
        "level": prediction.level,
        "at_cycle": prediction.at_cycle,
        "model": prediction.model,
        "extrapolates": prediction.extrapolates,
        "raw": "" if prediction.raw is None else canonical(asdict(prediction.raw)),
    }
    return Add("prediction", row)


def _verbatim(event: Event) -> Add:
    """Rows whose columns are the payload's own keys; lists and mappings stay JSON."""
    said = json.loads(event.payload)
    said |= said.pop("recommendation", {})
    said.pop("card", None)  # of a model: an artifact that only the journal names
    row = {
        name: canonical(value) if isinstance(value, dict | list) else value
        for name, value in said.items()
    }
    table = {"decided": "decision", "fitted": "model", "recommended": "recommendation"}[event.kind]
    return Add(table, {"campaign": event.campaign, "seq": event.seq, **row})
