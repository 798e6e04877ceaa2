"""The campaign runner: one action after the other, each decided by the recorded state alone."""

from __future__ import annotations

from dataclasses import replace

from loop import derive
from loop.attendance import Attendance
from loop.dispatch import Dispatch
from loop.events import Finished, Fitted
from loop.journal import Journal, Listener
from loop.lab import Lab
from loop.start import recorded
from loop.state import CampaignState
from loop.stopwatch import Stopwatch
from loop.store.store import Lease, Store
from loop.threads import single_threaded


class Interrupted(Exception):
    """The engine was asked to stop; the campaign can be resumed."""


class Engine:
    """Runs one campaign to its end or until interrupted.

    Every action writes its events in one transaction and is chosen from the state those events fold
    to, so an engine that was killed anywhere goes on with the very action that was due. `growth`
    spaces the recommendations stored on the way: the next one after that share more trials.
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
    ) -> None:
        self.campaign_id = campaign_id
        self.state = state
        self.lab = lab
        self._journal = Journal(store, campaign_id, state, lease, lab.clock, listener)
        self._dispatch = Dispatch(self._journal, lab)
        self._attendance = Attendance(self._journal, lab)
        self._growth = growth
        self._nothing_recorded = False
        self._stop = False

    @property
    def watch(self) -> Stopwatch:
        """Where the seconds of this engine went."""
        return self._journal.watch

    def run(self) -> None:
        """Go on until the campaign is over. Raises Interrupted after `interrupt`."""
        with single_threaded():
            with self.watch.measure("instrument"):
                self._dispatch.take_up()
            while not self.state.over:
                if self._stop:
                    raise Interrupted
                self._journal.renew()
                self._step()

    def interrupt(self) -> None:
        """Ask the engine to stop after the action under way; safe from a signal handler."""
        self._stop = True
        wake = getattr(self.lab.clock, "interrupt", None)
        if wake is not None:
            wake()

    def _step(self) -> None:
        """The next action. The order is part of the two promises: see docs/engine.md."""
        if self._dispatch.undelivered:
            self._dispatch.launch()
        elif (due := self._attendance.next_due()) is not None:
            self._attendance.attend(due)
        elif self._attendance.late():
            self._attendance.stop_one()
        elif self._prepare() or self._recommend_on_the_way() or self._dispatch.fill():
            pass
        elif self.state.attempts:
            self._attendance.wait()
        else:
            self._wind_up()

    def _prepare(self) -> bool:
        """Old data, given settings, training cells, the model: each once, before any search."""
        state, predictor = self.state, self.lab.predictor
        if not (state.record_proposed or self._nothing_recorded):
            bodies = recorded(self._journal.store, state)
            self._nothing_recorded = not bodies
            if bodies:
                self._journal.append(bodies)
                return True
        if state.campaign.start.settings and not state.start_proposed:
            self._dispatch.propose(derive.start(state.campaign, state.history))
            return True
        if predictor is None or state.model:
            return False
        if predictor.spec.training.simulate and not state.training_proposed:
            self._dispatch.propose(derive.training(state.campaign, state.history))
            return True
        if not predictor.ready(state):
            return False
        with self.watch.measure("surrogate"):
            cells, trials, source = predictor.cells(state)
            digest, content = predictor.fit(cells)
        body = Fitted(
            self._journal.now,
            state.seq,
            predictor.spec.kind,
            digest,
            trials,
            source,
        )
        self._journal.append([body], artifacts={digest: content})
        return True

    def _recommend_on_the_way(self) -> bool:
        """A recommendation each time a batch's worth of trials (or `growth` more) has ended."""
        state = self.state
        batch = max(1, state.campaign.instrument.channels)
        step = max(batch, int(self._growth * state.recommended_at))
        if state.ended // batch <= state.recommended_at // batch:
            return False
        return state.ended - state.recommended_at // batch * batch >= step and self._recommend()

    def _recommend(self) -> bool:
        """Store a recommendation unless the latest one already knows everything."""
        state = self.state
        if state.learnt <= state.recommended_seen:
            return False
        with self.watch.measure("optimizer"):
            body = derive.recommend(self.lab.optimizer, state.campaign, state.history)
        if body is None:
            return False
        self._journal.append([replace(body, time=self._journal.now)])
        return True

    def _wind_up(self) -> None:
        """Nothing runs and nothing may start: recommend, confirm, finish."""
        state = self.state
        if self._recommend():
            return
        winner = state.recommendation
        if state.campaign.recommend.confirm and winner is not None and not state.confirmed:
            self._dispatch.propose(derive.confirm(state.campaign, state.history, winner))
            return
        reason = state.exhausted or self._dispatch.spent()
        self._journal.append([Finished(self._journal.now, "finished", reason)])
