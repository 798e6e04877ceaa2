"""What an optimiser may know: the campaign's learning events, folded in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from operator import itemgetter
from types import MappingProxyType
from typing import Any, TypeAlias

from campaigns.records import (
    NOTHING_PREDICTED,
    Bound,
    Observation,
    Outcome,
    Prediction,
    Purpose,
    Setting,
    Trial,
    TrialState,
    Value,
)
from loop.events import (
    Approved,
    AttemptFailed,
    AwaitingApproval,
    Body,
    Corrected,
    Ended,
    Event,
    Excluded,
    Modified,
    Observed,
    Passed,
    Predicted,
    Proposed,
    Resolved,
    Revised,
    Started,
    Submitting,
)

FORGET: Mapping[str, Any] = {"outcomes": {}, "predictions": NOTHING_PREDICTED}  # of a sample

Key: TypeAlias = tuple[Value, ...]
Place: TypeAlias = tuple[str, Key]  # a setting at a fidelity


class History:
    """The trials of one campaign as known after event `seen`; grows by `apply`, read by all others.

    Training cells are kept apart (`training`): they teach the early predictor, not the optimiser.
    What is asked of it is about the campaign's instrument unless a fidelity is named.
    Reading costs do not grow with the number of trials unless all trials are asked for.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """names: the free parameters, in the order of the space; they identify a setting."""
        self.names = tuple(names)
        self._values = itemgetter(*names) if len(self.names) > 1 else None
        self.seen = 0
        self.proposals = 0  # calls of the optimiser answered so far
        self._trials: dict[int, Trial] = {}
        self._training: dict[int, Trial] = {}
        self._asked: Counter[Place] = Counter()
        self._open: dict[int, None] = {}
        self._infeasible: dict[Place, int] = {}
        self._last = 0

    @classmethod
    def of(cls, names: Sequence[str], events: Iterable[Event], seen: int | None = None) -> History:
        """The history after the events up to `seen` (all of them by default)."""
        history = cls(names)
        for event in events:
            if seen is not None and event.seq > seen:
                break
            history.apply(event.seq, event.body)
        return history

    # reading ---------------------------------------------------------------------------------

    @property
    def trials(self) -> Mapping[int, Trial]:
        """Every trial but the training ones, by number, in the order they were proposed."""
        return MappingProxyType(self._trials)

    @property
    def training(self) -> Mapping[int, Trial]:
        """The training trials, by number."""
        return MappingProxyType(self._training)

    @property
    def next_number(self) -> int:
        """The number that the next trial will get."""
        return self._last + 1

    def key(self, setting: Setting) -> Key:
        """What identifies a setting: the values of the free parameters."""
        if self._values is None:
            return tuple(setting[name] for name in self.names)
        found: Key = self._values(setting)  # asked for all candidates at each proposal
        return found

    def asked(self, setting: Setting, fidelity: str = "") -> int:
        """How often the setting has been proposed so far (refused trials do not count)."""
        return self._asked[fidelity, self.key(setting)]

    def infeasible(self, setting: Setting, fidelity: str = "") -> bool:
        """True where a trial of this setting failed in a way that the campaign calls infeasible."""
        return bool(self._infeasible) and (fidelity, self.key(setting)) in self._infeasible

    def open(self) -> Iterator[Trial]:
        """Trials that are not over, predicted or not."""
        return (self._trials[n] for n in self._open if n in self._trials)

    def pending(self, fidelity: str = "") -> list[Trial]:
        """Trials under way of which nothing is known yet."""
        return [trial for trial in self.open() if trial.pending and trial.fidelity == fidelity]

    def outcomes(
        self, metric: str, *, exact: bool = True, fidelity: str = ""
    ) -> list[tuple[Trial, Outcome]]:
        """The current outcome of every trial that has one and is not excluded.

        With `exact` (the default) censored observations are left out; otherwise see their `bound`.
        """
        found = []
        for trial in self._trials.values():
            outcome = trial.outcomes.get(metric)
            if outcome is None or trial.excluded or trial.fidelity != fidelity:
                continue
            if exact and outcome.bound is not Bound.EXACT:
                continue
            found.append((trial, outcome))
        return found

    def believing(self, number: int, prediction: Prediction) -> History:
        """This history, were that predicted of a trial, and the trial not excluded; this one stays
        as it is."""
        other = copy(self)
        other._trials = dict(self._trials)
        other._change(number, excluded=False)
        other._predict(number, prediction)
        return other

    def trial(self, number: int) -> Trial:
        """One trial, search or training. Raises KeyError."""
        return self._trials[number] if number in self._trials else self._training[number]

    # folding ---------------------------------------------------------------------------------

    def apply(self, seq: int, body: Body) -> None:
        """Take in the next event of the journal."""
        match body:
            case Proposed():
                self._propose(body)
            case AwaitingApproval():
                self._change(body.trial, state=TrialState.AWAITING_APPROVAL)
            case Approved():
                self._change(body.trial, state=TrialState.PROPOSED)
            case Modified():
                self._modify(body)
            case Submitting():
                self._change(body.trial, state=TrialState.SUBMITTING, attempt=body.attempt)
            case Started():
                self._change(body.trial, state=TrialState.RUNNING)
            case Predicted() | Revised():
                self._predict(body.trial, body.prediction)
            case Observed() | Corrected():
                self._learn(body.trial, body.observation)
            case Passed():
                self._change(body.trial, state=TrialState.PROPOSED)
            case AttemptFailed():
                # what the failed attempt's data predicted says nothing of the next cell
                self._change(body.trial, state=TrialState.PROPOSED, failure=body.failure, **FORGET)
            case Ended():
                self._end(body)
            case Resolved():
                self._resolve(body)
            case Excluded():
                self._exclude(body)
            case _:
                pass
        self.seen = seq

    def _propose(self, body: Proposed) -> None:
        if body.purpose is Purpose.SEARCH:
            self.proposals += 1
        for offset, proposed in enumerate(body.trials):
            trial = Trial(
                number=body.first + offset,
                parameters=MappingProxyType(dict(proposed.parameters)),
                author=proposed.author,
                purpose=body.purpose,
                batch=self.proposals if body.purpose is Purpose.SEARCH else 0,
                meta=MappingProxyType(dict(proposed.meta)),
                fidelity=proposed.fidelity,
            )
            self._last = trial.number
            self._open[trial.number] = None
            if body.purpose is Purpose.TRAINING:
                self._training[trial.number] = trial
            else:
                self._trials[trial.number] = trial
                self._asked[self._place(trial)] += 1

    def _predict(self, number: int, prediction: Prediction) -> None:
        made = {**self.trial(number).predictions, prediction.at_cycle: prediction}
        self._change(number, predictions=MappingProxyType(dict(sorted(made.items()))))
        self._learn(number, prediction)

    def _learn(self, number: int, outcome: Outcome) -> None:
        trial = self.trial(number)
        standing = trial.outcomes.get(outcome.metric)
        if isinstance(outcome, Prediction) and isinstance(standing, Observation):
            return  # a measurement is never superseded by a prediction
        self._change(number, outcomes={**trial.outcomes, outcome.metric: outcome})

    def _modify(self, body: Modified) -> None:
        """What was asked for counts as asked for, what is run instead counts, too."""
        before = self.trial(body.trial)
        setting = MappingProxyType(dict(body.parameters))
        proposed = before.parameters if before.proposed is None else before.proposed
        self._change(body.trial, parameters=setting, proposed=proposed)
        if before.purpose is not Purpose.TRAINING:
            at, asked = before.fidelity, self.key(proposed)
            old, new = self.key(before.parameters), self.key(setting)
            if before.proposed is not None and old != asked:
                self._asked[at, old] -= 1  # changed before: nobody asked for it, and it is not run
            if new != asked:
                self._asked[at, new] += 1

    def _resolve(self, body: Resolved) -> None:
        state = TrialState.RUNNING if body.verdict == "adopt" else TrialState.PROPOSED
        self._change(body.trial, state=state, failure=None)
        if body.verdict == "not_run":  # with a new sample; this one's results say nothing of it
            self._change(body.trial, **FORGET)
        self._open[body.trial] = None

    def _end(self, body: Ended) -> None:
        self._change(body.trial, state=body.state, failure=body.failure)
        self._open.pop(body.trial, None)
        trial = self.trial(body.trial)
        if trial.purpose is Purpose.TRAINING:
            return
        place = self._place(trial)
        if body.state is TrialState.REFUSED:
            self._asked[place] -= 1
        if body.failure is not None and body.failure.infeasible:
            self._infeasible[place] = body.trial

    def _exclude(self, body: Excluded) -> None:
        """A spoiled trial does not use up its setting, nor bar it."""
        trial = self.trial(body.trial)
        if trial.excluded != body.excluded and trial.purpose is not Purpose.TRAINING:
            place = self._place(trial)
            self._asked[place] += -1 if body.excluded else 1
            if body.excluded and self._infeasible.get(place) == body.trial:
                del self._infeasible[place]
        self._change(body.trial, excluded=body.excluded)

    def _place(self, trial: Trial) -> Place:
        return trial.fidelity, self.key(trial.parameters)

    def _change(self, number: int, **changes: Any) -> None:
        table = self._trials if number in self._trials else self._training
        if "outcomes" in changes:
            changes["outcomes"] = MappingProxyType(changes["outcomes"])
        table[number] = replace(table[number], **changes)
