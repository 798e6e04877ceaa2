"""One campaign read from its journal for people: a line a trial, its runs, what was recommended."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from campaigns.campaign import Campaign, parse
from campaigns.records import (
    Failure,
    Observation,
    Prediction,
    Purpose,
    Recommendation,
    Setting,
    Trial,
)
from loop.events import (
    AttemptFailed,
    Corrected,
    Created,
    Ended,
    EngineStarted,
    Event,
    Observed,
    Passed,
    Predicted,
    Recommended,
    Resolved,
    Revised,
    Submitting,
)
from loop.model_cards import stored
from loop.reporting.persons import Ruling, rulings
from loop.reporting.stops import Stops
from loop.reporting.tally import Tally
from loop.state import CampaignState
from loop.store.store import Store

if TYPE_CHECKING:
    from surrogates.model_card import ModelCard

MOST_CANDIDATES = 2000  # above that the best true value of all is not looked for


@dataclass
class Line:
    """One trial with its prediction and its measurement of the first objective side by side."""

    trial: Trial
    started: float | None = None  # campaign seconds
    ended: float | None = None
    hours: float = 0.0  # over all attempts
    prediction: Prediction | None = None
    observation: Observation | None = None
    failures: list[Failure] = field(default_factory=list)  # of all attempts


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt on one channel, from `start` to `end` in campaign seconds."""

    trial: int
    channel: int
    start: float
    end: float
    state: str  # of its trial after it; "failed" where it was tried again
    training: bool
    step: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where the search stood: trials over, instrument-hours used, best outcome seen.

    hours: of ended attempts, and those for which running ones have held their channels so far: a
    prediction comes before the end of its attempt, whose hours are not booked yet.
    """

    time: float  # campaign seconds
    trials: int
    best: float | None
    recommendation: Recommendation | None = None  # given just then
    hours: float = 0.0
    ended: int | None = None  # the trial that was over just then


@dataclass
class Record:
    """Everything a report tells."""

    campaign_id: str
    store: str
    state: CampaignState
    frozen: Campaign  # as it was created; budget and channels may have changed since
    events: int
    recorded: tuple[str, str]  # wall clock of the first and last event, ISO 8601
    environment: Mapping[str, str]
    engines: int
    lines: dict[int, Line]
    runs: list[Run]
    moments: list[Moment]
    tally: Tally
    rulings: tuple[Ruling, ...]
    text: str
    stops: Stops | None
    cards: list[tuple[str, ModelCard]]  # early predictors by digest, oldest first

    @property
    def campaign(self) -> Campaign:
        return self.state.campaign

    @property
    def search(self) -> list[Line]:
        """The lines that count for the search, in the order they were proposed."""
        return [line for line in self.lines.values() if line.trial.purpose is not Purpose.TRAINING]


def read(store: Store, campaign_id: str) -> Record:
    """The record of a campaign. Raises StoreError."""
    text, files = store.document(campaign_id)
    events = store.events(campaign_id)
    frozen = parse(text, files)
    state = CampaignState.of(frozen, events[:1])
    reader = _Reader(state)
    for event in events[1:]:
        state.apply(event)
        reader.take(event)
    lines = reader.finished()
    created = events[0].body
    assert isinstance(created, Created)
    return Record(
        campaign_id=campaign_id,
        store=store.url,
        state=state,
        frozen=frozen,
        events=len(events),
        recorded=(events[0].recorded_at, events[-1].recorded_at),
        environment=created.environment,
        engines=sum(isinstance(event.body, EngineStarted) for event in events),
        lines=lines,
        runs=_placed(reader.runs, [step.name for step in frozen.steps]),
        moments=_with_hours(reader.moments, reader.runs),
        tally=Tally.of(events),
        rulings=rulings(events),
        text=text,
        stops=Stops.of(events),
        cards=stored(store, events),
    )


class _Reader:
    """Follows the events beside the state."""

    def __init__(self, state: CampaignState) -> None:
        self._state = state
        self._metric = state.campaign.objectives[0].metric
        self._sign = state.campaign.objectives[0].sign
        self._lines: dict[int, Line] = {}
        self._open: dict[int, tuple[float, str]] = {}
        self._lost: dict[int, float] = {}  # hours by which the last end of a trial was charged
        self.runs: list[Run] = []
        self.moments: list[Moment] = []

    def take(self, event: Event) -> None:
        match event.body:
            case Submitting() as body:
                line = self._line(body.trial)
                self._open[body.trial] = body.time, body.step
                if line.started is None:
                    line.started = body.time
            case Predicted() | Revised() as body if body.prediction.metric == self._metric:
                self._line(body.trial).prediction = body.prediction
                self._moment()
            case Observed() | Corrected() as body if body.observation.metric == self._metric:
                self._line(body.trial).observation = body.observation
            case Passed() as body:
                self._close(body, "completed")
            case AttemptFailed() as body:
                self._line(body.trial).failures.append(body.failure)
                self._close(body, "failed")
            case Ended() as body:
                if body.failure is not None:
                    self._line(body.trial).failures.append(body.failure)
                self._close(body, str(body.state))
                self._lost[body.trial] = body.hours
                self._line(body.trial).ended = body.time
                self._moment(ended=body.trial)
            case Resolved(verdict="adopt") as body:
                self._take_back(body.trial)
            case Recommended() as body:
                self._moment(body.recommendation)
            case _:
                pass

    def _line(self, number: int) -> Line:
        if number not in self._lines:
            self._lines[number] = Line(self._state.history.trial(number))
        return self._lines[number]

    def _close(self, body: Passed | AttemptFailed | Ended, state: str) -> None:
        self._line(body.trial).hours += body.hours
        if body.trial not in self._open:
            return
        since, step = self._open.pop(body.trial)
        purpose = self._state.history.trial(body.trial).purpose
        end = min(body.time, since + body.hours * 3600.0)
        training = purpose is Purpose.TRAINING
        self.runs.append(Run(body.trial, 0, since, max(end, since), state, training, step))

    def _take_back(self, number: int) -> None:
        """A lost run that goes on: it has not ended, and its hours come with its end."""
        last = max(i for i, run in enumerate(self.runs) if run.trial == number)
        run = self.runs.pop(last)
        self._open[number] = run.start, run.step
        self._line(number).hours -= self._lost.pop(number, 0.0)

    def _moment(
        self, recommendation: Recommendation | None = None, ended: int | None = None
    ) -> None:
        state = self._state
        best = None if state.stall.best is None else state.stall.best * self._sign
        if self._metric_is_a_distance():
            best = None
        self.moments.append(Moment(state.time, state.ended, best, recommendation, ended=ended))

    def _metric_is_a_distance(self) -> bool:
        """The best value seen is kept signed; towards one value aimed at that says nothing."""
        return self._state.campaign.objectives[0].point is not None

    def finished(self) -> dict[int, Line]:
        """Every trial as it stands at the end, by number; also those that never started."""
        history = self._state.history
        for number, (since, step) in self._open.items():
            trial = history.trial(number)
            training = trial.purpose is Purpose.TRAINING
            end = max(self._state.time, since)
            self.runs.append(Run(number, 0, since, end, str(trial.state), training, step))
        for trial in (*history.training.values(), *history.trials.values()):
            self._line(trial.number).trial = trial
        return dict(sorted(self._lines.items()))


def _with_hours(moments: Sequence[Moment], runs: Sequence[Run]) -> list[Moment]:
    """The moments with the instrument-hours that the runs had used by then, training left out."""
    search = [run for run in runs if not run.training]
    starts = sorted(run.start for run in search)
    ends = sorted(run.end for run in search)
    begun, over = ([0.0, *accumulate(times)] for times in (starts, ends))

    def used(time: float) -> float:
        """Sum of time - start over the runs begun, less that of time - end over those over."""
        i, j = bisect_right(starts, time), bisect_right(ends, time)
        return max(0.0, (i - j) * time - begun[i] + over[j]) / 3600.0

    return [replace(moment, hours=used(moment.time)) for moment in moments]


def _placed(runs: Sequence[Run], steps: Sequence[str]) -> list[Run]:
    """The runs on channels, those of one step behind those of the step before."""
    placed: list[Run] = []
    for step in steps:
        first = 1 + max((run.channel for run in placed), default=-1)
        placed += _on_channels([run for run in runs if run.step == step], first)
    return placed


def _on_channels(runs: Sequence[Run], first: int) -> list[Run]:
    """The journal names no channels, so the lowest free one is taken, from `first` on."""
    placed: list[Run] = []
    busy: list[tuple[float, int]] = []  # (until, channel)
    free: list[int] = []
    opened = first
    for run in sorted(runs, key=lambda one: (one.start, one.trial)):
        while busy and busy[0][0] <= run.start + 1e-6:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            channel = heapq.heappop(free)
        else:
            channel = opened
            opened += 1
        heapq.heappush(busy, (run.end, channel))
        placed.append(replace(run, channel=channel))
    return placed


# what the instrument knows of the truth ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Truth:
    """Noise-free values of the first objective; `best` over all candidates where they are few."""

    recommended: tuple[float, ...]  # one a moment with a recommendation
    best: float | None


def truth_of(record: Record) -> Truth | None:
    """What a simulated instrument knows; None for a real one: no report ever opens that."""
    from instruments import registry
    from instruments.clock import SimulatedClock
    from loop.opening import opened, simulated
    from loop.station import stations, true_values

    campaign = record.campaign
    kinds = {step.instrument.kind for step in campaign.steps}
    if not kinds <= set(registry.known()) or not simulated(campaign):
        return None
    asked = [m.recommendation.parameters for m in record.moments if m.recommendation is not None]
    if not asked:
        return None
    everything = _all_settings(campaign)
    try:
        objective = campaign.objectives[0]
        with opened(campaign, SimulatedClock()) as instruments:
            known = stations(campaign, instruments)
            line = {step.name: known[step.name] for step in campaign.steps}  # no cheaper fidelity
            found = true_values(line, objective, [*asked, *everything])
    except (ValueError, KeyError):  # the instrument's options or table do not fit this release
        return None
    values = [value for value in found or () if value is not None]
    if found is None or len(values) < len(found):
        return None
    sign = objective.sign
    best = max((sign * value for value in values[len(asked) :]), default=None)
    if objective.point is not None:
        best = None
    return Truth(tuple(values[: len(asked)]), None if best is None else sign * best)


def _all_settings(campaign: Campaign) -> Sequence[Setting]:
    if not campaign.space.finite or len(campaign.space.candidates) > MOST_CANDIDATES:
        return ()
    return campaign.space.candidates
