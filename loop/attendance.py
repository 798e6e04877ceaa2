"""Attending to running trials: poll, fetch, store, predict, stop, end."""

from __future__ import annotations

from datetime import datetime, timedelta

from campaigns.records import FailureKind, TrialState
from instruments.base import JobState, Progress, Result, Series
from loop import budget, derive
from loop.admission import conclude, stopped
from loop.early import watched
from loop.events import Body, Decided, Ended, Measured, Predicted
from loop.journal import RENEW_S, Journal
from loop.lab import Lab
from loop.state import Attempt, CampaignState
from loop.store.store import digest_series

RETRY_S = 30.0  # wait before an instrument that named no time is asked again


class Attendance:
    """Admits results by (campaign time, trial number), one action a call."""

    def __init__(self, journal: Journal, lab: Lab) -> None:
        self._journal = journal
        self._lab = lab
        self._ask_at: dict[str, datetime] = {}  # by key: when to look again

    @property
    def _state(self) -> CampaignState:
        return self._journal.state

    def next_due(self) -> Attempt | None:
        """The lowest-numbered trial about which something is to be done at this instant."""
        now = self._lab.clock.now()
        for number in sorted(self._state.attempts):
            attempt = self._state.attempts[number]
            if attempt.stopping or self._unpredicted(attempt):
                return attempt
            if attempt.key not in self._ask_at or self._ask_at[attempt.key] <= now:
                return attempt
        return None

    def attend(self, attempt: Attempt) -> None:
        if attempt.stopping:
            self._end_early(attempt)
        elif self._unpredicted(attempt):
            self._predict(attempt)
        else:
            self._ask(attempt)

    def _unpredicted(self, attempt: Attempt) -> bool:
        predictor = self._lab.predictor
        return (
            predictor is not None
            and attempt.cycle >= predictor.at_cycle
            and not attempt.predicted
            and watched(self._state.history.trial(attempt.trial).purpose)
        )

    def _ask(self, attempt: Attempt) -> None:
        """Poll; fetch and store what is new; end the attempt when its job is over."""
        with self._journal.watch.measure("instrument"):
            progress = self._lab.instrument.poll(attempt.key)
        if progress.state is JobState.RUNNING:
            self._ask_at[attempt.key] = progress.ask_at or self._later(RETRY_S)
            if progress.cycle <= attempt.cycle or not self._at_checkpoint(attempt, progress):
                return
        with self._journal.watch.measure("instrument"):
            result = self._lab.instrument.fetch(attempt.key, attempt.cycle)
        self._admit(attempt, progress, result)

    def _at_checkpoint(self, attempt: Attempt, progress: Progress) -> bool:
        """Simulated jobs report at their checkpoints only; real ones whenever they are asked."""
        if not self._lab.card.simulated:
            return True
        predictor = self._lab.predictor
        return predictor is not None and attempt.cycle < predictor.at_cycle <= progress.cycle

    def _admit(self, attempt: Attempt, progress: Progress, result: Result) -> None:
        bodies: list[Body] = []
        series: dict[int, Series] = {}
        if result.series is not None and len(result.series.cycles):
            bodies.append(self._measured(attempt, result.series))
            series[0] = result.series
        if progress.state is not JobState.RUNNING:
            bodies += self._conclusion(attempt, progress, result)
        if bodies:
            self._journal.append(bodies, series=series)

    def _conclusion(self, attempt: Attempt, progress: Progress, result: Result) -> list[Body]:
        trial = self._state.history.trial(attempt.trial)
        campaign, exchange = self._state.campaign, self._lab.exchange
        return conclude(campaign, exchange, trial, attempt, progress, result, self._journal.now)

    def _measured(self, attempt: Attempt, series: Series) -> Measured:
        return Measured(
            time=self._journal.now,
            trial=attempt.trial,
            attempt=attempt.number,
            first_cycle=int(series.cycles[0]),
            last_cycle=int(series.cycles[-1]),
            cycles=len(series.cycles),
            curves=len(series.curve_cycles),
            digest=digest_series(series),
        )

    def _predict(self, attempt: Attempt) -> None:
        """Predict from the stored cycles and decide; data that do not suffice end the attempt."""
        predictor = self._lab.predictor
        assert predictor is not None
        number, tried = attempt.trial, attempt.number
        try:
            with self._journal.watch.measure("surrogate"):
                prediction = predictor.predict(self._state.model, number, tried)
        except ValueError as error:
            self._give_up(attempt, str(error))
            return
        trial = self._state.history.trial(number)
        rng = derive.generator(self._state.campaign.seed, number, tried, derive.STOP_SALT)
        decision = self._lab.stopper.decide(
            self._state.campaign, self._state.history, trial, prediction, rng
        )
        decided = Decided(
            time=self._journal.now,
            seen=self._state.seq,
            trial=number,
            attempt=tried,
            stopper=self._lab.stopper.name,
            action="stop" if decision.stop and self._lab.card.abortable else "go_on",
            reason=decision.reason,
            weighed=dict(decision.weighed),
        )
        self._journal.append([Predicted(self._journal.now, number, tried, prediction), decided])

    def _give_up(self, attempt: Attempt, reason: str) -> None:
        """The early data are unusable: end the attempt by the campaign's rule for data gaps."""
        progress = self._abort(attempt, reason)
        result = Result(JobState.FAILED, failure=FailureKind.DATA_GAP, reason=reason)
        self._journal.append(self._conclusion(attempt, progress, result))

    def _end_early(self, attempt: Attempt) -> None:
        """Carry out a stored decision to stop."""
        progress = self._abort(attempt, "a prediction stands in for the rest of the test")
        state = TrialState.PREDICTED
        self._journal.append(
            [
                Ended(
                    self._journal.now,
                    attempt.trial,
                    attempt.number,
                    state,
                    progress.hours,
                )
            ]
        )

    def _abort(self, attempt: Attempt, reason: str) -> Progress:
        with self._journal.watch.measure("instrument"):
            self._lab.instrument.abort(attempt.key, reason)
            return self._lab.instrument.poll(attempt.key)

    def late(self) -> bool:
        return bool(self._state.attempts) and budget.overdue(self._state, self._lab.clock.now())

    def stop_one(self) -> None:
        """The lab's time is over: end one running trial, censored where the metric allows."""
        attempt = self._state.attempts[min(self._state.attempts)]
        progress = self._abort(attempt, "budget.lab_days reached")
        result = self._lab.instrument.fetch(attempt.key, attempt.cycle)
        trial = self._state.history.trial(attempt.trial)
        bodies: list[Body] = []
        series: dict[int, Series] = {}
        if result.series is not None and len(result.series.cycles):
            bodies.append(self._measured(attempt, result.series))
            series[0] = result.series
        bodies += stopped(
            self._lab.exchange,
            trial,
            attempt,
            progress.hours,
            result,
            self._journal.now,
        )
        self._journal.append(bodies, series=series)

    def wait(self) -> None:
        """Let time pass until the next moment anything can have changed."""
        running = [attempt.key for attempt in self._state.attempts.values()]
        self._ask_at = {key: self._ask_at[key] for key in running}
        moment = min(self._ask_at.values())
        deadline = budget.deadline_of(self._state)
        if deadline is not None:
            moment = min(moment, max(deadline, self._lab.clock.now()))
        if not self._lab.clock.simulated:
            moment = min(moment, self._later(RENEW_S))
        with self._journal.watch.measure("waiting"):
            self._lab.clock.wait_until(moment)

    def _later(self, seconds: float) -> datetime:
        return self._lab.clock.now() + timedelta(seconds=seconds)
