"""Starting trials: the queue, the optimiser's proposals, and the hand-over to the instrument."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from campaigns.records import Failure, FailureKind, Trial, TrialState
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
from loop import approvals, budget, derive
from loop.admission import conclude, lost
from loop.agenda import Agenda
from loop.events import AwaitingApproval, Body, Ended, Proposed, Started, Submitting
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
        ready = self._ready()
        overdue = budget.overdue(state, self._lab.clock.now())
        if ready and not overdue:
            self._journal.append([self._intent(number) for number in ready])
            return True
        if self._training() or self.spent() or state.exhausted or not self._round_over():
            return False
        if budget.hopeless(state):
            return False
        n = budget.room(state)
        if self._first_job_only():
            n = min(n, 0 if any(state.history.open()) else 1)
        if n <= 0:
            return False
        with self._journal.watch.measure("optimizer"):
            body = derive.search(self._lab.optimizer, state.campaign, state.history, n)
        self.propose(body, submit=True)
        return True

    def _first_job_only(self) -> bool:
        """True while a person wants to see one job succeed before any other is asked for."""
        return "first" in self._lab.policies() and not approvals.proven(self._state.history)

    def _ready(self) -> list[int]:
        """Queued trials for which a channel is free; searched ones wait for the model."""
        state, ready = self._state, []
        free = {name: state.free(name) for name in self._lab.stations}
        for number, step in state.queue.items():
            if free[step] > 0 and not (self._training() and number in state.history.trials):
                free[step] -= 1
                ready.append(number)
        if self._first_job_only():
            return [] if state.attempts else ready[:1]
        return ready

    def _training(self) -> bool:
        return self._lab.predictor is not None and not self._state.model

    def _round_over(self) -> bool:
        rounds = self._state.campaign.optimizer.rounds
        return not (rounds and any(trial.pending for trial in self._state.history.open()))

    def propose(self, body: Proposed, *, submit: bool = False) -> None:
        """Store a proposal, what may not run of it, and what a person must approve; with `submit`
        the intents to run the rest, all in one transaction."""
        body = replace(body, time=self._journal.now)
        bodies: list[Body] = [body]
        free = {name: self._state.free(name) for name in self._lab.stations}
        for offset, proposed in enumerate(body.trials):
            number, setting = body.first + offset, dict(proposed.parameters)
            trial = Trial(number, setting, proposed.author, fidelity=proposed.fidelity)
            held = self._held_back(trial)
            step = self._state.campaign.way(trial.fidelity)[0].name
            if held is not None:
                bodies.append(held)
            elif submit and free[step] > 0:
                free[step] -= 1
                bodies.append(self._submitting(trial.number, 1, step))
        self._journal.append(bodies)

    def _held_back(self, trial: Trial) -> Body | None:
        """Why a new trial does not simply run: beyond a limit, or a person must approve it."""
        now, lab = self._journal.now, self._lab
        problems = self._problems(trial)
        if problems:
            return self._refused_before(trial, problems)
        campaign, history = self._state.campaign, self._state.history
        policies = lab.policies(trial.fidelity)
        reason = approvals.needed(campaign, policies, history, trial.parameters)
        if not reason:
            return None
        digest = approvals.payload(campaign, trial.parameters, trial.fidelity)
        return AwaitingApproval(now, trial.number, digest, policies, reason)

    def _refused_before(self, trial: Trial, reason: str) -> Ended:
        """The end of a trial that no instrument is even asked to run."""
        failure = Failure(FailureKind.OUT_OF_RANGE, reason, infeasible=True)
        return Ended(self._journal.now, trial.number, 0, TrialState.REFUSED, 0.0, failure)

    def _problems(self, trial: Trial) -> str:
        """The limits of the instruments that a trial's settings are beyond; "" for none."""
        with self._journal.watch.measure("instrument"):
            problems = [
                problem
                for station, job in self._lab.jobs(trial, self._state.now)
                for problem in station.instrument.check(job)
            ]
        return "; ".join(f"{problem.setting}: {problem.reason}" for problem in problems)

    def _intent(self, number: int) -> Body:
        """The intent to run what waits in the queue, unless it is not what was approved."""
        state = self._state
        trial, step = state.history.trial(number), state.queue[number]
        digest = approvals.payload(state.campaign, trial.parameters, trial.fidelity)
        by_hand = trial.proposed is not None or trial.author == "person"
        beyond = self._problems(trial) if by_hand else ""
        if beyond:  # a person's setting, which no instrument has looked at yet
            return self._refused_before(trial, beyond)
        if state.approved.get(number, digest) != digest:
            reason = "it is not what was approved"
            return AwaitingApproval(self._journal.now, number, digest, (), reason)
        begun = step != state.first_step(number)
        return self._submitting(number, trial.attempt if begun else trial.attempt + 1, step)

    def _submitting(self, number: int, attempt: int, step: str) -> Submitting:
        campaign_id = self._journal.campaign_id
        if not self._lab.clock.simulated:  # a device may remember a campaign of this name
            campaign_id = f"{campaign_id}-{self._state.nonce}"
        key = f"{campaign_id}/{number}/{attempt}"
        return Submitting(
            self._journal.now, number, attempt, f"{key}/{step}" if step else key, step
        )

    def launch(self) -> None:
        """Meet the next attempts that this engine has not met, in order; store what is new."""
        bodies: list[Body] = []
        for attempt in list(self._unmet()):
            try:
                with self._journal.watch.measure("instrument"):
                    body = self._take_up(attempt) if attempt.running else self._deliver(attempt)
            except InstrumentError as error:
                if self._lab.clock.simulated:
                    raise
                self._journal.trouble(attempt.trial, error)
                self._agenda.again(attempt.key, self._lab.at(attempt).card.retry_s)
                continue
            self._met.add(attempt.key)
            self._journal.answered(attempt.trial)
            if body is not None:
                bodies.append(body)
        if bodies:
            self._journal.append(bodies)

    def withdraw(self, reason: str) -> bool:
        """Take back the intents that no instrument has got; what one has after all is met."""
        bodies: list[Body] = []
        for attempt in list(self._state.attempts.values()):
            if attempt.running or not self._agenda.due(attempt.key):
                continue
            try:
                bodies.append(self._taken_back(attempt, reason))
            except InstrumentError as error:
                self._journal.trouble(attempt.trial, error)
                self._agenda.again(attempt.key, self._lab.at(attempt).card.retry_s)
        if bodies:
            self._journal.append(bodies)
        return bool(bodies)

    def _taken_back(self, attempt: Attempt, reason: str) -> Body:
        if attempt.key in self._doubtful and not self._lab.at(attempt).card.repeatable:
            found = self._find(attempt)
            if found is not Found.NEVER:
                return self._found(attempt, found) or self._started(attempt, "")
        now, number = self._journal.now, attempt.number
        failure = Failure(FailureKind.ABORTED, reason)
        state, step = TrialState.STOPPED, attempt.step
        return Ended(now, attempt.trial, number, state, 0.0, failure, step)

    def _unmet(self) -> list[Attempt]:
        attempts = self._state.attempts.values()
        return [a for a in attempts if a.key not in self._met and self._agenda.due(a.key)]

    def _deliver(self, attempt: Attempt) -> Body | None:
        """Hand a stored intent over, unless the device already has it."""
        station = self._lab.at(attempt)
        if attempt.key in self._doubtful and not station.card.repeatable:
            found = self._find(attempt)
            if found is not Found.NEVER:
                return self._found(attempt, found)
        try:
            run_id = station.instrument.submit(self._job_of(attempt)).run_id
        except Refused as error:
            return self._refused(attempt, str(error))
        except Unreachable as error:
            self._doubtful.add(attempt.key)
            return self._unanswered(attempt, str(error))
        return self._started(attempt, run_id)

    def give_up(self, trials: Collection[int]) -> None:
        """Call the attempts of these trials lost: nobody could reach their instrument."""
        reason = "the instrument did not answer when the campaign was ended; the job may still run"
        attempts = [self._state.attempts[number] for number in sorted(trials)]
        self._journal.append([lost(one, self._journal.now, reason) for one in attempts])

    def _find(self, attempt: Attempt) -> Found:
        since = self._state.moment(attempt.since)
        return self._lab.at(attempt).instrument.find(attempt.key, since)

    def _started(self, attempt: Attempt, run_id: str) -> Started:
        now = self._journal.now
        return Started(now, attempt.trial, attempt.number, run_id, attempt.step)

    def _refused(self, attempt: Attempt, reason: str) -> Ended:
        failure = Failure(FailureKind.OUT_OF_RANGE, reason, infeasible=True)
        number, state = attempt.number, TrialState.REFUSED
        return Ended(self._journal.now, attempt.trial, number, state, 0.0, failure, attempt.step)

    def _unanswered(self, attempt: Attempt, reason: str) -> Body | None:
        """No answer came: has the job arrived? Raises Unreachable while nobody can tell."""
        found = self._find(attempt)
        if found is not Found.NEVER:
            return self._found(attempt, found)
        result = Result(JobState.FAILED, failure=FailureKind.CHANNEL_FAULT, reason=reason)
        progress = Progress(JobState.FAILED, 0, None, 0.0)
        trial = self._state.history.trial(attempt.trial)
        campaign, exchange = self._state.campaign, self._lab.at(attempt).exchange
        now = self._journal.now
        return conclude(campaign, exchange, trial, attempt, progress, result, now)[-1]

    def _take_up(self, attempt: Attempt) -> Body | None:
        """Meet a running attempt of an earlier engine: run it again, adopt it, or call it lost."""
        station = self._lab.at(attempt)
        if station.card.repeatable:
            station.instrument.submit(self._job_of(attempt))
            return None
        found = self._find(attempt)
        return self._found(attempt, Found.UNKNOWN if found is Found.NEVER else found)

    def _found(self, attempt: Attempt, found: Found) -> Body | None:
        if found is Found.UNKNOWN:
            reason = "the instrument could not say whether the job ran"
            return lost(attempt, self._journal.now, reason)
        if attempt.running:
            return None
        try:
            run_id = self._lab.at(attempt).instrument.poll(attempt.key).run_id
        except KeyError:  # forgotten in between: the next look tells
            run_id = ""
        return self._started(attempt, run_id)

    def _job_of(self, attempt: Attempt) -> Job:
        trial = self._state.history.trial(attempt.trial)
        return self._lab.job(attempt, trial, self._state.moment)
