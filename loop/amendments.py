"""What a person may amend: add a trial, correct a value, take a trial out of the learning data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from campaigns.campaign import CampaignError
from campaigns.records import Observation, Purpose
from instruments.clock import SimulatedClock
from loop.discrepancy import completed, corrected, measured
from loop.events import Body, Corrected, Excluded, Proposed, ProposedTrial
from loop.opening import opened, simulated
from loop.rulings import Add, Correct, Exclude
from loop.start import given
from loop.state import RECORDED, CampaignState


def add(state: CampaignState, ruling: Add, time: float) -> list[Body]:
    """Raises CampaignError for a setting outside the space or a metric nobody knows."""
    campaign, results = state.campaign, ruling.results
    problems = campaign.space.problems(ruling.setting)
    problems += unknown_metrics(state, results or {})
    if problems:
        raise CampaignError(problems)
    number = state.history.next_number
    author = "person" if results is None else RECORDED
    setting = dict(campaign.space.complete(ruling.setting))
    body = Proposed(
        time=time,
        seen=state.seq,
        n=1,
        first=number,
        optimizer="person",
        purpose=Purpose.START,
        trials=(ProposedTrial(setting, author, {"reason": ruling.reason}),),
    )
    if results is None:
        return [body]
    seen = {m: Observation(m, float(v), None, unit(state, m)) for m, v in results.items()}
    try:
        return [body, *given(number, time, completed(campaign, seen))]
    except ValueError as error:
        raise CampaignError([str(error)]) from None


def correct(state: CampaignState, ruling: Correct, time: float) -> list[Body]:
    """Raises CampaignError for an unknown trial or metric, or a trial that is not over."""
    trial, metric = ruling.trial, ruling.metric
    problems = unknown_trial(state, trial) or unknown_metrics(state, {metric: ruling.value})
    if not problems and not state.history.trial(trial).state.terminal:
        problems = [f"trial {trial}: is not over; its measurement would replace the correction"]
    if problems:
        raise CampaignError(problems)
    change = Observation(metric, ruling.value, ruling.sem, unit(state, metric))
    before = state.history.trial(trial).outcomes
    known = {m: one for m, one in before.items() if isinstance(one, Observation)}
    try:
        changes = corrected(state.campaign, known, change)
    except ValueError as error:
        raise CampaignError([str(error)]) from None
    return [Corrected(time, trial, one, ruling.reason) for one in changes]


def exclude(state: CampaignState, ruling: Exclude, time: float) -> list[Body]:
    """Raises CampaignError for an unknown trial."""
    problems = unknown_trial(state, ruling.trial)
    if problems:
        raise CampaignError(problems)
    return [Excluded(time, ruling.trial, ruling.excluded, ruling.reason)]


def unit(state: CampaignState, metric: str) -> str:
    """The unit in which the campaign stores a metric."""
    for objective in state.campaign.objectives:
        if objective.metric == metric:
            return str(objective.unit)
        for aim in () if objective.curve is None else objective.curve.aims:
            if aim.metric == metric and aim.unit:
                return aim.unit
    for trial in state.history.trials.values():
        if metric in trial.outcomes:
            return trial.outcomes[metric].unit
    return _unit_of_instruments(state, metric)


def _unit_of_instruments(state: CampaignState, metric: str) -> str:
    """What a simulated instrument measures in; hardware is not opened for that."""
    if not simulated(state.campaign):
        return "1"
    with opened(state.campaign, SimulatedClock(state.now)) as instruments:
        units = {m: u for one in instruments for m, u in one.describe().metrics.items()}
    return units.get(metric, "1")


def unknown_trial(state: CampaignState, number: int) -> list[str]:
    """[] for a trial of the campaign."""
    numbers: Sequence[int] = [*state.history.training, *state.history.trials]
    if number in numbers:
        return []
    there = f"{min(numbers)} to {max(numbers)}" if numbers else "none yet"
    return [f"trial {number}: there is no such trial; the campaign has {there}"]


def unknown_metrics(state: CampaignState, results: Mapping[str, float]) -> list[str]:
    """Metrics that the campaign does not measure; [] for none."""
    objectives = state.campaign.objectives
    known = {metric for spec in objectives for metric in measured(spec)}
    known |= {spec.metric for spec in state.campaign.constraints}
    known |= {metric for trial in state.history.trials.values() for metric in trial.outcomes}
    known -= {spec.metric for spec in objectives if spec.curve is not None}  # it is computed
    return [
        f"metric {metric!r}: the campaign measures {', '.join(sorted(known))}"
        for metric in results
        if metric not in known
    ]
