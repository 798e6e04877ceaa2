"""Old data a campaign starts from: results in its file, and earlier campaigns of the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from campaigns.campaign import Campaign, CampaignError, parse
from campaigns.records import Observation, Outcome, Purpose, Setting, TrialState, Value
from instruments.units import UnitError, converter, scale
from loop.discrepancy import completed, measured
from loop.events import Body, Ended, Observed, Proposed, ProposedTrial
from loop.restoring import restore
from loop.state import RECORDED, CampaignState
from loop.store.errors import CampaignUnknown
from loop.store.store import Store

Known = tuple[Setting, Mapping[str, Observation]]
Units = Mapping[str, str]  # metric -> unit


def check(store: Store, campaign: Campaign) -> None:
    """Whether every earlier campaign is there and speaks of this one's parameters.

    Raises CampaignError with all that is wrong.
    """
    problems = [
        f"start.campaigns: {name} stands there twice"
        for name, times in Counter(campaign.start.campaigns).items()
        if times > 1
    ]
    for name in campaign.start.campaigns:
        problems += _strange(store, campaign, name)
    spec = campaign.early_prediction
    if spec is not None and spec.training.campaign:
        problems += _missing(store, spec.training.campaign)
    if problems:
        raise CampaignError(problems)


def _missing(store: Store, name: str) -> list[str]:
    try:
        store.head(name)
    except CampaignUnknown as error:
        return [str(error)]
    return []


def _strange(store: Store, campaign: Campaign, name: str) -> list[str]:
    """Why nothing can be learnt from an earlier campaign."""
    missing = _missing(store, name)
    if missing:
        return missing
    earlier = parse(*store.document(name))
    lacking = [n for n in campaign.space.names if n not in earlier.space.names]
    if lacking:
        return [f"start.campaigns: {name} has no parameter {', '.join(lacking)}"]
    try:
        _exchange(earlier, campaign)
    except UnitError as error:
        return [f"start.campaigns: {name}: {error}"]
    return []


def recorded(store: Store, state: CampaignState, units: Units) -> list[Body]:
    """The events that tell a new campaign what was measured before it, maybe nothing.

    units: of the metrics as the campaign stores them, for values given without one.
    """
    known: list[Known] = [
        (m.setting, {k: replace(o, unit=o.unit or units[k]) for k, o in m.outcomes.items()})
        for m in state.campaign.start.measured
    ]
    for name in state.campaign.start.campaigns:
        known += _earlier(store, state.campaign, name, units)
    first, time = state.history.next_number, state.time
    trials = tuple(
        ProposedTrial(dict(state.campaign.space.complete(setting)), RECORDED)
        for setting, _ in known
    )
    body = Proposed(time, state.seq, len(known), first, RECORDED, Purpose.START, trials)
    bodies: list[Body] = [body]
    for number, (_, outcomes) in enumerate(known, start=first):
        bodies += given(number, time, _completed(state.campaign, outcomes))
    return bodies


def _completed(
    campaign: Campaign, outcomes: Mapping[str, Observation]
) -> Mapping[str, Observation]:
    """With the discrepancy, unless an earlier campaign's value cannot be compared at all."""
    try:
        return completed(campaign, outcomes)
    except ValueError:
        return outcomes


def given(number: int, time: float, outcomes: Mapping[str, Observation]) -> list[Body]:
    """The events of a trial whose results were given, not measured here."""
    observed: list[Body] = [Observed(time, number, 0, one) for one in outcomes.values()]
    return [*observed, Ended(time, number, 0, TrialState.COMPLETED, 0.0)]


def _earlier(store: Store, campaign: Campaign, name: str, units: Units) -> Iterator[Known]:
    """What another campaign found at settings that this one's space holds, in this one's units."""
    state = restore(store, name)
    earlier, history = state.campaign, state.history
    wanted = {metric for objective in campaign.objectives for metric in measured(objective)}
    wanted |= {bound.metric for bound in campaign.constraints}
    exchange = _exchange(earlier, campaign)
    for trial in history.trials.values():
        outcomes = {
            m: o
            for m, o in trial.outcomes.items()
            if m in wanted and m in units and _convertible(o.unit, units[m])
        }
        setting = {n: exchange[n](trial.parameters[n]) for n in campaign.space.names}
        if trial.excluded or not outcomes or not campaign.space.feasible(setting):
            continue
        yield setting, {m: _observation(o, units[m]) for m, o in outcomes.items()}


def _exchange(earlier: Campaign, campaign: Campaign) -> dict[str, Callable[[Value], Value]]:
    """From the earlier campaign's settings to this one's. Raises UnitError."""
    units = {parameter.name: parameter.unit for parameter in earlier.space.parameters}
    return {p.name: _numbers(converter(units[p.name], p.unit)) for p in campaign.space.parameters}


def _numbers(convert: Callable[[float], float]) -> Callable[[Value], Value]:
    return lambda value: value if isinstance(value, str | bool) else convert(value)


def _convertible(given: str, wanted: str) -> bool:
    """A value that was given by hand in no unit or another one teaches nothing."""
    try:
        converter(given, wanted)
    except UnitError:
        return False
    return True


def _observation(outcome: Outcome, unit: str) -> Observation:
    """A prediction of an earlier campaign is as good here as an observation with its sem."""
    sem = None if outcome.sem is None else abs(scale(outcome.unit, unit)(outcome.sem))
    mean = converter(outcome.unit, unit)(outcome.mean)
    source = outcome.source if isinstance(outcome, Observation) else ""
    return Observation(outcome.metric, mean, sem, unit, outcome.bound, source)
