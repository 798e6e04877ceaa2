"""Proof that the recorded decisions follow from the recorded data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from campaigns.campaign import Campaign, parse
from campaigns.records import Purpose, Trial
from loop import approvals, derive
from loop.comparing import TOLERANCE, close, differences
from loop.early import EarlyPredictor
from loop.events import (
    Approved,
    AwaitingApproval,
    Body,
    Created,
    Decided,
    Event,
    Fitted,
    Predicted,
    Proposed,
    ProposedTrial,
    Recommended,
    Resolved,
    Revised,
    Submitting,
    encode,
)
from loop.optimizers import registry as optimizers
from loop.optimizers.base import Optimizer
from loop.refitting import Refits
from loop.state import CampaignState
from loop.stopping import Decision
from loop.stopping_choice import stopper_of
from loop.store.store import Store
from loop.threads import single_threaded

HANDMADE = frozenset({"person", "record"})  # proposals nobody derived: given by a person or a file

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first decision that its prefix does not explain."""

    seq: int
    kind: str
    recorded: str
    derived: str

    def __str__(self) -> str:
        if self.seq == 0:  # the store is not what was written: no decision was looked at
            return " ".join(f"{self.kind or 'store'}, {self.recorded}: {self.derived}".split())
        return f"event {self.seq} ({self.kind}): recorded {self.recorded}, derived {self.derived}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit found. `proposals` counts proposed settings, one a trial."""

    campaign: str
    proposals: int
    identical: int
    predictions: int
    recommendations: int
    decisions: int
    first_divergence: Divergence | None
    differences: tuple[str, ...]  # packages whose version differs from the recorded one
    models: int = 0  # early predictors that were fitted
    refitted: int = 0  # of these, fitted again and found the same
    not_refitted: tuple[str, ...] = ()  # those whose training cells are no longer there, and why

    @property
    def ok(self) -> bool:
        return self.first_divergence is None


class Audit:
    """Walks a journal once, re-deriving each decision at the prefix it was made at."""

    def __init__(self, store: Store, campaign_id: str, refits: Refits | None = None) -> None:
        text, files = store.document(campaign_id)
        self.campaign: Campaign = parse(text, files)
        self.events = store.events(campaign_id)
        self.campaign_id = campaign_id
        spec = self.campaign.optimizer
        self.optimizer: Optimizer = optimizers.create(spec.kind, spec.options)
        self.predictor = (
            EarlyPredictor(store, campaign_id, self.campaign)
            if self.campaign.early_prediction is not None
            else None
        )
        self.refits = refits  # None: stored models are believed
        self.tolerance = 0.0
        self.foreign = False  # recorded elsewhere: only the settings are comparable
        self.counts = dict.fromkeys(
            ("proposals", "identical", "predictions", "decisions", "models"), 0
        )
        self.recommendations = 0
        self.divergence: Divergence | None = None
        self.stopper = stopper_of(self.campaign)
        self._revisions: tuple[int, dict[int, Revised]] = (0, {})  # made knowing the events up to
        self._decision: Decision | None = None  # made with the latest prediction

    def run(self, progress: Progress | None = None) -> None:
        """Go through the journal and note the first divergence."""
        state: CampaignState | None = None
        for event in self.events:
            if state is None:
                if not isinstance(event.body, Created):
                    self._diverged(event, event.kind, "created")
                    return
                self._compare_digest(event, event.body)
                self.foreign = event.body.origin == "import"
                state = CampaignState.of(self.campaign, [event])
                continue
            if not self._follow(state, event):
                return
            if progress is not None:
                progress(event.seq, len(self.events))

    def _follow(self, state: CampaignState, event: Event) -> bool:
        """Look at one event and take it in; False where it makes no sense to go on."""
        try:
            if not self._lawful(state, event):
                return False
            self._examine(state, event)
            state.apply(event)
        except (derive.BadProposal, ValueError, LookupError) as error:
            self._diverged(event, event.kind, f"nothing ({error})")
            return False
        return True

    def _compare_digest(self, event: Event, created: Created) -> None:
        if created.digest != self.campaign.digest:
            self._diverged(event, created.digest, self.campaign.digest)

    def _lawful(self, state: CampaignState, event: Event) -> bool:
        """Whether persons were asked before anything ran, and ruled on what was before them."""
        body = event.body
        match body:
            case Approved():
                asked = state.awaiting.get(body.trial)
                wanted = "nothing awaits approval" if asked is None else asked.digest
                lawful, said = wanted == body.digest, body.digest
            case Submitting():
                trial = state.history.trial(body.trial)
                wanted = state.approved.get(body.trial, "")
                said = _payload(state.campaign, trial) if wanted else ""
                if body.trial in state.awaiting:
                    wanted = "an approval before it"
                lawful = wanted == said
            case Resolved():
                lawful, said, wanted = body.trial in state.lost, body.verdict, "a lost trial"
            case _:
                return True
        if not lawful:
            self._diverged(event, f"trial {body.trial}: {said}", wanted)
        return lawful

    def _examine(self, state: CampaignState, event: Event) -> None:
        match event.body:
            case Proposed():
                self._proposed(state, event, event.body)
            case Recommended():
                self._recommended(state, event, event.body)
            case Fitted() if self.predictor is not None:
                self._fitted(state, event, event.body)
            case Predicted() if self.predictor is not None:
                self._predicted(state, event, event.body)
            case Revised():
                self._revised(state, event, event.body)
            case Decided():
                self._decided(state, event, event.body)
            case AwaitingApproval() if event.body.policies:
                self._held_back(state, event, event.body)
            case _:
                pass

    def _proposed(self, state: CampaignState, event: Event, body: Proposed) -> None:
        if body.optimizer in HANDMADE:
            return
        self.counts["proposals"] += len(body.trials)
        if body.seen != event.seq - 1:
            between = self._between(body.seen, event.seq)
            if between:
                self._diverged(event, f"seen = {body.seen}", f"a proposal at {between} between")
                return
        derived = self._derive(state, body)
        if self.foreign:
            body, derived = _settings_only(body), _settings_only(derived)
        pairs = zip(body.trials, derived.trials, strict=False)
        self.counts["identical"] += sum(self._same(a, b) for a, b in pairs)
        if not self._alike(body, replace(derived, time=body.time)):
            self._diverged(event, *_difference(body, derived))

    def _between(self, seen: int, seq: int) -> int:
        for event in self.events[seen : seq - 1]:
            if isinstance(event.body, Proposed):
                return event.seq
        return 0

    def _derive(self, state: CampaignState, body: Proposed) -> Proposed:
        campaign, history = state.campaign, state.history
        if body.seen != history.seen:
            history = type(history).of(history.names, self.events, body.seen)
        match body.purpose:
            case Purpose.TRAINING:
                return derive.training(campaign, history)
            case Purpose.START:
                return derive.start(campaign, history)
            case Purpose.CONFIRM if state.recommendation is not None:
                return derive.confirm(campaign, history, state.recommendation)
            case Purpose.CHECK if state.recommendation is not None:
                return derive.check(campaign, history, state.recommendation, state.checked)
            case _:
                return derive.search(self.optimizer, campaign, history, body.n)

    def _recommended(self, state: CampaignState, event: Event, body: Recommended) -> None:
        self.recommendations += 1
        history = state.history
        if body.seen != history.seen:
            history = type(history).of(history.names, self.events, body.seen)
        derived = derive.recommend(self.optimizer, state.campaign, history)
        if derived is None:
            self._diverged(event, encode(body), "nothing to recommend")
        elif not self._alike(body, replace(derived, time=body.time)):
            self._diverged(event, *_difference(body, derived))

    def _fitted(self, state: CampaignState, event: Event, body: Fitted) -> None:
        self.counts["models"] += 1
        if self.refits is None or self.predictor is None:
            return
        if body.seen != state.seq:
            state = CampaignState.of(self.campaign, self.events[: body.seen])
        difference = self.refits.compare(self.predictor, state, event, self.tolerance)
        if difference is not None:
            self._diverged(event, *difference)

    def _predicted(self, state: CampaignState, event: Event, body: Predicted) -> None:
        self.counts["predictions"] += 1
        assert self.predictor is not None
        at_cycle = body.prediction.at_cycle
        self._decision = derive.stop(
            self.stopper,
            state,
            body.trial,
            body.attempt,
            body.prediction,
            self.predictor.outlook(state, body.trial, at_cycle),
        )
        derived = replace(
            body,
            prediction=self.predictor.predict(state, body.trial, body.attempt, at_cycle),
        )
        if not self._alike(body, derived):
            self._diverged(event, *_difference(body, derived))

    def _revised(self, state: CampaignState, event: Event, body: Revised) -> None:
        """All revisions of one moment know the same events."""
        self.counts["predictions"] += 1
        if body.seen != self._revisions[0]:
            history = state.history
            if body.seen != history.seen:
                history = type(history).of(history.names, self.events, body.seen)
            bodies = derive.revisions(state.campaign, history, state.bias_sd)
            self._revisions = body.seen, {one.trial: one for one in bodies}
        derived = self._revisions[1].get(body.trial)
        if derived is None:
            self._diverged(event, encode(body), "nothing to revise")
        elif not self._alike(body, replace(derived, time=body.time)):
            self._diverged(event, *_difference(body, derived))

    def _decided(self, state: CampaignState, event: Event, body: Decided) -> None:
        self.counts["decisions"] += 1
        decision = self._decision
        if decision is None:  # data that could not be used, of a test that cannot be stopped
            return
        self._decision = None
        recorded = (body.reason, dict(body.weighed))
        if recorded != (decision.reason, dict(decision.weighed)):
            self._diverged(event, f"{body.action}: {body.reason}", decision.reason)

    def _held_back(self, state: CampaignState, event: Event, body: AwaitingApproval) -> None:
        """Why a person was asked, and about what."""
        trial = state.history.trial(body.trial)
        reason = approvals.needed(state.campaign, body.policies, state.history, trial.parameters)
        derived = replace(body, digest=_payload(state.campaign, trial), reason=reason)
        if body != derived:
            self._diverged(event, *_difference(body, derived))

    # comparing -------------------------------------------------------------------------------

    def _same(self, one: ProposedTrial, other: ProposedTrial) -> bool:
        if one == other:
            return True
        tolerance = self.tolerance
        return tolerance > 0 and close(dict(one.parameters), dict(other.parameters), tolerance)

    def _alike(self, one: Body, other: Body) -> bool:
        text, derived = encode(one), encode(other)
        if text == derived:
            return True
        return self.tolerance > 0 and close(json.loads(text), json.loads(derived), self.tolerance)

    def _diverged(self, event: Event, recorded: str, derived: str) -> None:
        if self.divergence is None:
            self.divergence = Divergence(event.seq, event.kind, recorded, derived)


def verify(
    store: Store,
    campaign_id: str,
    head: str | None = None,
    progress: Progress | None = None,
    refits: Refits | None = None,
) -> Verdict:
    """Re-derive every proposal, prediction, stop and recommendation of a campaign.

    The journal's hash chain and the stored data are checked first; `head` (as a report printed it)
    finds a truncated tail. Bit-identical where the package versions are the recorded ones, within a
    relative 1e-6 otherwise. Early predictors are those stored; with `refits` each is fitted again
    first, and compared. Raises CampaignUnknown.
    """
    damage = _damage(store, campaign_id, head)
    if damage is not None:  # nothing of it can be believed, not even enough to go through it
        return Verdict(campaign_id, 0, 0, 0, 0, 0, damage, ())
    audit = Audit(store, campaign_id, refits)
    differing = differences(audit.events)
    audit.tolerance = TOLERANCE if differing else 0.0
    with single_threaded():
        audit.run(progress)
    return Verdict(
        campaign=campaign_id,
        proposals=audit.counts["proposals"],
        identical=audit.counts["identical"],
        predictions=audit.counts["predictions"],
        recommendations=audit.recommendations,
        decisions=audit.counts["decisions"],
        first_divergence=audit.divergence,
        differences=differing,
        models=audit.counts["models"],
        refitted=0 if refits is None else refits.again,
        not_refitted=() if refits is None else tuple(refits.missing),
    )


def _damage(store: Store, campaign_id: str, head: str | None) -> Divergence | None:
    """The first sign that the store is not what was written."""
    for damage in store.check(campaign_id):
        return Divergence(0, damage.table, damage.where, damage.what)
    if head is not None:
        events = store.events(campaign_id)
        if all(event.hash != head for event in events):
            told = f"{head} (the journal's tail is missing)"
            return Divergence(len(events), "head", events[-1].hash, told)
    return None


def _payload(campaign: Campaign, trial: Trial) -> str:
    return approvals.payload(campaign, trial.parameters, trial.fidelity)


def _settings_only(body: Proposed) -> Proposed:
    trials = tuple(replace(trial, author="", meta={}) for trial in body.trials)
    return replace(body, trials=trials)


def _difference(one: Body, other: Body) -> tuple[str, str]:
    """The part in which two events differ, short enough to read."""
    if isinstance(one, Proposed) and isinstance(other, Proposed):
        for offset, (a, b) in enumerate(zip(one.trials, other.trials, strict=False)):
            if a != b:
                number = one.first + offset
                return f"trial {number}: {a.parameters} {a.meta}", f"{b.parameters} {b.meta}"
    return encode(one)[:300], encode(other)[:300]
