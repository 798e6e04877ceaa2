"""Starting trials: the queue, the optimiser's proposals, and the hand-over to the instrument."""

from __future__ import annotations

from dataclasses import replace

from campaigns.records import Failure, FailureKind, Setting, TrialState
from instruments.base import (
    Found,
    InstrumentError,
    Job,
    JobState,
    Progress,
    Refused,
    Result,
    Unreachable,
)
from loop import budget, derive
from loop.admission import conclude
from loop.agenda import Agenda
from loop.events import Body, Ended, Proposed, Started, Submitting
from loop.journal import Journal
from loop.lab import Lab
from loop.state import Attempt, CampaignState


class Dispatch:
    """Fills free channels, and meets every attempt once: delivered, adopted, run again or lost."""

    def __init__(self, journal: Journal, lab: Lab, agenda: Agenda) -> None:
        self._journal = journal
        self._lab = lab
        self._agenda = agenda
        self._met: set[str] = set()  # keys of the attempts that the instrument has in this process
        # keys that the instrument may have though no answer is stored: ask before a new submit
        self._doubtful = {attempt.key for attempt in journal.state.attempts.values()}

    @property
    def _state(self) -> CampaignState:
        return self._journal.state

    @property
    def undelivered(self) -> bool:
        """True while there are attempts to hand over or to take up at this instant."""
        return bool(self._unmet())

    def spent(self) -> str:
        """Why no new trial may start; "" while one may."""
        minutes = self._journal.watch.total / 60.0
        return budget.spent(self._state, self._lab.clock.now(), minutes)

    def fill(self) -> bool:
        """Give the free channels what waits in the queue, else what the optimiser asks for."""
        state = self._state
        waiting = self._waiting()
        overdue = budget.overdue(state, self._lab.clock.now())
        if waiting and state.free_channels > 0 and not overdue:
            self._journal.append([self._intent(n) for n in waiting[: state.free_channels]])
            return True
        if self._training() or self.spent() or state.exhausted or not self._round_over():
            return False
        if budget.hopeless(state):
            return False
        n = budget.room(state)
        if n <= 0:
            return False
        with self._journal.watch.measure("optimizer"):
            body = derive.search(self._lab.optimizer, state.campaign, state.history, n)
        self.propose(body, submit=True)
        return True

    def _waiting(self) -> list[int]:
        """Queued trials that may start now; searched ones wait until the model is there."""
        if not self._training():
            return list(self._state.queue)
        return [n for n in self._state.queue if n in self._state.history.training]

    def _training(self) -> bool:
        return self._lab.predictor is not None and not self._state.model

    def _round_over(self) -> bool:
        return not (self._state.campaign.optimizer.rounds and self._state.history.pending())

    def propose(self, body: Proposed, *, submit: bool = False) -> None:
        """Store a proposal; with `submit` the intents to run it in the same transaction."""
        body = replace(body, time=self._journal.now)
        bodies: list[Body] = [body]
        for offset, proposed in enumerate(body.trials):
            number = body.first + offset
            problems = self._problems(number, proposed.parameters)
            if problems:
                failure = Failure(FailureKind.OUT_OF_RANGE, problems, infeasible=True)
                bodies.append(Ended(self._journal.now, number, 0, TrialState.REFUSED, 0.0, failure))
            elif submit:
                bodies.append(self._submitting(number, 1))
        self._journal.append(bodies)

    def _problems(self, number: int, setting: Setting) -> str:
        job = self._lab.job(number, 1, setting, self._state.now, "")
        with self._journal.watch.measure("instrument"):
            problems = self._lab.instrument.check(job)
        return "; ".join(f"{problem.setting}: {problem.reason}" for problem in problems)

    def _intent(self, number: int) -> Submitting:
        return self._submitting(number, self._state.history.trial(number).attempt + 1)

    def _submitting(self, number: int, attempt: int) -> Submitting:
        key = f"{self._journal.campaign_id}/{number}/{attempt}"
        return Submitting(self._journal.now, number, attempt, key)

    def launch(self) -> None:
        """Meet the next attempts that this engine has not met, in order; store what is new."""
        bodies: list[Body] = []
        for attempt in list(self._unmet()):
            try:
                with self._journal.watch.measure("instrument"):
                    body = self._take_up(attempt) if attempt.running else self._deliver(attempt)
            except InstrumentError:
                if self._lab.clock.simulated:
                    raise
                self._agenda.again(attempt.key)
                continue
            self._met.add(attempt.key)
            if body is not None:
                bodies.append(body)
        if bodies:
            self._journal.append(bodies)

    def _unmet(self) -> list[Attempt]:
        attempts = self._state.attempts.values()
        return [a for a in attempts if a.key not in self._met and self._agenda.due(a.key)]

    def _deliver(self, attempt: Attempt) -> Body | None:
        """Hand a stored intent over, unless the device already has it."""
        instrument = self._lab.instrument
        if attempt.key in self._doubtful and not self._lab.card.repeatable:
            found = instrument.find(attempt.key)
            if found is not Found.NEVER:
                return self._found(attempt, found)
        try:
            run_id = instrument.submit(self._job_of(attempt)).run_id
        except Refused as error:
            failure = Failure(FailureKind.OUT_OF_RANGE, str(error), infeasible=True)
            return self._over(attempt, TrialState.REFUSED, failure)
        except Unreachable as error:
            self._doubtful.add(attempt.key)
            return self._unanswered(attempt, str(error))
        return Started(self._journal.now, attempt.trial, attempt.number, run_id)

    def _unanswered(self, attempt: Attempt, reason: str) -> Body | None:
        """No answer came: has the job arrived? Raises Unreachable while nobody can tell."""
        found = self._lab.instrument.find(attempt.key)
        if found is not Found.NEVER:
            return self._found(attempt, found)
        result = Result(JobState.FAILED, failure=FailureKind.CHANNEL_FAULT, reason=reason)
        progress = Progress(JobState.FAILED, 0, None, 0.0)
        trial = self._state.history.trial(attempt.trial)
        campaign, exchange = self._state.campaign, self._lab.exchange
        now = self._journal.now
        return conclude(campaign, exchange, trial, attempt, progress, result, now)[-1]

    def _take_up(self, attempt: Attempt) -> Body | None:
        """Meet a running attempt of an earlier engine: run it again, adopt it, or call it lost."""
        instrument = self._lab.instrument
        if self._lab.card.repeatable:
            instrument.submit(self._job_of(attempt))
            return None
        found = instrument.find(attempt.key)
        return self._found(attempt, Found.UNKNOWN if found is Found.NEVER else found)

    def _found(self, attempt: Attempt, found: Found) -> Body | None:
        if found is Found.UNKNOWN:
            reason = "the instrument could not say whether the job ran"
            failure = Failure(FailureKind.CHANNEL_FAULT, reason)
            return self._over(attempt, TrialState.LOST, failure)
        if attempt.running:
            return None
        run_id = self._lab.instrument.poll(attempt.key).run_id
        return Started(self._journal.now, attempt.trial, attempt.number, run_id)

    def _over(self, attempt: Attempt, state: TrialState, failure: Failure) -> Ended:
        """The end of an attempt that was never measured; a lost one may have held its channel."""
        now, held = self._journal.now, 0.0
        if state is TrialState.LOST:
            held = (now - attempt.since) / 3600.0
        return Ended(now, attempt.trial, attempt.number, state, held, failure)

    def _job_of(self, attempt: Attempt) -> Job:
        setting = self._state.history.trial(attempt.trial).parameters
        since = self._state.moment(attempt.since)
        return self._lab.job(attempt.trial, attempt.number, setting, since, attempt.key)
