"""From a campaign file to a running engine, and from a stored campaign back to one."""

from __future__ import annotations

import ast
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from campaigns.campaign import Campaign, CampaignError, load
from campaigns.expression import parse as parse_expression
from instruments import registry as instruments
from instruments.base import Card, Clock, Instrument
from loop import start
from loop.admission import Exchange
from loop.clock import EPOCH, RealClock, SimulatedClock
from loop.early import EarlyPredictor, TrainingFailed, recorded_cells
from loop.engine import Engine
from loop.environment import environment
from loop.events import Body, Changed, Created, EngineStarted
from loop.history import History
from loop.journal import Listener
from loop.lab import Lab
from loop.optimizers import registry as optimizers
from loop.optimizers.base import NothingToRecommend
from loop.restoring import restore
from loop.state import CampaignState
from loop.store.store import Lease, Store
from loop.units import UnitError
from surrogates import registry as surrogates

FEWEST_TRAINING_CELLS = 8  # jackknife+ intervals need as many


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


def inspect(campaign: Campaign) -> Card:
    """Open the parts to see that they fit together. Raises CampaignError with all that is wrong."""
    problems: list[str] = []
    card: Card | None = None
    problems += _optimizer_problems(campaign)
    clock = SimulatedClock() if _simulated(campaign) else RealClock()
    try:
        with opened(campaign, clock) as instrument:
            card = instrument.describe()
        problems += _misfits(campaign, card)
    except (ValueError, KeyError) as error:
        problems += _lines(error, "instrument.options")
    problems += _predictor_problems(campaign)
    problems += _execution_problems(campaign)
    problems += _plan_problems(campaign)
    if problems or card is None:
        raise CampaignError(problems)
    return card


def _optimizer_problems(campaign: Campaign) -> list[str]:
    """Wrong options, or a campaign that the optimiser cannot serve (several objectives, say)."""
    spec = campaign.optimizer
    try:
        optimizer = optimizers.create(spec.kind, spec.options)
        optimizer.recommend(campaign, History(campaign.space.names))
    except CampaignError as error:
        return list(error.problems)
    except NothingToRecommend:
        pass  # the right answer to an empty history
    return []


def _lines(error: Exception, where: str) -> list[str]:
    if isinstance(error, CampaignError):
        return list(error.problems)
    text = str(error)
    return [text if text.startswith("instrument.") else f"{where}: {text}"]


def _misfits(campaign: Campaign, card: Card) -> list[str]:
    """Where campaign and instrument do not fit: metrics, settings, units, series."""
    metrics = [("objectives", spec.metric) for spec in campaign.objectives]
    metrics += [("constraints", spec.metric) for spec in campaign.constraints]
    problems = [
        f"{where}: {card.kind} does not measure {metric!r}; it measures {', '.join(card.metrics)}"
        for where, metric in metrics
        if metric not in card.metrics
    ]
    space = campaign.space
    names = {item.name for item in (*space.parameters, *space.derived)}
    taken = {setting.name for setting in card.settings}
    if not card.open_settings:
        problems += [
            f"space.parameters.{name}: {card.kind} takes no such setting; it takes "
            f"{', '.join(sorted(taken))}"
            for name in sorted(names - taken)
        ]
    else:
        problems += _unseen(campaign, card, taken)
    problems += _texts(campaign, card)
    problems += [
        f"space.parameters: {card.kind} needs {setting.name!r} ({setting.unit})"
        for setting in card.settings
        if setting.name not in names and not setting.optional
    ]
    if campaign.instrument.channels > card.channels:
        problems.append(
            f"instrument.channels: {campaign.instrument.channels} are wanted, {card.kind} has "
            f"{card.channels}"
        )
    if campaign.early_prediction is not None and not card.series:
        problems.append(
            f"early_prediction: {card.kind} gives no per-cycle series to predict from; leave the "
            "section out"
        )
    try:
        Exchange.between(campaign, card)
    except UnitError as error:
        problems.append(f"units: {error}")
    return problems


def _unseen(campaign: Campaign, card: Card, taken: set[str]) -> list[str]:
    """Parameters that would be varied though nobody looks at them."""
    formulas = [parse_expression(derived.expression) for derived in campaign.space.derived]
    nodes = (node for formula in formulas for node in ast.walk(formula))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    return [
        f"space.parameters.{name}: {card.kind} does not look at it; it takes "
        f"{', '.join(sorted(taken))}"
        for name in campaign.space.names
        if name not in taken and name not in used
    ]


def _texts(campaign: Campaign, card: Card) -> list[str]:
    """Parameters that are words where the instrument takes numbers."""
    numeric = {setting.name for setting in card.settings if not setting.options}
    return [
        f"space.parameters.{parameter.name}: {card.kind} takes a number, not a text"
        for parameter in campaign.space.parameters
        if parameter.name in numeric and parameter.kind != "number"
    ]


def _predictor_problems(campaign: Campaign) -> list[str]:
    spec = campaign.early_prediction
    if spec is None:
        return []
    if spec.at_cycle == "adaptive":
        return [
            "early_prediction.at_cycle: 'adaptive' is not available in this release; give a "
            "number of cycles"
        ]
    try:
        surrogates.target(spec.kind)(
            at_cycle=spec.at_cycle, model=spec.model, level=spec.level, **dict(spec.options)
        )
    except (ValueError, TypeError) as error:
        return [f"early_prediction: {error}"]
    if spec.training.simulate and spec.training.simulate < FEWEST_TRAINING_CELLS:
        return [
            f"early_prediction.training.simulate: {spec.training.simulate} is too few; at least "
            f"{FEWEST_TRAINING_CELLS} cells are needed"
        ]
    if spec.training.folder:
        try:
            recorded_cells(spec.training.folder, spec.training.splits or ())
        except TrainingFailed as error:
            return [str(error)]
    return []


def _execution_problems(campaign: Campaign) -> list[str]:
    """Instruments that compute inside the engine need no workers; a cluster is not there yet."""
    if campaign.execution.kind != "dask":
        return []
    return ["execution.kind: 'dask' is not available in this release; allowed: inline, process"]


def _plan_problems(campaign: Campaign) -> list[str]:
    """Parts of the file that contradict each other."""
    problems = []
    if "channels" in campaign.instrument.options:
        problems.append("instrument.options.channels: belongs into [instrument] as channels")
    wanted, trials = len(campaign.start.settings), campaign.budget.trials
    if trials is not None and wanted > trials:
        problems.append(f"start.settings: {wanted} settings, but budget.trials = {trials}")
    return problems


@contextmanager
def opened(campaign: Campaign, clock: Clock, running: int = 0) -> Iterator[Instrument]:
    """The campaign's instrument, open while the block lasts, with room for what runs already."""
    spec = campaign.instrument
    options = {**spec.options, "channels": max(spec.channels, running)}
    instrument = instruments.open_instrument(spec.kind, options, clock, campaign.files)
    try:
        yield instrument
    finally:
        instrument.close()


def create(store: Store, campaign: Campaign, origin: str = "run") -> str:
    """Freeze the campaign in the store; returns its id. Raises CampaignError."""
    start.check(store, campaign)
    simulated = _simulated(campaign)
    epoch = EPOCH if simulated else datetime.now(UTC)
    body = Created(
        name=campaign.name,
        digest=campaign.digest,
        seed=campaign.seed,
        epoch=epoch.isoformat(),
        environment=environment(),
        origin=origin,
    )
    return store.create(campaign.name, campaign.text, campaign.files, body)


def _simulated(campaign: Campaign) -> bool:
    return bool(instruments.target(campaign.instrument.kind).simulated)


@contextmanager
def engine(
    store: Store,
    campaign_id: str,
    *,
    changes: Mapping[str, Any] | None = None,
    listener: Listener | None = None,
    growth: float = 0.1,
) -> Iterator[Engine]:
    """An engine that holds the campaign's lease while the block lasts.

    changes: new values by path (`budget.*`, `instrument.channels`), journalled before it starts.
    Raises LeaseHeld while another engine lives, CampaignError for a change that is not allowed.
    """
    lease = store.acquire(campaign_id)
    try:
        state = restore(store, campaign_id)
        if state.origin == "import":
            raise CampaignError(
                [f"{campaign_id}: was recorded elsewhere; it can be read and audited, not run on"]
            )
        if changes or not state.over:
            _journal(store, campaign_id, state, lease, _openings(state, lease, changes or {}))
        clock = SimulatedClock(state.now) if _simulated(state.campaign) else RealClock()
        with opened(state.campaign, clock, len(state.attempts)) as instrument:
            lab = _lab(store, campaign_id, state.campaign, instrument, clock)
            yield Engine(store, campaign_id, state, lab, lease, listener, growth)
    finally:
        store.release(lease)


def _lab(
    store: Store, campaign_id: str, campaign: Campaign, instrument: Instrument, clock: Clock
) -> Lab:
    spec = campaign.optimizer
    predictor = None
    if campaign.early_prediction is not None:
        predictor = EarlyPredictor(store, campaign_id, campaign)
    optimizer = optimizers.create(spec.kind, spec.options)
    return Lab(campaign, instrument, optimizer, clock, predictor)


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
