"""Ruling in a campaign from outside: at once where nobody runs it, else through its engine."""

from __future__ import annotations

import getpass
import os
import signal
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from campaigns.campaign import CampaignError
from campaigns.records import Setting, Value
from loop import rulings
from loop.events import Verdict
from loop.journal import Listener
from loop.launch import engine
from loop.opening import simulated
from loop.restoring import restore
from loop.ruled import Answer, ruled
from loop.rulings import Add, Approve, Correct, Exclude, Modify, Reject, Resolve, Ruling
from loop.state import CampaignState
from loop.store.errors import LeaseHeld
from loop.store.rulings import OPEN, REFUSED
from loop.store.store import Store

PATIENCE_S = 30.0  # how long to wait for a running engine: to answer, or to let go
PAUSE_S = 0.1  # between two looks


def rule(store: Store, campaign_id: str, ruling: Ruling, patience_s: float = PATIENCE_S) -> Answer:
    """Carry a ruling out, or have the engine that holds the campaign do it.

    Raises CampaignError where it cannot be carried out; LeaseHeld where the engine does not answer.
    """
    try:
        return _directly(store, campaign_id, ruling)
    except LeaseHeld:
        number = store.file_ruling(campaign_id, rulings.encode(ruling))
    deadline = time.monotonic() + patience_s
    try:
        while time.monotonic() < deadline:
            state, answer = store.ruling(number)
            if state == REFUSED:
                raise CampaignError([answer])
            if state != OPEN:
                return Answer.of(answer)
            time.sleep(PAUSE_S)
    finally:  # nobody waits for it any more
        taken_back = store.withdraw_ruling(number)
    if not taken_back:  # it was answered at the last moment
        return Answer.of(store.ruling(number)[1])
    return _directly(store, campaign_id, ruling)  # the engine may have ended meanwhile


def _directly(store: Store, campaign_id: str, ruling: Ruling) -> Answer:
    """Carry a ruling out here. Raises LeaseHeld while an engine runs the campaign."""
    lease = store.acquire(campaign_id)
    try:
        state = restore(store, campaign_id)
        bodies, answer = ruled(state, ruling, _now(state))
        store.append(campaign_id, bodies, fence=lease.fence)
    finally:
        store.release(lease)
    return answer


def _now(state: CampaignState) -> float:
    """Campaign seconds: of the last event where the clock is simulated, else of the wall."""
    if simulated(state.campaign):
        return state.time
    return max(state.time, state.seconds(datetime.now(UTC)))


def person() -> str:
    """Who rules, where nobody says: the user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return f"user {os.getuid()}"


def add(
    store: Store,
    campaign_id: str,
    setting: Setting,
    results: Mapping[str, float] | None = None,
    reason: str = "",
) -> int:
    """Add a trial by hand: to be run, or with its `results` already known.

    results are means in the campaign's units. Returns the trial's number. Raises CampaignError for
    a setting outside the space or a metric the campaign does not know.
    """
    return rule(store, campaign_id, Add(setting, results, reason)).trial


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
    rule(store, campaign_id, Correct(trial, metric, value, sem, reason))


def exclude(
    store: Store, campaign_id: str, trial: int, reason: str = "", excluded: bool = True
) -> None:
    """Take a trial out of the learning data, or back in. Raises CampaignError."""
    rule(store, campaign_id, Exclude(trial, excluded, reason))


def approve(
    store: Store, campaign_id: str, trial: int, who: str, reason: str = "", digest: str = ""
) -> Answer:
    """Let a trial run that awaits approval: the payload that awaits it now, or that of `digest`.

    Raises CampaignError.
    """
    asked = restore(store, campaign_id).awaiting.get(trial)
    digest = digest or ("" if asked is None else asked.digest)
    return rule(store, campaign_id, Approve(trial, who, reason, digest))


def modify(
    store: Store,
    campaign_id: str,
    trial: int,
    changes: Mapping[str, Value],
    who: str,
    reason: str = "",
    approve: bool = False,
) -> Answer:
    """Run another setting in a trial's place; it awaits approval unless approved at once.

    Raises CampaignError for a trial that runs already and for a setting outside the space.
    """
    return rule(store, campaign_id, Modify(trial, who, changes, reason, approve))


def reject(store: Store, campaign_id: str, trial: int, who: str, reason: str) -> Answer:
    """Refuse a trial before it runs. Raises CampaignError."""
    return rule(store, campaign_id, Reject(trial, who, reason))


def resolve(
    store: Store,
    campaign_id: str,
    trial: int,
    verdict: Verdict,
    who: str,
    reason: str = "",
    results: Mapping[str, float] | None = None,
) -> Answer:
    """Say what became of a lost trial. Raises CampaignError for one that is not lost."""
    return rule(store, campaign_id, Resolve(trial, who, verdict, reason, results or {}))


def stop(
    store: Store,
    campaign_id: str,
    reason: str = "stopped by a person",
    listener: Listener | None = None,
) -> CampaignState:
    """End a campaign; a running engine on this machine is asked to let go first.

    Returns how it stands then: also one that was over before. Raises LeaseHeld where the engine
    runs elsewhere or does not let go.
    """
    _ask_to_let_go(store, campaign_id)
    state = restore(store, campaign_id)
    if state.over:
        return state
    with engine(store, campaign_id, listener=listener) as runner:
        runner.end(reason)
        return runner.state


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
        time.sleep(PAUSE_S)
