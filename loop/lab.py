"""What a campaign runs on: its instruments, optimiser, clock, stopper and early predictor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from campaigns.campaign import Campaign
from campaigns.records import Trial
from instruments.base import Clock, Instrument, Job
from loop.early import EarlyPredictor
from loop.optimizers.base import Optimizer
from loop.state import Attempt
from loop.station import Station, stations
from loop.stopping import FixedHorizon, Stopper

Moment = Callable[[float], datetime]  # campaign seconds -> when that is

SPAN = 1000  # seeds of the steps of one trial lie this far apart: more than it has attempts


@dataclass(frozen=True)
class Lab:
    """The parts of one running campaign. Raises UnitError where units do not fit."""

    campaign: Campaign
    instruments: tuple[Instrument, ...]  # in the order of `campaign.instruments`
    optimizer: Optimizer
    clock: Clock
    predictor: EarlyPredictor | None = None
    stopper: Stopper = field(default_factory=FixedHorizon)

    def __post_init__(self) -> None:
        _ = self.stations  # built now, so that a wrong unit is told before anything runs

    @cached_property
    def stations(self) -> Mapping[str, Station]:
        """Every instrument, by the name of its step or fidelity."""
        return stations(self.campaign, self.instruments)

    def line(self, fidelity: str = "") -> Mapping[str, Station]:
        """The stations on the way of a trial, in order."""
        return {step.name: self.stations[step.name] for step in self.campaign.way(fidelity)}

    def at(self, attempt: Attempt) -> Station:
        """Where an attempt is."""
        return self.stations[attempt.step]

    def after(self, station: Station) -> Station | None:
        """The next station on a trial's way, None behind the last one."""
        steps = self.campaign.steps
        return None if station.last else self.stations[steps[station.index + 1].name]

    def needed(self, station: Station) -> frozenset[str]:
        """Metrics of this station that later ones are set by."""
        later = [one for one in self.line().values() if one.index > station.index]
        names = {n for one in later for formula in one.formulas.values() for n in formula.names}
        return frozenset(names & set(station.card.metrics))

    @property
    def units(self) -> Mapping[str, str]:
        """The unit in which the campaign stores each metric."""
        return {
            metric: unit
            for station in self.line().values()
            for metric, unit in station.exchange.units.items()
        }

    def policies(self, fidelity: str = "") -> tuple[str, ...]:
        """Which jobs a person approves, one policy an instrument on the way."""
        return tuple(
            station.step.instrument.needs_approval or station.card.needs_approval
            for station in self.line(fidelity).values()
        )

    def job(self, attempt: Attempt, trial: Trial, moment: Moment) -> Job:
        """An attempt as the instrument of its step gets it."""
        station = self.at(attempt)
        return self._job(station, trial, attempt.number, moment(attempt.since), attempt.key)

    def jobs(self, trial: Trial, since: datetime) -> Iterator[tuple[Station, Job]]:
        """The trial's first attempt at every station whose inputs are known already."""
        for station in self.line(trial.fidelity).values():
            if station.knows(trial.parameters, known(trial)):
                yield station, self._job(station, trial, 1, since, "")

    def _job(self, station: Station, trial: Trial, attempt: int, since: datetime, key: str) -> Job:
        watched = self.predictor is not None and station.streams
        return Job(
            key=key,
            parameters=station.parameters(trial.parameters, known(trial)),
            seed=(self.campaign.seed, trial.number, attempt + SPAN * station.index),
            started_at=since,
            checkpoints=self.predictor.checkpoints if watched and self.predictor else (),
            sample=sample(key, attempt),
        )


def known(trial: Trial) -> dict[str, float]:
    """What has been measured of a trial by now, in the campaign's units."""
    return {metric: outcome.mean for metric, outcome in trial.outcomes.items()}


def sample(key: str, attempt: int) -> str:
    """The label of what a trial is done to, the same at every step: `coat-and-cycle-1-7.1`."""
    campaign, _, rest = key.partition("/")
    return f"{campaign}-{rest.partition('/')[0]}.{attempt}" if rest else ""
