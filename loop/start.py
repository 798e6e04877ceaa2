"""Old data a campaign starts from: results in its file, and earlier campaigns of the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from campaigns.campaign import Campaign, CampaignError, parse
from campaigns.records import Observation, Outcome, Purpose, Setting, TrialState
from loop.events import Body, Ended, Observed, Proposed, ProposedTrial
from loop.state import RECORDED, CampaignState
from loop.store.errors import CampaignUnknown
from loop.store.store import Store
from loop.units import converter, scale

Known = tuple[Setting, Mapping[str, Observation]]


def check(store: Store, campaign: Campaign) -> None:
    """Whether every earlier campaign is there. Raises CampaignError."""
    problems = []
    earlier = list(campaign.start.campaigns)
    spec = campaign.early_prediction
    if spec is not None and spec.training.campaign:
        earlier.append(spec.training.campaign)
    for name in earlier:
        try:
            store.head(name)
        except CampaignUnknown as error:
            problems.append(str(error))
    if problems:
        raise CampaignError(problems)


def recorded(store: Store, state: CampaignState) -> list[Body]:
    """The events that tell a new campaign what was measured before it; [] for none."""
    known = [(m.setting, m.outcomes) for m in state.campaign.start.measured]
    for name in state.campaign.start.campaigns:
        known += _earlier(store, state.campaign, name)
    if not known:
        return []
    first, time = state.history.next_number, state.time
    trials = tuple(
        ProposedTrial(dict(state.campaign.space.complete(setting)), RECORDED)
        for setting, _ in known
    )
    body = Proposed(time, state.seq, len(known), first, RECORDED, Purpose.START, trials)
    bodies: list[Body] = [body]
    for number, (_, outcomes) in enumerate(known, start=first):
        bodies += given(number, time, outcomes)
    return bodies


def given(number: int, time: float, outcomes: Mapping[str, Observation]) -> list[Body]:
    """The events of a trial whose results were given, not measured here."""
    observed: list[Body] = [Observed(time, number, 0, one) for one in outcomes.values()]
    return [*observed, Ended(time, number, 0, TrialState.COMPLETED, 0.0)]


def _earlier(store: Store, campaign: Campaign, name: str) -> Iterator[Known]:
    """What another campaign found at settings that this one's space holds, in this one's units."""
    text, files = store.document(name)
    history = CampaignState.of(parse(text, files), store.events(name)).history
    units = {objective.metric: objective.unit for objective in campaign.objectives}
    for trial in history.trials.values():
        outcomes = {m: o for m, o in trial.outcomes.items() if m in units}
        if trial.excluded or not outcomes or not _within(campaign, trial.parameters):
            continue
        yield (
            {parameter: trial.parameters[parameter] for parameter in campaign.space.names},
            {metric: _observation(o, units[metric]) for metric, o in outcomes.items()},
        )


def _within(campaign: Campaign, setting: Setting) -> bool:
    names = campaign.space.names
    return set(names) <= set(setting) and campaign.space.feasible({n: setting[n] for n in names})


def _observation(outcome: Outcome, unit: str) -> Observation:
    """A prediction of an earlier campaign is as good here as an observation with its sem."""
    sem = None if outcome.sem is None else abs(scale(outcome.unit, unit)(outcome.sem))
    mean = converter(outcome.unit, unit)(outcome.mean)
    return Observation(outcome.metric, mean, sem, unit, outcome.bound)
