"""Every decision as a pure function of the recorded prefix, for the engine and for replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from campaigns.campaign import Campaign
from campaigns.fidelities import CHECK
from campaigns.records import Prediction, Proposal, Purpose, Recommendation, Setting, Value
from loop.confirming import best_repeated
from loop.correcting import Correction, standing_predictions
from loop.events import Proposed, ProposedTrial, Recommended, Revised
from loop.front_check import to_check
from loop.history import History, Key
from loop.optimizers.base import Exhausted, NothingToRecommend, Optimizer
from loop.state import CampaignState
from loop.stopping import Decision, Outlook, Stopper

if TYPE_CHECKING:
    import numpy as np


STOP_SALT = 1  # keeps a stopper's generator apart from the optimiser's


class BadProposal(Exception):
    """An optimiser failed or broke its contract; the campaign cannot go on with it."""


def generator(seed: int, *path: int) -> np.random.Generator:
    """The generator of one decision: nothing else ever draws from it."""
    import numpy as np

    return np.random.default_rng([seed, *path])


def search(optimizer: Optimizer, campaign: Campaign, history: History, n: int) -> Proposed:
    """What the optimiser asks for next, knowing `history`; the event carries no time yet.

    Raises BadProposal where the optimiser's answer is not n feasible settings.
    """
    exhausted = ""
    rng = generator(campaign.seed, history.next_number)
    try:
        proposals: Sequence[Proposal] = optimizer.propose(campaign, history, n, rng)
    except Exhausted as error:
        proposals, exhausted = error.partial, error.reason or "no further settings"
    except (ValueError, ArithmeticError, RuntimeError) as error:
        raise BadProposal(f"{campaign.optimizer.kind} failed: {error}") from error
    _verify(campaign, history, proposals, n, short=bool(exhausted))
    return _event(campaign, history, n, Purpose.SEARCH, proposals, exhausted)


def training(campaign: Campaign, history: History) -> Proposed:
    """The settings of the cells that train the early predictor, drawn by the seed alone."""
    spec = campaign.early_prediction
    n = 0 if spec is None else spec.training.simulate or 0
    rng = generator(campaign.seed, history.next_number)
    space = campaign.space
    if space.finite:
        candidates = space.candidates
        order = [int(i) for i in rng.permutation(len(candidates))]
        settings: list[Setting] = [candidates[order[i % len(order)]] for i in range(n)]
    else:
        settings = list(space.sample(n, rng))
    proposals = [Proposal(setting, "training") for setting in settings]
    return _event(campaign, history, n, Purpose.TRAINING, proposals, name="training")


def start(campaign: Campaign, history: History) -> Proposed:
    """The settings that the campaign file wants run first."""
    settings = campaign.start.settings
    proposals = [Proposal(setting, "start") for setting in settings]
    return _event(campaign, history, len(settings), Purpose.START, proposals, name="start")


def confirm(campaign: Campaign, history: History, winner: Recommendation) -> Proposed:
    """Fresh repeats of the recommended setting."""
    proposals = [Proposal(winner.parameters, "confirm")] * campaign.recommend.confirm
    return _event(campaign, history, len(proposals), Purpose.CONFIRM, proposals, name="confirm")


def check(
    campaign: Campaign, history: History, winner: Recommendation, checked: Collection[Key]
) -> Proposed:
    """The recommended setting, and the front's, on the instrument that checks them; each once."""
    settings = {history.key(setting): setting for setting in to_check(campaign, winner)}
    proposals = [
        Proposal(setting, CHECK, fidelity=CHECK)
        for key, setting in settings.items()
        if key not in checked
    ]
    return _event(campaign, history, len(proposals), Purpose.CHECK, proposals, name=CHECK)


def stop(
    stopper: Stopper,
    state: CampaignState,
    trial: int,
    attempt: int,
    prediction: Prediction,
    outlook: Outlook,
) -> Decision:
    """Whether the stopper would end a trial that was just predicted."""
    rng = generator(state.campaign.seed, trial, attempt, STOP_SALT)
    history = state.history
    return stopper.decide(state.campaign, history, history.trial(trial), prediction, outlook, rng)


def revisions(campaign: Campaign, history: History, bias_sd: float) -> list[Revised]:
    """Every standing prediction that the bias shown by measured cells changes, once more."""
    if bias_sd == 0.0:
        return []
    found, metric = [], campaign.objectives[0].metric
    correction = Correction(history, metric, bias_sd)
    for number, told in standing_predictions(history, metric):
        better = correction.of(told)
        if better != told:
            attempt = history.trial(number).attempt
            found.append(Revised(0.0, history.seen, number, attempt, better))
    return found


def recommend(optimizer: Optimizer, campaign: Campaign, history: History) -> Recommended | None:
    """The optimiser's recommendation, or None while nothing is known; the best of the repeated
    winners once there are enough of them. Raises BadProposal."""
    try:
        recommendation = best_repeated(campaign, history) or optimizer.recommend(campaign, history)
    except NothingToRecommend:
        return None
    except (ValueError, ArithmeticError, RuntimeError) as error:
        raise BadProposal(f"{campaign.optimizer.kind} failed to recommend: {error}") from error
    return Recommended(0.0, history.seen, campaign.optimizer.kind, recommendation)


def _event(
    campaign: Campaign,
    history: History,
    n: int,
    purpose: Purpose,
    proposals: Sequence[Proposal],
    exhausted: str = "",
    name: str = "",
) -> Proposed:
    return Proposed(
        time=0.0,
        seen=history.seen,
        n=n,
        first=history.next_number,
        optimizer=name or campaign.optimizer.kind,
        purpose=purpose,
        trials=tuple(
            ProposedTrial(_plain(campaign, p.parameters), p.author, dict(p.meta), p.fidelity)
            for p in proposals
        ),
        exhausted=exhausted,
    )


def _plain(campaign: Campaign, setting: Setting) -> dict[str, Value]:
    """Free parameters, then derived ones, as plain Python values."""
    complete = campaign.space.complete(setting)
    return {name: _scalar(value) for name, value in complete.items()}


def _scalar(value: Value) -> Value:
    item = getattr(value, "item", None)  # a NumPy scalar
    plain: Value = value if item is None else item()
    return plain


def _verify(
    campaign: Campaign, history: History, proposals: Sequence[Proposal], n: int, *, short: bool
) -> None:
    kind = campaign.optimizer.kind
    if len(proposals) > n or (len(proposals) < n and not short):
        raise BadProposal(f"{kind} was asked for {n} settings and gave {len(proposals)}")
    for proposal in proposals:
        problems = campaign.space.problems(proposal.parameters)
        if problems:
            raise BadProposal(f"{kind} proposed an infeasible setting: {problems[0]}")
        if proposal.fidelity and proposal.fidelity not in [f.name for f in campaign.fidelities]:
            raise BadProposal(f"{kind} named '{proposal.fidelity}', which is no fidelity")
        if history.infeasible(proposal.parameters, proposal.fidelity):
            raise BadProposal(f"{kind} proposed a setting that failed as infeasible before")
    times = Counter((p.fidelity, history.key(p.parameters)) for p in proposals)
    replicates = campaign.optimizer.replicates
    for proposal in proposals:
        place = proposal.fidelity, history.key(proposal.parameters)
        asked = history.asked(proposal.parameters, proposal.fidelity) + times[place]
        if asked > replicates:
            raise BadProposal(f"{kind} asked for one setting {asked} times, {replicates} allowed")
