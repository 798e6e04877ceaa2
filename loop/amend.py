"""What a person may change in a campaign: add a trial, correct a value, exclude a trial, end it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from campaigns.campaign import CampaignError
from campaigns.records import Observation, Purpose, Setting
from loop.clock import SimulatedClock
from loop.discrepancy import completed, corrected, measured
from loop.events import Body, Corrected, Excluded, Proposed, ProposedTrial
from loop.launch import engine
from loop.opening import opened, simulated
from loop.restoring import restore
from loop.start import given
from loop.state import RECORDED, CampaignState
from loop.store.errors import LeaseHeld
from loop.store.store import Lease, Store

PATIENCE_S = 30.0  # how long `stop` waits for a running engine to let go


def add(
    store: Store,
    campaign_id: str,
    setting: Setting,
    results: Mapping[str, float] | None = None,
    reason: str = "",
) -> int:
    """Add a trial by hand: to be run on the next resume, or with its `results` already known.

    results are means in the campaign's units. Returns the trial's number. Raises CampaignError for
    a setting outside the space or a metric the campaign does not know.
    """
    with _held(store, campaign_id) as (state, lease):
        campaign = state.campaign
        problems = campaign.space.problems(setting)
        problems += _unknown_metrics(state, results or {})
        if problems:
            raise CampaignError(problems)
        number = state.history.next_number
        author = "person" if results is None else RECORDED
        body = Proposed(
            time=state.time,
            seen=state.seq,
            n=1,
            first=number,
            optimizer="person",
            purpose=Purpose.START,
            trials=(
                ProposedTrial(dict(campaign.space.complete(setting)), author, {"reason": reason}),
            ),
        )
        bodies: list[Body] = [body]
        if results is not None:
            seen = {m: Observation(m, float(v), None, _unit(state, m)) for m, v in results.items()}
            try:
                bodies += given(number, state.time, completed(campaign, seen))
            except ValueError as error:
                raise CampaignError([str(error)]) from None
        store.append(campaign_id, bodies, fence=lease.fence)
        return number


def correct(
    store: Store,
    campaign_id: str,
    trial: int,
    metric: str,
    value: float,
    sem: float | None = None,
    reason: str = "",
) -> None:
    """Supersede a recorded value. Raises CampaignError for an unknown trial or metric."""
    with _held(store, campaign_id) as (state, lease):
        problems = _unknown_trial(state, trial) or _unknown_metrics(state, {metric: value})
        if not problems and not state.history.trial(trial).state.terminal:
            problems = [f"trial {trial}: is not over; its measurement would replace the correction"]
        if problems:
            raise CampaignError(problems)
        change = Observation(metric, value, sem, _unit(state, metric))
        before = state.history.trial(trial).outcomes
        known = {m: one for m, one in before.items() if isinstance(one, Observation)}
        try:
            changes = corrected(state.campaign, known, change)
        except ValueError as error:
            raise CampaignError([str(error)]) from None
        bodies = [Corrected(state.time, trial, one, reason) for one in changes]
        store.append(campaign_id, bodies, fence=lease.fence)


def exclude(
    store: Store, campaign_id: str, trial: int, reason: str = "", excluded: bool = True
) -> None:
    """Take a trial out of the learning data, or back in. Raises CampaignError."""
    with _held(store, campaign_id) as (state, lease):
        problems = _unknown_trial(state, trial)
        if problems:
            raise CampaignError(problems)
        body = Excluded(state.time, trial, excluded, reason)
        store.append(campaign_id, [body], fence=lease.fence)


def stop(store: Store, campaign_id: str, reason: str = "stopped by a person") -> None:
    """End a campaign; a running engine on this machine is asked to let go first.

    Raises LeaseHeld where the engine runs elsewhere or does not let go.
    """
    _ask_to_let_go(store, campaign_id)
    if restore(store, campaign_id).over:
        return
    with engine(store, campaign_id) as runner:
        runner.end(reason)


def _ask_to_let_go(store: Store, campaign_id: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    asked = False
    while True:
        try:
            store.release(store.acquire(campaign_id))
            return
        except LeaseHeld as held:
            if held.host != os.uname().nodename or time.monotonic() > deadline:
                raise
            if not asked:
                os.kill(held.pid, signal.SIGTERM)
                asked = True
        time.sleep(0.1)


@contextmanager
def _held(store: Store, campaign_id: str) -> Iterator[tuple[CampaignState, Lease]]:
    lease = store.acquire(campaign_id)
    try:
        yield restore(store, campaign_id), lease
    finally:
        store.release(lease)


def _unit(state: CampaignState, metric: str) -> str:
    for objective in state.campaign.objectives:
        if objective.metric == metric:
            return str(objective.unit)
        for aim in () if objective.curve is None else objective.curve.aims:
            if aim.metric == metric and aim.unit:
                return aim.unit
    for trial in state.history.trials.values():
        if metric in trial.outcomes:
            return trial.outcomes[metric].unit
    return _unit_of_instrument(state, metric)


def _unit_of_instrument(state: CampaignState, metric: str) -> str:
    """What a simulated instrument measures in; hardware is not opened for that."""
    if not simulated(state.campaign):
        return "1"
    with opened(state.campaign, SimulatedClock(state.now)) as instrument:
        return instrument.describe().metrics.get(metric, "1")


def _unknown_trial(state: CampaignState, number: int) -> list[str]:
    numbers: Sequence[int] = [*state.history.training, *state.history.trials]
    if number in numbers:
        return []
    there = f"{min(numbers)} to {max(numbers)}" if numbers else "none yet"
    return [f"trial {number}: there is no such trial; the campaign has {there}"]


def _unknown_metrics(state: CampaignState, results: Mapping[str, float]) -> list[str]:
    objectives = state.campaign.objectives
    known = {metric for spec in objectives for metric in measured(spec)}
    known |= {spec.metric for spec in state.campaign.constraints}
    known |= {metric for trial in state.history.trials.values() for metric in trial.outcomes}
    known -= {spec.metric for spec in objectives if spec.curve is not None}  # it is computed
    return [
        f"metric {metric!r}: the campaign measures {', '.join(sorted(known))}"
        for metric in results
        if metric not in known
    ]
