"""What was recorded elsewhere as a journal of ours: each result a trial, in the order of time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby

from campaigns.campaign import Campaign
from campaigns.records import (
    NOTHING,
    Bound,
    Failure,
    FailureKind,
    Observation,
    Purpose,
    Setting,
    TrialState,
)
from loop import derive
from loop.discrepancy import completed
from loop.environment import environment
from loop.events import (
    Body,
    Created,
    Ended,
    Finished,
    Observed,
    Proposed,
    ProposedTrial,
    Started,
    Submitting,
)
from loop.history import History
from loop.optimizers import registry as optimizers
from loop.state import RECORDED
from loop.store.chain import GENESIS, extend
from loop.store.store import Store

GAP = Failure(FailureKind.DATA_GAP, "no result was recorded")


@dataclass(frozen=True, slots=True)
class Result:
    """One trial as it was recorded; the times are seconds of campaign time.

    setting: with its derived values, as `Space.complete` gives it.
    batch: results in a row with the same one were asked for together.
    author: who asked for it; "" where that is the one who asked for all of them.
    hours: for how long it held a channel; 0 where nobody wrote that down.
    state: TrialState.PROPOSED for a trial that was asked for and never run.
    """

    setting: Setting
    outcomes: Mapping[str, Observation] = field(default_factory=lambda: NOTHING)
    batch: str = ""
    author: str = ""
    started: float = 0.0
    ended: float = 0.0
    hours: float = 0.0
    state: TrialState = TrialState.COMPLETED
    failure: Failure | None = None


def ended_as(outcomes: Mapping[str, Observation], failure: Failure | None = None) -> TrialState:
    """How a trial with these outcomes ended: failed without any, stopped where one is a bound."""
    if failure is not None or not outcomes:
        return TrialState.FAILED
    exact = all(one.bound is Bound.EXACT for one in outcomes.values())
    return TrialState.COMPLETED if exact else TrialState.STOPPED


def keep(
    store: Store,
    campaign: Campaign,
    results: Sequence[Result],
    epoch: datetime,
    *,
    by: str = RECORDED,
) -> str:
    """Store a campaign with its results, and what its optimiser recommends by them; its id.

    by: who asked for the trials. `record` says that nobody here did, and an audit takes the
        proposals as they are; the kind of the campaign's optimiser has it derive them again.
    Raises ValueError, also where the optimiser cannot recommend anything, with nothing stored.
    """
    created = Created(
        name=campaign.name,
        digest=campaign.digest,
        seed=campaign.seed,
        epoch=epoch.isoformat(),
        environment=environment(),
        origin="import",
    )
    bodies = list(_journal(campaign, results, by))
    bodies += _end(campaign, [created, *bodies])
    campaign_id = store.create(campaign.name, campaign.text, campaign.files, created)
    store.append(campaign_id, [_named(body, campaign_id) for body in bodies])
    return campaign_id


def _end(campaign: Campaign, bodies: Sequence[Body]) -> list[Body]:
    """The recommendation that follows from the record, and that the record ends."""
    spec = campaign.optimizer
    optimizer = optimizers.create(spec.kind, spec.options)
    history = History.of(campaign.space.names, extend(campaign.name, 0, GENESIS, bodies))
    time = max((getattr(body, "time", 0.0) for body in bodies), default=0.0)
    try:
        found = derive.recommend(optimizer, campaign, history)
    except derive.BadProposal as error:
        raise ValueError(f"optimizer.kind: {error}") from error
    last: list[Body] = [] if found is None else [replace(found, time=time)]
    return [*last, Finished(time, "finished", "the record ends here")]


def _named(body: Body, campaign_id: str) -> Body:
    """With the key of the campaign's own job, now that its id is known."""
    if isinstance(body, Submitting):
        return replace(body, key=f"{campaign_id}/{body.trial}/{body.attempt}")
    return body


def _journal(campaign: Campaign, results: Sequence[Result], by: str) -> Iterator[Body]:
    """The events behind event 1. Batches come when their first trial starts; what is due by then
    comes before."""
    step = campaign.steps[0].name
    seq, first = 1, 1
    due: list[tuple[float, int, int, tuple[Body, ...]]] = []
    for time, batch in _batches(results):
        for body in _due(due, time):
            seq += 1
            yield body
        trials = tuple(ProposedTrial(dict(one.setting), one.author or by) for one in batch)
        yield Proposed(time, seq, len(batch), first, by, Purpose.SEARCH, trials)
        seq += 1
        for number, one in enumerate(batch, start=first):
            for moment, order, bodies in _run(campaign, number, one, step):
                heapq.heappush(due, (moment, number, order, bodies))
        first += len(batch)
    yield from _due(due, float("inf"))


def _batches(results: Sequence[Result]) -> Iterator[tuple[float, list[Result]]]:
    """Results asked for together, with the moment, in the order of time; as given where it says
    nothing."""
    found = [list(group) for _, group in groupby(enumerate(results), key=_asked_with)]
    batches = [[one for _, one in group] for group in found]
    timed = ((min(one.started for one in batch), batch) for batch in batches)
    return iter(sorted(timed, key=lambda pair: pair[0]))


def _asked_with(entry: tuple[int, Result]) -> tuple[str, int]:
    number, one = entry
    return (one.batch, 0) if one.batch else ("", number)


def _due(due: list[tuple[float, int, int, tuple[Body, ...]]], time: float) -> Iterable[Body]:
    while due and due[0][0] <= time:
        yield from heapq.heappop(due)[3]


def _run(
    campaign: Campaign, number: int, one: Result, step: str
) -> Iterator[tuple[float, int, tuple[Body, ...]]]:
    """When the trial started and ended, and what the journal says of it."""
    if one.state is TrialState.PROPOSED:
        return
    began = one.started
    yield began, 0, (Submitting(began, number, 1, "", step), Started(began, number, 1, "", step))
    observed = completed(campaign, one.outcomes).values()
    failure = one.failure or (GAP if one.state is TrialState.FAILED else None)
    end = Ended(one.ended, number, 1, one.state, one.hours, _ruled(campaign, failure), step)
    bodies = tuple(Observed(one.ended, number, 1, observation) for observation in observed)
    yield one.ended, 1, (*bodies, end)


def _ruled(campaign: Campaign, failure: Failure | None) -> Failure | None:
    """A failure, infeasible where the campaign says so of its kind."""
    rule = None if failure is None else campaign.failures.get(failure.kind)
    if failure is None or rule is None:
        return failure
    action = rule.then if rule.action == "retry" else rule.action
    return replace(failure, infeasible=action == "infeasible")
