"""Where a campaign stands: everything the engine must know, folded from its events alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from campaigns.campaign import Campaign
from campaigns.objective import Objective
from campaigns.records import (
    Bound,
    FailureKind,
    Outcome,
    Prediction,
    Purpose,
    Recommendation,
    Trial,
    TrialState,
)
from loop.events import (
    Approved,
    AttemptFailed,
    AwaitingApproval,
    Body,
    Changed,
    Corrected,
    Created,
    Decided,
    Ended,
    Event,
    Excluded,
    Finished,
    Fitted,
    Measured,
    Modified,
    Observed,
    Passed,
    Predicted,
    Proposed,
    Recommended,
    Resolved,
    Revised,
    Started,
    Submitting,
)
from loop.history import History, Key
from loop.stall import Stall

# kinds of events that can change a recommendation
LEARNT = (Proposed, Predicted, Revised, Observed, Ended, Corrected, Excluded, Modified, Resolved)
TELLING = (Observed, Corrected, Excluded)  # kinds that can show how far a prediction was off
RECORDED = "record"  # author of trials whose results were given, not run here


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that holds a channel: when it took it and how much of its data is stored."""

    trial: int
    number: int
    key: str
    since: float  # campaign seconds
    step: str = ""
    running: bool = False  # False: submitted, no answer stored yet
    cycle: int = 0  # all data up to this cycle are stored
    predicted: bool = False
    looked: int = 0  # its data up to this cycle have been looked at, whatever came of it
    stopping: bool = False  # a stop was decided, the end is not stored yet
    hours: float = 0.0  # of a lost attempt: what it was charged with


@dataclass(frozen=True, slots=True)
class Cost:
    """What a campaign has used so far."""

    instrument_hours: float = 0.0
    training_hours: float = 0.0
    first_start: float | None = None  # campaign seconds
    last_end: float | None = None

    @property
    def lab_days(self) -> float:
        if self.first_start is None or self.last_end is None:
            return 0.0
        return (self.last_end - self.first_start) / 86400.0


class CampaignState:
    """A campaign after its latest event. `apply` is the only way it changes."""

    def __init__(self, campaign: Campaign, epoch: datetime) -> None:
        self.campaign = campaign  # with the changes of budget and channels made so far
        self.epoch = epoch
        self.history = History(campaign.space.names)
        self.origin = "run"
        self.nonce = ""  # tells campaigns apart that have one name in different stores
        self.seq = 0
        self.head = ""
        self.time = 0.0
        self.status = "running"
        self.reason = ""
        self.cost = Cost()
        self.attempts: dict[int, Attempt] = {}  # by trial, those that hold a channel
        self.queue: dict[int, str] = {}  # trials that wait for a channel, in order: of which step
        self.awaiting: dict[int, AwaitingApproval] = {}  # trials that wait for a person's approval
        self.approved: dict[int, str] = {}  # trial -> digest of the payload that was approved
        self.lost: dict[int, Attempt] = {}  # trials of which a person must say what became of them
        self.counts: Counter[TrialState] = Counter()
        self.training_counts: Counter[TrialState] = Counter()
        self.asked = 0  # trials that count against budget.trials
        self.outlay = 0.0  # what these cost, in trials of the instrument
        self.rounds = 0
        self.ended = 0  # the instrument's trials that are over or predicted, no training cells
        self.exhausted = ""
        self.model = ""  # digest of the current early predictor
        self.bias_sd = 0.0  # of it, see `Fitted`
        self.training_proposed = False
        self.start_proposed = False
        self.record_proposed = False
        self.confirmed: set[Key] = set()  # settings that were repeated as winners
        self.checked: set[Key] = set()  # settings that were measured on the check's instrument
        self.recommendation: Recommendation | None = None
        self.recommended_at = 0  # `ended` when the latest recommendation was made
        self.recommended_seen = 0
        self.learnt = 0  # seq of the latest event that can change a recommendation
        self.measured = 0  # seq of the latest event that can tell of a predictor's bias
        self.stall = Stall()
        self.fruitless = 0  # trials in a row that ended without any outcome
        self.standing = 0  # calls of the optimiser since campaign time last moved

    @classmethod
    def of(cls, campaign: Campaign, events: Iterable[Event]) -> CampaignState:
        """The state after the events. Raises ValueError where the first is not `created`."""
        events = iter(events)
        first = next(events, None)
        if first is None or not isinstance(first.body, Created):
            raise ValueError("the journal does not begin with the creation of the campaign")
        state = cls(campaign, datetime.fromisoformat(first.body.epoch))
        state.origin, state.nonce = first.body.origin, first.hash[:8]
        state.apply(first)
        for event in events:
            state.apply(event)
        return state

    # reading ---------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """Campaign time of the latest event."""
        return self.moment(self.time)

    def moment(self, seconds: float) -> datetime:
        return self.epoch + timedelta(seconds=seconds)

    def seconds(self, moment: datetime) -> float:
        return (moment - self.epoch) / timedelta(seconds=1)

    def first_step(self, trial: int) -> str:
        """Where a trial begins; "" where the campaign's one instrument measures it."""
        return self.history.trial(trial).fidelity or self.campaign.steps[0].name

    def free(self, step: str) -> int:
        """Channels of an instrument that no attempt holds."""
        there = (one.instrument.channels for one in self.campaign.instruments if one.name == step)
        return next(there) - sum(attempt.step == step for attempt in self.attempts.values())

    @property
    def room(self) -> int:
        """How many more trials may be asked for: none while one waits between two steps, so that
        no sample is made that lies about while the search learns."""
        if any(step != self.first_step(trial) for trial, step in self.queue.items()):
            return 0
        doors = [self.campaign.steps[0], *self.campaign.fidelities]
        waiting = len(self.queue) + len(self.awaiting)
        return sum(self.free(step.name) for step in doors) - waiting

    @property
    def over(self) -> bool:
        return self.status != "running"

    # folding ---------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Take in the next event."""
        body = event.body
        self.history.apply(event.seq, body)
        self.seq, self.head = event.seq, event.hash
        time = getattr(body, "time", 0.0)
        if time > self.time:
            self.time, self.standing = time, 0
        self._fold(body)
        if isinstance(body, LEARNT) and not self._checks(body):
            self.learnt = event.seq
        if isinstance(body, TELLING) and self.history.trial(body.trial).predictions:
            self.measured = event.seq

    def _fold(self, body: Body) -> None:
        match body:
            case Proposed():
                self._propose(body)
            case AwaitingApproval():
                self.queue.pop(body.trial, None)
                self.awaiting[body.trial] = body
                self.approved.pop(body.trial, None)
                self._count(body.trial, TrialState.PROPOSED, TrialState.AWAITING_APPROVAL)
            case Approved():
                del self.awaiting[body.trial]
                self.approved[body.trial] = body.digest
                self.queue[body.trial] = self.first_step(body.trial)
                self._count(body.trial, TrialState.AWAITING_APPROVAL, TrialState.PROPOSED)
                self._reopen()
            case Modified() if body.trial in self.awaiting:
                asked = self.awaiting[body.trial]
                self.awaiting[body.trial] = replace(asked, digest=body.digest)
            case Submitting():
                self._submit(body)
            case Started():
                self._attempt(body.trial, running=True)
                self._count(body.trial, TrialState.SUBMITTING, TrialState.RUNNING)
            case Measured():
                self._attempt(body.trial, cycle=body.until)
            case Predicted():
                self._learn(body.trial, body.prediction)
                self._attempt(body.trial, predicted=True)
            case Revised():
                self._learn(body.trial, body.prediction)
            case Observed():
                self._learn(body.trial, body.observation)
            case Corrected():
                self._learn(body.trial, body.observation)
                self._reopen()
            case Excluded():
                self._exclude(body)
            case Decided():
                self._decide(body)
            case Passed():
                self._release(body)
                self.queue[body.trial] = body.next
                self._count(body.trial, None, TrialState.PROPOSED)
            case AttemptFailed():
                self.stall.forget(body.trial)
                self._release(body)
                self.queue[body.trial] = self.first_step(body.trial)
                self._count(body.trial, None, TrialState.PROPOSED)
            case Ended():
                self._end(body)
            case Resolved():
                self._resolve(body)
            case Fitted():
                self.model, self.bias_sd = body.model, body.bias_sd
            case Recommended():
                self.recommendation = body.recommendation
                self.recommended_at, self.recommended_seen = self.ended, body.seen
            case Changed():
                self.campaign = self.campaign.changed(body.path, body.value)
                self._reopen()
            case Finished():
                self.status, self.reason = body.status, body.reason
            case _:
                pass

    def _propose(self, body: Proposed) -> None:
        numbers = range(body.first, body.first + len(body.trials))
        self.queue.update({number: self.first_step(number) for number in numbers})
        counts = self.training_counts if body.purpose is Purpose.TRAINING else self.counts
        counts[TrialState.PROPOSED] += len(body.trials)
        if body.purpose is Purpose.TRAINING:
            self.training_proposed = True
        elif body.purpose is Purpose.CONFIRM:
            self.confirmed |= {self.history.key(trial.parameters) for trial in body.trials}
        elif body.purpose is Purpose.CHECK:
            self.checked |= {self.history.key(trial.parameters) for trial in body.trials}
        elif body.purpose is Purpose.SEARCH:
            self.rounds += 1
            self.standing += 1
            self.exhausted = body.exhausted
        self.start_proposed |= body.optimizer == "start"
        self.record_proposed |= body.optimizer == RECORDED
        if body.purpose in (Purpose.SEARCH, Purpose.START):
            asked = [trial for trial in body.trials if trial.author != RECORDED]
            self.asked += len(asked)
            self.outlay += sum(self.campaign.cost(trial.fidelity) for trial in asked)
        if body.trials:
            self._reopen()

    def _submit(self, body: Submitting) -> None:
        self.queue.pop(body.trial, None)
        self.attempts[body.trial] = Attempt(
            body.trial, body.attempt, body.key, body.time, body.step
        )
        self._count(body.trial, TrialState.PROPOSED, TrialState.SUBMITTING)
        if self.cost.first_start is None:
            self.cost = replace(self.cost, first_start=body.time)

    def _attempt(self, trial: int, **changes: Any) -> None:
        if trial in self.attempts:
            self.attempts[trial] = replace(self.attempts[trial], **changes)

    def _decide(self, body: Decided) -> None:
        if body.trial in self.attempts:
            cycle = self.attempts[body.trial].cycle
            self._attempt(body.trial, looked=cycle, stopping=body.action == "stop")

    def _learn(self, number: int, outcome: Outcome) -> None:
        objective = self.campaign.objectives[0]
        trial = self.history.trial(number)
        if outcome.metric != objective.metric or trial.purpose is Purpose.TRAINING:
            return
        if isinstance(outcome, Prediction) and not self._predicted(number):
            self.ended += 1  # a cell that runs on has already taught what it will teach first
        self.fruitless = 0
        standing = self.history.trial(number).outcomes[outcome.metric]
        if outcome.bound is Bound.EXACT and standing == outcome and _searched(trial):
            self.stall.learn(number, goodness(objective, outcome.mean))

    def _predicted(self, number: int) -> bool:
        """Whether this is not the first that is predicted of a trial."""
        standing = self.attempts.get(number)
        return standing is None or standing.predicted

    def _exclude(self, body: Excluded) -> None:
        self.stall.forget(body.trial)
        outcome = self.history.trial(body.trial).outcomes.get(self.campaign.objectives[0].metric)
        if not body.excluded and outcome is not None:
            self._learn(body.trial, outcome)
        self._reopen()

    def _release(self, body: Passed | AttemptFailed | Ended) -> None:
        attempt = self.attempts.pop(body.trial, None)
        if attempt is None:
            return
        training = self.history.trial(body.trial).purpose is Purpose.TRAINING
        self._charge(body.hours, training)
        self.cost = replace(self.cost, last_end=max(self.cost.last_end or 0.0, body.time))
        standing = TrialState.RUNNING if attempt.running else TrialState.SUBMITTING
        self._count(body.trial, standing, None)

    def _charge(self, hours: float, training: bool) -> None:
        self.cost = replace(
            self.cost,
            instrument_hours=self.cost.instrument_hours + (0.0 if training else hours),
            training_hours=self.cost.training_hours + (hours if training else 0.0),
        )

    def _end(self, body: Ended) -> None:
        if body.trial in self.queue:
            del self.queue[body.trial]
            self._count(body.trial, TrialState.PROPOSED, None)
        if self.awaiting.pop(body.trial, None) is not None:
            self._count(body.trial, TrialState.AWAITING_APPROVAL, None)
        if body.state is TrialState.LOST and body.trial in self.attempts:
            self.lost[body.trial] = replace(self.attempts[body.trial], hours=body.hours)
        predicted = body.trial in self.attempts and self.attempts[body.trial].predicted
        self._release(body)
        self._count(body.trial, None, body.state)
        if self.history.trial(body.trial).purpose is not Purpose.TRAINING:
            self.ended += not predicted and self._own(body.trial)
            rejected = body.failure is not None and body.failure.kind is FailureKind.REJECTED
            vain = self._vain(body.trial) and not rejected and not self._checks(body)
            self.fruitless += vain
            if _searched(self.history.trial(body.trial)) and body.attempt > 0:
                self.stall.end(body.trial)

    def _resolve(self, body: Resolved) -> None:
        """A lost trial is under way again; what follows says how it ends."""
        attempt = self.lost.pop(body.trial)
        training = self.history.trial(body.trial).purpose is Purpose.TRAINING
        counts = self.training_counts if training else self.counts
        counts[TrialState.LOST] -= 1
        adopted = body.verdict == "adopt"
        if not training and not (adopted and attempt.predicted) and self._own(body.trial):
            self.ended -= 1
        if not training and self._vain(body.trial) and self.fruitless:
            self.fruitless -= 1
        self.stall.forget(body.trial)
        if adopted:
            self._charge(-attempt.hours, training)
            self.attempts[body.trial] = replace(attempt, running=True, hours=0.0)
            counts[TrialState.RUNNING] += 1
        else:
            self.queue[body.trial] = self.first_step(body.trial)
            counts[TrialState.PROPOSED] += 1
        if body.verdict != "failed":  # which gives a campaign that was ended nothing to do
            self._reopen()

    def _checks(self, body: Body) -> bool:
        """Whether an event is about the check of a recommendation, which teaches the search
        nothing."""
        if isinstance(body, Proposed):
            return body.purpose is Purpose.CHECK
        number = getattr(body, "trial", None)
        return number is not None and self.history.trial(number).purpose is Purpose.CHECK

    def _own(self, number: int) -> bool:
        """Whether the campaign's instrument measures a trial, not one beside it."""
        return not self.history.trial(number).fidelity

    def _vain(self, number: int) -> bool:
        """Whether nothing is known of what the search is for."""
        outcomes = self.history.trial(number).outcomes
        return self.campaign.objectives[0].metric not in outcomes

    def _count(self, number: int, old: TrialState | None, new: TrialState | None) -> None:
        training = self.history.trial(number).purpose is Purpose.TRAINING
        counts = self.training_counts if training else self.counts
        if old is not None:
            counts[old] -= 1
        if new is not None:
            counts[new] += 1

    def _reopen(self) -> None:
        """A person's change gives a campaign that was over something to do again."""
        if self.over:
            self.status, self.reason, self.exhausted = "running", "", ""
            self.fruitless = self.standing = 0


def _searched(trial: Trial) -> bool:
    """Whether a trial says how the search goes: not the winner's repeats, not what was given, not
    what a cheaper fidelity says."""
    told = trial.author == RECORDED or trial.fidelity != ""
    return trial.purpose in (Purpose.SEARCH, Purpose.START) and not told


def goodness(objective: Objective, value: float) -> float:
    """A value of the objective, signed so that larger is better."""
    return objective.sign * value if objective.point is None else -abs(value - objective.point)
