"""One run of a what-if: the ordinary engine, on a store in memory, in the recorded world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from campaigns.campaign import Campaign, parse
from campaigns.records import Purpose, Setting
from instruments.clock import EPOCH, SimulatedClock
from loop.engine import Engine
from loop.environment import environment
from loop.events import Created
from loop.lab import Lab
from loop.optimizers import registry as optimizers
from loop.state import RECORDED, CampaignState
from loop.stopping_choice import stopper_of
from loop.store.store import Lease, Store
from loop.whatif_early import RecordedPredictor
from loop.whatif_world import RecordedWorld, World

AS_RECORDED = "recorded"
SELDOM = 1e6  # growth between recommendations: only the last one is looked at


@dataclass(frozen=True, order=True)
class Case:
    """One line of the comparison."""

    optimizer: str
    channels: int
    early: str = AS_RECORDED

    def __str__(self) -> str:
        return f"{self.optimizer}, {self.channels} channels, early {self.early}"


@dataclass(frozen=True)
class Task:
    """Everything a worker process needs."""

    case: Case
    text: str
    files: Mapping[str, bytes]
    seed: int
    world: World


@dataclass(frozen=True)
class Run:
    """What came of one run: the recommended setting (None: nothing was found out), the settings of
    the tests it asked for, the channel-hours and lab-days these took, the training
    cells of an early predictor among them, and how many gave nothing."""

    recommended: Setting | None
    asked: tuple[Setting, ...]
    channel_hours: float
    lab_days: float
    without_result: int
    ended: str


def run_one(task: Task) -> Run:
    """Raises BadProposal, InstrumentError, StoreError, ValueError."""
    campaign = parse(task.text, task.files, {"seed": task.seed})
    with Store.open("sqlite://") as store:
        body = Created(
            name=campaign.name,
            digest=campaign.digest,
            seed=campaign.seed,
            epoch=EPOCH.isoformat(),
            environment=environment(),
        )
        campaign_id = store.create(campaign.name, campaign.text, campaign.files, body)
        lease = store.acquire(campaign_id)
        try:
            return _ran(store, campaign_id, campaign, lease, task.world)
        finally:
            store.release(lease)


def _ran(store: Store, campaign_id: str, campaign: Campaign, lease: Lease, world: World) -> Run:
    state = CampaignState.of(campaign, store.events(campaign_id))
    clock = SimulatedClock(state.now)
    instrument = RecordedWorld(world, campaign.space, campaign.instrument.channels, clock)
    optimizer = optimizers.create(campaign.optimizer.kind, campaign.optimizer.options)
    horizon, predictor = world.horizon, None
    if horizon is not None:
        predictor = RecordedPredictor(store, campaign_id, campaign, horizon, instrument)
    lab = Lab(campaign, (instrument,), optimizer, clock, predictor, stopper_of(campaign))
    Engine(store, campaign_id, state, lab, lease, growth=SELDOM, patient=False).run()
    metric = campaign.objectives[0].metric
    asked = [
        trial
        for trial in state.history.trials.values()
        if trial.author != RECORDED and trial.purpose is not Purpose.CHECK and trial.attempt
    ]
    best = state.recommendation
    training = 0.0 if horizon is None else horizon.training_hours
    return Run(
        recommended=None if best is None else dict(best.parameters),
        asked=tuple(dict(trial.parameters) for trial in asked),
        channel_hours=state.cost.instrument_hours + training,
        lab_days=state.cost.lab_days + training / 24.0 / campaign.instrument.channels,
        without_result=sum(metric not in trial.outcomes for trial in asked),
        ended=state.reason,
    )
