"""Starting trials: the queue, the optimiser's proposals, and the hand-over to the instrument."""

from __future__ import annotations

from dataclasses import replace

from campaigns.records import Failure, FailureKind, Setting, TrialState
from instruments.base import Busy, Found, Job, Refused, Unreachable
from loop import budget, derive
from loop.events import Body, Ended, Proposed, Started, Submitting
from loop.journal import Journal
from loop.lab import Lab
from loop.state import Attempt, CampaignState


class Dispatch:
    """Fills free channels; knows nothing that the journal does not."""

    def __init__(self, journal: Journal, lab: Lab) -> None:
        self._journal = journal
        self._lab = lab

    @property
    def _state(self) -> CampaignState:
        return self._journal.state

    @property
    def undelivered(self) -> bool:
        """True while an intent is stored that the instrument has not answered."""
        return any(not attempt.running for attempt in self._state.attempts.values())

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
        """Hand the stored intents to the instrument, in order; then store that it has them."""
        bodies: list[Body] = []
        for attempt in list(self._state.attempts.values()):
            if not attempt.running:
                bodies.append(self._hand_over(attempt))
        self._journal.append(bodies)

    def _hand_over(self, attempt: Attempt) -> Body:
        trial = self._state.history.trial(attempt.trial)
        job = self._job_of(attempt)
        try:
            with self._journal.watch.measure("instrument"):
                receipt = self._lab.instrument.submit(job)
        except Refused as error:
            failure = Failure(FailureKind.OUT_OF_RANGE, str(error), infeasible=True)
            return self._over(attempt, TrialState.REFUSED, failure)
        except (Busy, Unreachable) as error:
            return self._unanswered(attempt, str(error))
        return Started(self._journal.now, trial.number, attempt.number, receipt.run_id)

    def _unanswered(self, attempt: Attempt, reason: str) -> Body:
        """Whether the job arrived is not known unless the instrument can tell."""
        found = Found.NEVER if self._lab.card.repeatable else self._lab.instrument.find(attempt.key)
        if found in (Found.RUNNING, Found.FINISHED):
            return Started(self._journal.now, attempt.trial, attempt.number, "")
        kind = FailureKind.CHANNEL_FAULT
        if found is Found.UNKNOWN:
            return self._over(attempt, TrialState.LOST, Failure(kind, reason))
        return self._over(attempt, TrialState.FAILED, Failure(kind, reason))

    def _over(self, attempt: Attempt, state: TrialState, failure: Failure) -> Ended:
        return Ended(self._journal.now, attempt.trial, attempt.number, state, 0.0, failure)

    def _job_of(self, attempt: Attempt) -> Job:
        setting = self._state.history.trial(attempt.trial).parameters
        since = self._state.moment(attempt.since)
        return self._lab.job(attempt.trial, attempt.number, setting, since, attempt.key)

    def take_up(self) -> None:
        """Meet the attempts that an earlier engine left: run again, adopt, or call them lost."""
        for attempt in list(self._state.attempts.values()):
            if self._lab.card.repeatable:
                if attempt.running:  # an intent alone is handed over by the first action
                    self._lab.instrument.submit(self._job_of(attempt))
                continue
            found = self._lab.instrument.find(attempt.key)
            if found is Found.UNKNOWN or (found is Found.NEVER and attempt.running):
                reason = "after a restart the instrument could not say whether the job ran"
                failure = Failure(FailureKind.CHANNEL_FAULT, reason)
                self._journal.append([self._over(attempt, TrialState.LOST, failure)])
            elif found is not Found.NEVER and not attempt.running:
                adopted = Started(self._journal.now, attempt.trial, attempt.number, "")
                self._journal.append([adopted])
