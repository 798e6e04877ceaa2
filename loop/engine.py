"""The campaign runner: one action after the other, each decided by the recorded state alone."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from campaigns.campaign import CampaignError
from campaigns.records import Recommendation
from loop import budget, derive, rulings
from loop.agenda import Agenda
from loop.attendance import Attendance
from loop.confirming import MOST_WINNERS
from loop.correcting import bias_sd
from loop.dispatch import Dispatch
from loop.early import TrainingFailed
from loop.events import Finished, Fitted
from loop.journal import LOOK_S, Journal, Listener
from loop.lab import Lab
from loop.ruled import ruled
from loop.start import recorded
from loop.state import CampaignState
from loop.stopwatch import Stopwatch
from loop.store.errors import RulingWithdrawn
from loop.store.store import Lease, Store
from loop.threads import single_threaded

LATE = "budget.lab_days reached"
SILENCE_S = 60.0  # after which a campaign is ended though an instrument does not answer


class Interrupted(Exception):
    """The engine was asked to stop; the campaign can be resumed."""


class Waiting(Exception):
    """Nothing can go on before a person has ruled; the campaign can be resumed."""


class Engine:
    """Runs one campaign to its end or until interrupted.

    Every action writes its events in one transaction and is chosen from the state those events fold
    to, so an engine that was killed anywhere goes on with the very action that was due. `growth`
    spaces the recommendations stored on the way: the next one after that share more trials. Where
    only persons can help, a `patient` engine waits for them on a real clock; on a simulated one,
    where no time passes while they think, it leaves.
    """

    def __init__(
        self,
        store: Store,
        campaign_id: str,
        state: CampaignState,
        lab: Lab,
        lease: Lease,
        listener: Listener | None = None,
        growth: float = 0.1,
        patient: bool = True,
    ) -> None:
        self.campaign_id = campaign_id
        self.state = state
        self.lab = lab
        self._journal = Journal(store, campaign_id, state, lease, lab.clock, listener)
        agenda = Agenda(lab.clock)
        self._dispatch = Dispatch(self._journal, lab, agenda)
        self._attendance = Attendance(self._journal, lab, agenda)
        self._growth = growth
        self._patient = patient and not lab.clock.simulated
        self._in_vain = 0  # what was known when there was nothing to recommend
        self._revised = 0  # up to which measurement standing predictions were looked at
        self._stop = False

    @property
    def watch(self) -> Stopwatch:
        """Where the seconds of this engine went."""
        return self._journal.watch

    def run(self) -> None:
        """Go on until the campaign is over.

        Raises Interrupted after `interrupt`, Waiting where only a person can help.
        """
        with single_threaded():
            while not self.state.over:
                if self._stop:
                    raise Interrupted
                self._journal.renew()
                self._obey()
                self._step()

    def interrupt(self) -> None:
        """Ask the engine to stop after the action under way; safe from a signal handler."""
        self._stop = True
        wake = getattr(self.lab.clock, "interrupt", None)
        if wake is not None:
            wake()

    def _obey(self) -> None:
        """Carry out what persons have ruled since the last look."""
        for filed in self._journal.rulings():
            try:
                now = self._journal.now
                bodies, answer = ruled(self.state, rulings.decode(filed.body), now)
            except CampaignError as error:
                self._refuse(filed.number, "; ".join(error.problems))
                continue
            except ValueError as error:  # filed by a newer release, or damaged
                self._refuse(filed.number, str(error).splitlines()[0])
                continue
            with suppress(RulingWithdrawn):  # nothing is written then
                self._journal.append(bodies, answered={filed.number: str(answer)})

    def _refuse(self, number: int, why: str) -> None:
        with suppress(RulingWithdrawn):
            self._journal.store.refuse_ruling(number, why)

    def _step(self) -> None:
        """The next action. The order is part of the two promises: see docs/engine.md."""
        if self._late() and self._dispatch.withdraw(LATE):
            pass
        elif self._dispatch.undelivered:
            self._dispatch.launch()
        elif (due := self._attendance.next_due()) is not None:
            self._attendance.attend(due)
        elif self._attendance.late():
            self._attendance.stop_one(LATE)
        elif self._revise() or self._prepare() or self._search():
            pass
        elif self.state.attempts:
            self._attendance.wait()
        else:
            self._wind_up()

    def _search(self) -> bool:
        """Say what is best so far where that is due, else ask the optimiser."""
        return self._recommend_on_the_way() or self._dispatch.fill()

    def _prepare(self) -> bool:
        """Old data, given settings, training cells, the model: each once, before any search."""
        state = self.state
        start = state.campaign.start
        if (start.measured or start.campaigns) and not state.record_proposed:
            self._journal.append(recorded(self._journal.store, state, self.lab.units))
            return True
        if start.settings and not state.start_proposed:
            self._dispatch.propose(derive.start(state.campaign, state.history))
            return True
        return self.lab.predictor is not None and not state.model and self._train()

    def _revise(self) -> bool:
        """Take the bias off the standing predictions once a measured cell has told more of it."""
        state = self.state
        if self._revised >= state.measured:
            return False
        bodies = derive.revisions(state.campaign, state.history, state.bias_sd)
        self._revised = state.measured
        if bodies:
            self._journal.append([replace(body, time=self._journal.now) for body in bodies])
        return bool(bodies)

    def _train(self) -> bool:
        """Propose the training cells; when they are there, fit the early predictor to them."""
        state, predictor = self.state, self.lab.predictor
        assert predictor is not None
        if predictor.spec.training.simulate and not state.training_proposed:
            self._dispatch.propose(derive.training(state.campaign, state.history))
            return True
        if not predictor.ready(state):
            return False
        try:
            with self.watch.measure("surrogate"):
                cells, trials, source = predictor.cells(state)
                digest, content = predictor.fit(cells)
                card = predictor.card(content, cells)
        except TrainingFailed as error:
            self._finish("failed", str(error))
            return True
        kind, now = predictor.spec.kind, self._journal.now
        doubt = bias_sd(predictor.spec)
        body = Fitted(now, state.seq, kind, digest, trials, source, "".join(card), doubt)
        self._journal.append([body], artifacts={digest: content, **card})
        return True

    def _recommend_on_the_way(self) -> bool:
        """A recommendation when a batch's worth of trials has ended, later at growing distances."""
        state = self.state
        batch = max(1, state.campaign.instrument.channels)
        made = state.recommended_at // batch * batch
        due = made + max(batch, int(self._growth * made) // batch * batch)
        while state.ended >= due + batch:  # in vain so far: try again at doubled distances
            due *= 2
        return state.ended >= due and self._recommend()

    def _recommend(self) -> bool:
        """Store a recommendation unless the latest one already knows everything."""
        state = self.state
        if state.learnt <= max(state.recommended_seen, self._in_vain):
            return False
        with self.watch.measure("optimizer"):
            body = derive.recommend(self.lab.optimizer, state.campaign, state.history)
        if body is None:
            self._in_vain = state.learnt
            return False
        self._journal.append([replace(body, time=self._journal.now)])
        return True

    def _wind_up(self) -> None:
        """Nothing runs and nothing may start: ask persons, recommend, confirm, finish."""
        state = self.state
        overdue = budget.overdue(state, self.lab.clock.now())
        if state.lost or (state.awaiting and not overdue):
            self._wait_for_persons()
            return
        if self._recommend():
            return
        winner = state.recommendation
        if winner is not None and self._to_confirm(winner):
            self._dispatch.propose(derive.confirm(state.campaign, state.history, winner))
            return
        if winner is not None and self._check(winner):
            return
        hopeless = budget.hopeless(state)
        if hopeless:
            self._finish("failed", hopeless)
        else:
            self._finish("finished", state.exhausted or self._dispatch.spent())

    def _late(self) -> bool:
        """Whether the time in the lab is over; simulated jobs are handed over at once, and never
        late."""
        clock = self.lab.clock
        return not clock.simulated and budget.overdue(self.state, clock.now())

    def _wait_for_persons(self) -> None:
        if not self._patient:
            raise Waiting
        with self.watch.measure("waiting"):
            self.lab.clock.wait_until(self.lab.clock.now() + timedelta(seconds=LOOK_S))

    def _to_confirm(self, winner: Recommendation) -> bool:
        """Whether the winner is still to be repeated, and there is time for it."""
        state = self.state
        key = state.history.key(winner.parameters)
        overdue = budget.overdue(state, self.lab.clock.now())
        enough = len(state.confirmed) >= MOST_WINNERS
        wanted = state.campaign.recommend.confirm > 0 and key not in state.confirmed
        return wanted and not enough and not overdue

    def _check(self, winner: Recommendation) -> bool:
        """Have the recommendation measured on the instrument that checks it, where that is due."""
        state = self.state
        if state.campaign.check is None or budget.overdue(state, self.lab.clock.now()):
            return False
        body = derive.check(state.campaign, state.history, winner, state.checked)
        if not body.trials:
            return False
        self._dispatch.propose(body)
        return True

    def _finish(self, status: str, reason: str) -> None:
        self._journal.append([Finished(self._journal.now, status, reason)])

    def end(self, reason: str) -> None:
        """End the campaign for good: stop what runs, then say so in the journal.

        Jobs of an instrument that stays silent for `SILENCE_S` are lost: they may still run.
        """
        deadline = time.monotonic() + SILENCE_S
        with single_threaded():
            while self.state.attempts:
                self._journal.renew()
                if time.monotonic() > deadline and self._journal.silent:
                    self._dispatch.give_up(self._journal.silent)
                elif self._dispatch.withdraw(reason):
                    pass
                elif self._dispatch.undelivered:
                    self._dispatch.launch()
                elif self._attendance.stoppable:
                    self._attendance.stop_one(reason)
                else:
                    self._attendance.wait()
            self._finish("stopped", reason)
