"""From a campaign file to a running engine, and from a stored campaign back to one."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from campaigns.campaign import Campaign, CampaignError, load
from instruments import registry as instruments
from instruments.base import Clock, Instrument
from instruments.clock import EPOCH, RealClock, SimulatedClock
from loop import start
from loop.early import EarlyPredictor
from loop.engine import Engine
from loop.environment import environment
from loop.events import Body, Changed, Created, EngineStarted
from loop.inspection import execution_problems, inspect
from loop.journal import Listener
from loop.lab import Lab
from loop.opening import occupied, opened, simulated
from loop.optimizers import registry as optimizers
from loop.restoring import restore
from loop.state import CampaignState
from loop.stopping_choice import stopper_of
from loop.store.store import Lease, Store
from loop.store.work import board_of
from surrogates import registry as surrogates


def known() -> dict[str, tuple[str, ...]]:
    """The kinds a campaign file may name, by section."""
    return {
        "optimizer": optimizers.known(),
        "instrument": instruments.known(),
        "early_prediction": surrogates.known(),
    }


def read(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Campaign:
    """Load a campaign and check it against what is installed. Raises CampaignError."""
    changes = dict(overrides or {})
    campaign = load(name_or_path, changes, known=known())
    spec = campaign.early_prediction
    if spec is not None and spec.training.folder and not Path(spec.training.folder).is_absolute():
        # relative to the campaign file, and found again from whatever folder it is resumed in
        folder = Path(name_or_path).resolve().parent / spec.training.folder
        changes["early_prediction.training.folder"] = str(folder)
        campaign = load(name_or_path, changes, known=known())
    inspect(campaign)
    return campaign


def create(store: Store, campaign: Campaign, origin: str = "run") -> str:
    """Freeze the campaign in the store; returns its id. Raises CampaignError."""
    start.check(store, campaign)
    epoch = EPOCH if simulated(campaign) else datetime.now(UTC)
    body = Created(
        name=campaign.name,
        digest=campaign.digest,
        seed=campaign.seed,
        epoch=epoch.isoformat(),
        environment=environment(),
        origin=origin,
    )
    return store.create(campaign.name, campaign.text, campaign.files, body)


@contextmanager
def engine(
    store: Store,
    campaign_id: str,
    *,
    changes: Mapping[str, Any] | None = None,
    listener: Listener | None = None,
    growth: float = 0.1,
    patient: bool = True,
) -> Iterator[Engine]:
    """An engine that holds the campaign's lease while the block lasts.

    changes: new values by path (`budget.*`, `instrument.channels`, `execution.*`), journalled
        before it starts.
    Raises LeaseHeld while another engine lives, CampaignError for a change that is not allowed.
    """
    lease = store.acquire(campaign_id)
    try:
        state = restore(store, campaign_id)
        if state.origin == "import":
            raise CampaignError(
                [f"{campaign_id}: was recorded elsewhere; it can be read and audited, not run on"]
            )
        changed = _changed(state.campaign, changes or {})
        clock = SimulatedClock(state.now) if simulated(changed) else RealClock()
        with _instruments(store, changed, clock, state) as instruments:
            # not before the instrument is there: a change that cannot be served is not journalled
            if changes or not state.over:
                _journal(store, campaign_id, state, lease, _openings(state, lease, changes or {}))
            lab = _lab(store, campaign_id, state.campaign, instruments, clock)
            yield Engine(store, campaign_id, state, lab, lease, listener, growth, patient)
    finally:
        store.release(lease)


def _changed(campaign: Campaign, changes: Mapping[str, Any]) -> Campaign:
    """The campaign with the changes. Raises CampaignError, also for a cluster that is not there."""
    for path, value in changes.items():
        campaign = campaign.changed(path, value)
    if any(path.startswith("execution.") for path in changes):
        problems = execution_problems(campaign)
        if problems:
            raise CampaignError(problems)
    return campaign


@contextmanager
def _instruments(
    store: Store, campaign: Campaign, clock: Clock, state: CampaignState
) -> Iterator[tuple[Instrument, ...]]:
    """The campaign's instruments. Raises CampaignError where one cannot be opened here."""
    with ExitStack() as stack:
        try:
            there = opened(campaign, clock, occupied(state), board_of(store))
            found = stack.enter_context(there)
        except CampaignError:
            raise
        except ValueError as error:
            raise CampaignError([str(error)]) from error
        yield found


def _lab(
    store: Store,
    campaign_id: str,
    campaign: Campaign,
    instruments: tuple[Instrument, ...],
    clock: Clock,
) -> Lab:
    spec = campaign.optimizer
    predictor = None
    if campaign.early_prediction is not None:
        predictor = EarlyPredictor(store, campaign_id, campaign)
    optimizer = optimizers.create(spec.kind, spec.options)
    return Lab(campaign, instruments, optimizer, clock, predictor, stopper_of(campaign))


def _openings(state: CampaignState, lease: Lease, changes: Mapping[str, Any]) -> list[Body]:
    """What an engine writes before its first action."""
    campaign = state.campaign
    bodies: list[Body] = [EngineStarted(platform.node(), os.getpid(), lease.fence, environment())]
    for path, value in changes.items():
        campaign = campaign.changed(path, value)
        bodies.append(Changed(state.time, path, value))
    return bodies


def _journal(
    store: Store, campaign_id: str, state: CampaignState, lease: Lease, bodies: list[Body]
) -> None:
    for event in store.append(campaign_id, bodies, fence=lease.fence):
        state.apply(event)
