"""What a stored campaign says of the lab it ran in: tests by setting, lost cells, hours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median, pstdev
from typing import TypeAlias

from campaigns.campaign import Campaign, CampaignError
from campaigns.objective import Objective
from campaigns.records import (
    Bound,
    Failure,
    FailureKind,
    Outcome,
    Prediction,
    Purpose,
    Setting,
    Trial,
    TrialState,
)
from campaigns.space import Space
from loop.events import AttemptFailed, Ended, Event, Measured
from loop.history import History, Key
from loop.restoring import restore
from loop.state import RECORDED
from loop.store.store import Store

DIGITS = 9  # settings are equal when their numbers agree to this many decimals
OF_THE_CELL = frozenset(
    {FailureKind.EARLY_DEATH, FailureKind.OUT_OF_RANGE, FailureKind.NOT_CONVERGED}
)  # a setting's own failures; all others are the lab's, and may hit any test
STEADY = 0.1  # relative scatter of hours / value below which a test lasts as long as its value says

Place: TypeAlias = Key


@dataclass(frozen=True)
class Test:
    """One recorded test.

    outcomes: what is known of its metrics; hours: how long it held its channel, None where nobody
    wrote it down; failure: its setting's own, if any; cycles: up to which per-cycle data with
    curves are stored, 0: none; training: whether the early predictor learnt from it; life: cycles
    it lasts, where they are more than those stored.
    """

    trial: int
    outcomes: Mapping[str, Outcome]
    hours: float | None
    failure: Failure | None = None
    cycles: int = 0
    training: bool = False
    life: float | None = None

    @property
    def predicted(self) -> bool:
        """Whether it was stopped on a prediction."""
        return any(isinstance(one, Prediction) for one in self.outcomes.values())


@dataclass(frozen=True)
class Fault:
    """One recorded attempt that the lab lost: an assembly, a channel, a gap in the data."""

    kind: FailureKind
    hours: float
    reason: str


@dataclass(frozen=True)
class Record:
    """All that a campaign measured.

    settings:  the settings with an outcome, first measured first, by their place
    tests:     their tests; only tests of the campaign's instrument, no excluded ones
    faults:    attempts lost to the lab, of `attempts` in all
    asked:     tests that the search and the campaign's start had made, what a rival may spend
    units:     of the metrics, as the campaign stores them
    """

    settings: Mapping[Place, Setting]
    tests: Mapping[Place, tuple[Test, ...]]
    faults: tuple[Fault, ...]
    attempts: int
    asked: int
    units: Mapping[str, str]
    objective: Objective
    test_hours: float | None = field(default=None)  # of tests whose hours nobody wrote down

    @property
    def fault_rate(self) -> float:
        """Share of the attempts that the lab lost."""
        return len(self.faults) / self.attempts if self.attempts else 0.0

    @property
    def usual_hours(self) -> float:
        """How long a test takes: the median, else what was said, else nothing."""
        known = [test.hours for test in self.every() if test.hours is not None]
        return median(known) if known else self.test_hours or 0.0

    def every(self) -> Iterable[Test]:
        """All tests."""
        return (test for tests in self.tests.values() for test in tests)

    def hours_per_value(self) -> float | None:
        """Hours a unit of the objective where tests last as long as their value says (a cell cycled
        to its end of life), None where they do not."""
        ratios = [
            test.hours / outcome.mean
            for test in self.every()
            if test.hours and (outcome := test.outcomes.get(self.objective.metric)) is not None
            if outcome.mean > 0 and outcome.bound is Bound.EXACT
        ]
        hours = [test.hours for test in self.every() if test.hours]
        if len(ratios) < 3 or pstdev(hours) <= STEADY * fmean(hours):
            return None
        return fmean(ratios) if pstdev(ratios) <= STEADY * fmean(ratios) else None

    def values(self, place: Place) -> list[float]:
        """The exact outcomes of the objective at a setting."""
        found = (test.outcomes.get(self.objective.metric) for test in self.tests[place])
        return [one.mean for one in found if one is not None and one.bound is Bound.EXACT]

    def mean(self, place: Place) -> float | None:
        """Plain mean of what was found at a setting; None where nothing exact was."""
        values = self.values(place) if place in self.tests else []
        return math.fsum(values) / len(values) if values else None


def place_of(space: Space, setting: Setting) -> Place:
    """What identifies a setting, free of the last digits of its numbers."""
    return tuple(
        round(value, DIGITS) if isinstance(value, float) else value for value in space.key(setting)
    )


def read(store: Store, campaign_id: str, test_hours: float | None = None) -> Record:
    """The record of a stored campaign.

    Raises CampaignUnknown, StoreDamaged; CampaignError where its kind of campaign cannot be run
    on a record, or nothing was measured.
    """
    state = restore(store, campaign_id)
    campaign, history = state.campaign, state.history
    problems = unfit(campaign)
    if problems:
        raise CampaignError([f"{campaign_id}: {problem}" for problem in problems])
    events = store.events(campaign_id)
    hours, faults = _durations(events, history)
    cycles = _cycles(events)
    trials = [trial for trial in _all(history) if _counts(trial)]
    settings: dict[Place, Setting] = {}
    tests: dict[Place, list[Test]] = {}
    metric = campaign.objectives[0].metric
    for trial in trials:
        test = _test(trial, hours.get(trial.number), metric)
        if test is not None:
            test = replace(test, cycles=cycles.get((trial.number, trial.attempt), 0))
        if test is not None:
            place = place_of(campaign.space, trial.parameters)
            settings.setdefault(place, dict(trial.parameters))
            tests.setdefault(place, []).append(test)
    if not any(metric in test.outcomes for found in tests.values() for test in found):
        raise CampaignError([f"{campaign_id}: no {metric} was recorded; nothing can be replayed"])
    ran = [trial for trial in trials if trial.attempt and trial.state.terminal]
    units = {m: o.unit for found in tests.values() for t in found for m, o in t.outcomes.items()}
    return Record(
        settings=settings,
        tests={place: tuple(found) for place, found in tests.items()},
        faults=tuple(faults),
        attempts=len(faults) + sum(test.hours is not None for t in tests.values() for test in t),
        asked=sum(trial.purpose in (Purpose.SEARCH, Purpose.START) for trial in ran),
        units=units,
        objective=campaign.objectives[0],
        test_hours=test_hours,
    )


def unfit(campaign: Campaign) -> list[str]:
    """Why a campaign cannot be run on its record."""
    found = []
    if campaign.steps[0].name:
        found.append("has several steps; what-if replays campaigns of one [instrument]")
    if campaign.fidelities:
        found.append("has fidelities; what-if replays campaigns of one [instrument]")
    if len(campaign.objectives) > 1:
        found.append("has several objectives; what-if compares the value of one")
    elif campaign.objectives[0].curve is not None or campaign.objectives[0].point is not None:
        found.append("aims at a target; what-if compares a metric that is to be large or small")
    return found


def _all(history: History) -> Sequence[Trial]:
    return [*history.training.values(), *history.trials.values()]


def _counts(trial: Trial) -> bool:
    """Whether the campaign's instrument measured it, and nobody has taken it out."""
    return not trial.excluded and not trial.fidelity and trial.purpose is not Purpose.CHECK


def _test(trial: Trial, hours: float | None, metric: str) -> Test | None:
    """What a trial tells of its setting; None where the lab lost it, it is not over, or it was
    stopped from outside before its value was known."""
    failure = trial.failure if trial.state is TrialState.FAILED else None
    if failure is not None and failure.kind not in OF_THE_CELL:
        return None
    outcome = trial.outcomes.get(metric)
    if failure is None and (outcome is None or outcome.bound is not Bound.EXACT):
        return None
    training = trial.purpose is Purpose.TRAINING
    return Test(trial.number, dict(trial.outcomes), hours, failure, training=training)


def _durations(events: Iterable[Event], history: History) -> tuple[dict[int, float], list[Fault]]:
    """Hours of the attempt that ended each trial, and the attempts that the lab lost."""
    hours: dict[int, float] = {}
    faults: list[Fault] = []
    for event in events:
        body = event.body
        if not isinstance(body, Ended | AttemptFailed) or not body.attempt:
            continue  # attempt 0: given by a person or a file
        trial = history.trial(body.trial)
        if not _counts(trial) or trial.author == RECORDED:
            continue
        failure = body.failure
        if failure is not None and failure.kind not in OF_THE_CELL | {FailureKind.REJECTED}:
            faults.append(Fault(failure.kind, body.hours, failure.reason))
        elif isinstance(body, Ended):
            hours[body.trial] = body.hours
    return hours, faults


def _cycles(events: Iterable[Event]) -> dict[tuple[int, int], int]:
    """Up to which cycle there are data with curves, by trial and attempt."""
    found: dict[tuple[int, int], int] = {}
    curves: set[tuple[int, int]] = set()
    for event in events:
        if isinstance(body := event.body, Measured):
            found[body.trial, body.attempt] = body.until
            if body.curves:
                curves.add((body.trial, body.attempt))
    return {one: until for one, until in found.items() if one in curves}
