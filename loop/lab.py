"""What a campaign runs on: its instrument, optimiser, clock, stopper and early predictor."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from campaigns.campaign import Campaign
from campaigns.records import Setting
from instruments.base import Card, Clock, Instrument, Job
from loop.admission import Exchange
from loop.early import EarlyPredictor
from loop.optimizers.base import Optimizer
from loop.stopping import FixedHorizon, Stopper


@dataclass(frozen=True)
class Lab:
    """The parts of one running campaign. Raises UnitError where units do not fit."""

    campaign: Campaign
    instrument: Instrument
    optimizer: Optimizer
    clock: Clock
    predictor: EarlyPredictor | None = None
    stopper: Stopper = field(default_factory=FixedHorizon)

    def __post_init__(self) -> None:
        _ = self.exchange  # built now, so that a wrong unit is told before anything runs

    @cached_property
    def card(self) -> Card:
        """What the instrument says of itself."""
        return self.instrument.describe()

    @cached_property
    def exchange(self) -> Exchange:
        """Conversion between the campaign's units and the instrument's."""
        return Exchange.between(self.campaign, self.card)

    def job(self, number: int, attempt: int, setting: Setting, since: datetime, key: str) -> Job:
        """One attempt as the instrument gets it."""
        return Job(
            key=key,
            parameters=self.exchange.parameters(setting),
            seed=(self.campaign.seed, number, attempt),
            started_at=since,
            checkpoints=() if self.predictor is None else (self.predictor.at_cycle,),
        )
