"""Attending to running trials: poll, fetch, store, predict, stop, end."""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.records import FailureKind, TrialState
from instruments.base import InstrumentError, JobState, Progress, Result, Series
from loop import budget, derive
from loop.admission import conclude, stopped
from loop.agenda import Agenda
from loop.early import watched
from loop.events import Body, Decided, Ended, Measured, Predicted
from loop.journal import LOOK_S, Journal
from loop.lab import Lab
from loop.state import Attempt, CampaignState
from loop.store.store import digest_series

FORGOTTEN = "the instrument does not know the job any more"


class Attendance:
    """Admits results by (campaign time, trial number), one action a call."""

    def __init__(self, journal: Journal, lab: Lab, agenda: Agenda) -> None:
        self._journal = journal
        self._lab = lab
        self._agenda = agenda
        self._stops = Agenda(lab.clock)  # jobs that did not stop when told to, by key

    @property
    def _state(self) -> CampaignState:
        return self._journal.state

    def next_due(self) -> Attempt | None:
        """The lowest-numbered trial about which something is to be done at this instant."""
        for number in sorted(self._state.attempts):
            attempt = self._state.attempts[number]
            if attempt.running and self._agenda.due(attempt.key):
                return attempt
        return None

    def attend(self, attempt: Attempt) -> None:
        """Do the next thing about a trial; a silent instrument is asked again later."""
        try:
            if attempt.stopping:
                self._end_early(attempt)
            elif self._unpredicted(attempt):
                self._predict(attempt)
            else:
                self._ask(attempt)
        except InstrumentError as error:
            if self._lab.clock.simulated:
                raise  # a simulation that does not answer will not answer later either
            self._journal.trouble(attempt.trial, error)
            self._agenda.again(attempt.key, self._lab.at(attempt).card.retry_s)
        else:
            self._journal.answered(attempt.trial)

    def late(self) -> bool:
        """True while trials run on though budget.lab_days is over, and can be stopped."""
        overdue = budget.overdue(self._state, self._lab.clock.now())
        return overdue and any(self._lab.at(one).card.abortable for one in self.stoppable)

    def stop_one(self, reason: str) -> None:
        """End the lowest-numbered running trial, censored where the metric allows."""
        able = [one for one in self.stoppable if self._lab.at(one).card.abortable]
        attempt = (able or self.stoppable)[0]
        try:
            progress = self._stop(attempt, reason)
            if progress is not None:
                result = self._fetch(attempt)
                self._store(attempt, progress, result, self._stopped(attempt, progress, result))
        except InstrumentError as error:
            self._journal.trouble(attempt.trial, error)
            self._later(attempt)
        else:
            self._journal.answered(attempt.trial)

    def _later(self, attempt: Attempt) -> None:
        """Ask again in a while, and try to stop it again then."""
        retry_s = self._lab.at(attempt).card.retry_s
        self._agenda.again(attempt.key, retry_s)
        self._stops.again(attempt.key, retry_s)

    @property
    def stoppable(self) -> list[Attempt]:
        """Running trials that were not told to stop just now, in order."""
        attempts = (self._state.attempts[number] for number in sorted(self._state.attempts))
        return [one for one in attempts if one.running and self._stops.due(one.key)]

    def wait(self) -> None:
        """Let time pass until the next moment anything can have changed."""
        moment = self._agenda.next(attempt.key for attempt in self._state.attempts.values())
        deadline = budget.deadline_of(self._state)
        if deadline is not None and deadline > self._lab.clock.now():
            moment = min(moment, deadline)
        if not self._lab.clock.simulated:
            moment = min(moment, self._agenda.later(LOOK_S))
        with self._journal.watch.measure("waiting"):
            self._lab.clock.wait_until(moment)

    # asking ----------------------------------------------------------------------------------

    def _ask(self, attempt: Attempt) -> None:
        """Poll; fetch and store what is new; end the attempt when its job is over."""
        with self._journal.watch.measure("instrument"):
            progress = self._poll(attempt)
        if progress.state is JobState.RUNNING:
            retry_s = self._lab.at(attempt).card.retry_s
            self._agenda.put(attempt.key, progress.ask_at, retry_s)
            if not self._reports(attempt, progress):
                return
        self._admit(attempt, progress)

    def _poll(self, attempt: Attempt) -> Progress:
        """How far a job is that the instrument once had."""
        try:
            return self._lab.at(attempt).instrument.poll(attempt.key)
        except KeyError:  # the device has lost its memory
            return Progress(JobState.LOST, attempt.cycle, None, 0.0, note=FORGOTTEN)

    def _reports(self, attempt: Attempt, progress: Progress) -> bool:
        """Simulated jobs report at their checkpoints only; real ones whenever there is news."""
        station, predictor = self._lab.at(attempt), self._lab.predictor
        if not station.card.simulated:
            return station.streams and progress.cycle > attempt.cycle
        if predictor is None or not station.streams:
            return False
        return predictor.due(attempt.cycle, progress.cycle) is not None

    def _fetch(self, attempt: Attempt) -> Result:
        with self._journal.watch.measure("instrument"):
            try:
                return self._lab.at(attempt).instrument.fetch(attempt.key, attempt.cycle)
            except KeyError:  # the device has lost its memory since it was polled
                return Result(JobState.LOST, reason=FORGOTTEN)

    def _admit(self, attempt: Attempt, progress: Progress) -> None:
        """Store what the job has measured, and its end where it is over."""
        if progress.state is JobState.LOST:
            result = Result(JobState.LOST, reason=progress.note)
        else:
            result = self._fetch(attempt)
        running = progress.state is JobState.RUNNING
        ending = [] if running else self._conclusion(attempt, progress, result)
        self._store(attempt, progress, result, ending)
        if running and self._unpredicted(self._state.attempts[attempt.trial]):
            self._agenda.clear(attempt.key)

    def _store(
        self, attempt: Attempt, progress: Progress, result: Result, ending: Sequence[Body]
    ) -> None:
        """One transaction: new per-cycle data, then the events that end the attempt, if any."""
        bodies, series = list(ending), {}
        if result.series is not None and self._lab.at(attempt).streams:
            bodies.insert(0, self._measured(attempt, progress, result.series))
            series[0] = result.series
        if bodies:
            self._journal.append(bodies, series=series)

    def _measured(self, attempt: Attempt, progress: Progress, series: Series) -> Measured:
        last = int(series.cycles[-1]) if len(series.cycles) else 0
        return Measured(
            time=self._journal.now,
            trial=attempt.trial,
            attempt=attempt.number,
            until=max(progress.cycle, last),
            cycles=len(series.cycles),
            curves=len(series.curve_cycles),
            digest=digest_series(series),
        )

    def _conclusion(self, attempt: Attempt, progress: Progress, result: Result) -> list[Body]:
        trial = self._state.history.trial(attempt.trial)
        campaign, station = self._state.campaign, self._lab.at(attempt)
        exchange, end = station.exchange, self._end(progress)
        after = self._lab.after(station)
        following, needed = None if after is None else after.name, self._lab.needed(station)
        return conclude(
            campaign, exchange, trial, attempt, progress, result, end, following, needed
        )

    def _stopped(self, attempt: Attempt, progress: Progress, result: Result) -> list[Body]:
        trial = self._state.history.trial(attempt.trial)
        exchange = self._lab.at(attempt).exchange
        return stopped(exchange, trial, attempt, progress.hours, result, self._journal.now)

    def _end(self, progress: Progress) -> float:
        """When a job ended: by the device's word, also where nobody was there to see it."""
        if progress.over_at is None:
            return self._journal.now
        return min(self._journal.now, self._state.seconds(progress.over_at))

    # early prediction ------------------------------------------------------------------------

    def _unpredicted(self, attempt: Attempt) -> bool:
        predictor = self._lab.predictor
        return (
            predictor is not None
            and self._lab.at(attempt).streams
            and predictor.due(attempt.looked, attempt.cycle) is not None
            and watched(self._state.history.trial(attempt.trial).purpose)
        )

    def _predict(self, attempt: Attempt) -> None:
        """Predict from the stored cycles and decide; data that do not suffice end the attempt."""
        predictor = self._lab.predictor
        assert predictor is not None
        number, tried = attempt.trial, attempt.number
        at_cycle = predictor.due(attempt.looked, attempt.cycle)
        assert at_cycle is not None
        stages = predictor.stages(self._state.model)  # one that is damaged is no fault of the cell
        if at_cycle not in stages.models:
            self._let_go_on(attempt, f"too few training cells lived to cycle {at_cycle}")
            return
        try:
            with self._journal.watch.measure("surrogate"):
                prediction = predictor.predict(self._state, number, tried, at_cycle)
        except ValueError as error:
            if at_cycle < predictor.checkpoints[-1]:  # a later look may have what this one lacks
                self._let_go_on(attempt, str(error))
            else:
                self._give_up(attempt, str(error))
            return
        with self._journal.watch.measure("optimizer"):
            outlook = predictor.outlook(self._state, number, at_cycle)
            stopper = self._lab.stopper
            decision = derive.stop(stopper, self._state, number, tried, prediction, outlook)
        decided = Decided(
            time=self._journal.now,
            seen=self._state.seq,
            trial=number,
            attempt=tried,
            stopper=self._lab.stopper.name,
            action="stop" if decision.stop and self._lab.at(attempt).card.abortable else "go_on",
            reason=decision.reason,
            weighed=dict(decision.weighed),
        )
        self._journal.append([Predicted(self._journal.now, number, tried, prediction), decided])

    def _give_up(self, attempt: Attempt, reason: str) -> None:
        """The early data are unusable: end the attempt by the campaign's rule for data gaps."""
        if not self._lab.at(attempt).card.abortable:
            self._let_go_on(attempt, reason)
            return
        progress = self._stop(attempt, reason)
        if progress is None:
            return
        result = Result(JobState.FAILED, failure=FailureKind.DATA_GAP, reason=reason)
        self._journal.append(self._conclusion(attempt, progress, result))

    def _let_go_on(self, attempt: Attempt, reason: str) -> None:
        """A test that cannot be predicted now is looked at again at the next checkpoint, if any."""
        now, seen = self._journal.now, self._state.seq
        name = self._lab.stopper.name
        body = Decided(now, seen, attempt.trial, attempt.number, name, "go_on", reason)
        self._journal.append([body])

    def _end_early(self, attempt: Attempt) -> None:
        """Carry out a decision to stop; a test that ended by itself keeps its measurement."""
        progress = self._stop(attempt, "a prediction stands in for the rest of the test")
        if progress is None:
            return
        now, state = self._journal.now, TrialState.PREDICTED
        number, step = attempt.number, attempt.step
        body = Ended(now, attempt.trial, number, state, progress.hours, step=step)
        self._journal.append([body])

    def _stop(self, attempt: Attempt, reason: str) -> Progress | None:
        """Stop a job and read back that it stopped.

        None where there is nothing left to do now: it has not stopped yet, or it had ended by
        itself, and its measurement is stored.
        """
        with self._journal.watch.measure("instrument"):
            safe = self._abort(attempt, reason)
            progress = self._poll(attempt)
        if progress.state is not JobState.LOST and (not safe or progress.state is JobState.RUNNING):
            self._later(attempt)
            return None
        if progress.state is not JobState.ABORTED:
            self._admit(attempt, progress)
            return None
        return progress

    def _abort(self, attempt: Attempt, reason: str) -> bool:
        """Whether the instrument says that the job has stopped."""
        try:
            return self._lab.at(attempt).instrument.abort(attempt.key, reason).safe
        except KeyError:  # it does not know the job: the question that follows tells
            return False
