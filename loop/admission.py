"""From what an instrument answered to what the journal says of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from campaigns.campaign import Campaign
from campaigns.records import (
    Bound,
    Failure,
    FailureKind,
    Observation,
    Purpose,
    Setting,
    Trial,
    TrialState,
    Value,
)
from instruments.base import Card, JobState, Progress, Result, Scalar
from instruments.units import UnitError, converter, scale
from loop.discrepancy import completed, measured
from loop.events import AttemptFailed, Body, Ended, Observed, Passed
from loop.state import Attempt

Convert = Callable[[float], float]


@dataclass(frozen=True)
class Exchange:
    """Conversion between one campaign and one instrument, checked when built.

    settings: parameter -> function from the campaign's unit to the instrument's
    metrics:  metric -> (unit of the campaign, function for values, function for deviations)
    given:    metric -> unit on the instrument's card
    """

    settings: Mapping[str, Convert]
    metrics: Mapping[str, tuple[str, Convert, Convert]]
    given: Mapping[str, str]

    @classmethod
    def between(cls, campaign: Campaign, card: Card) -> Exchange:
        """Raises UnitError naming the parameter or metric and both units."""
        wanted = {setting.name: setting.unit for setting in card.settings}
        space = campaign.space
        settings = {
            item.name: _checked(converter, item.name, item.unit, wanted[item.name])
            for item in (*space.parameters, *space.derived)
            if item.name in wanted
        }
        units = {bound.metric: bound.unit for bound in campaign.constraints if bound.unit}
        units |= {objective.metric: objective.unit for objective in campaign.objectives}
        for objective in campaign.objectives:
            aims = () if objective.curve is None else objective.curve.aims
            units |= {aim.metric: aim.unit for aim in aims if aim.unit}
        metrics = {}
        for metric, unit in card.metrics.items():
            target = units.get(metric, unit)
            metrics[metric] = (
                target,
                _checked(converter, metric, unit, target),
                _checked(scale, metric, unit, target),
            )
        return cls(settings, metrics, dict(card.metrics))

    @property
    def units(self) -> Mapping[str, str]:
        """The unit in which the campaign stores each metric."""
        return {metric: unit for metric, (unit, _, _) in self.metrics.items()}

    def converted(self, values: Mapping[str, float]) -> dict[str, float]:
        """Metrics of the instrument in the campaign's units; what it does not measure is left."""
        return {m: self.metrics[m][1](value) for m, value in values.items() if m in self.metrics}

    def parameters(self, setting: Setting) -> dict[str, Value]:
        """The setting in the instrument's units."""
        return {name: self._convert(name, value) for name, value in setting.items()}

    def _convert(self, name: str, value: Value) -> Value:
        if name not in self.settings or isinstance(value, str | bool):
            return value
        converted = self.settings[name](value)
        return value if converted == value else converted

    def observation(self, metric: str, scalar: Scalar, bound: Bound = Bound.EXACT) -> Observation:
        """A measured scalar in the campaign's unit.

        Raises UnitError where the instrument's answer cannot be converted, ValueError where it is
        not finite.
        """
        unit, value, deviation = self.metrics[metric]
        if scalar.unit != self.given[metric]:  # the answer speaks another unit than the card
            value, deviation = converter(scalar.unit, unit), scale(scalar.unit, unit)
        sem = None if scalar.sd is None else abs(deviation(scalar.sd))
        return Observation(metric, value(scalar.value), sem, unit, bound, scalar.source)


def _checked(make: Callable[[str, str], Convert], name: str, source: str, target: str) -> Convert:
    try:
        return make(source, target)
    except UnitError as error:
        raise UnitError(f"{name}: {error}") from error


def conclude(
    campaign: Campaign,
    exchange: Exchange,
    trial: Trial,
    attempt: Attempt,
    progress: Progress,
    result: Result,
    time: float,
    following: str | None = None,
    needed: Collection[str] = (),
) -> list[Body]:
    """The events that end an attempt whose job is over, failure rules applied.

    following: the step that a trial goes on to where this one succeeded; None behind the last.
    needed: metrics that the steps behind this one are set by.
    """
    if result.state is JobState.LOST:
        reason = result.reason or "the instrument no longer knows the job"
        return [lost(attempt, time, reason)]
    if result.state is JobState.FINISHED:
        seen = _observations(campaign, exchange, trial, result, needed)
        if not isinstance(seen, Failure):
            return _completed(seen, trial, attempt, progress, time, following)
        failure = seen
    else:
        kind = result.failure or FailureKind.ABORTED
        if kind not in campaign.failures:  # only persons reject
            kind = FailureKind.ABORTED
        failure = Failure(kind, result.reason or kind.value)
    return _failed(campaign, exchange, trial, attempt, progress, result, time, failure)


def lost(attempt: Attempt, time: float, reason: str) -> Ended:
    """The end of an attempt of which nobody knows what became; it may have held its channel."""
    failure = Failure(FailureKind.CHANNEL_FAULT, reason)
    held = max(0.0, time - attempt.since) / 3600.0
    number, step = attempt.number, attempt.step
    return Ended(time, attempt.trial, number, TrialState.LOST, held, failure, step)


def stopped(
    exchange: Exchange, trial: Trial, attempt: Attempt, hours: float, result: Result, time: float
) -> list[Body]:
    """The events of a trial stopped by the campaign's end: censored where the metric allows."""
    if attempt.predicted:
        state = TrialState.PREDICTED
        return [Ended(time, trial.number, attempt.number, state, hours, step=attempt.step)]
    events = _censored(exchange, trial, attempt, result, time)
    state = TrialState.STOPPED
    ended = Ended(time, trial.number, attempt.number, state, hours, step=attempt.step)
    return [*events, ended]


def _completed(
    seen: Mapping[str, Observation],
    trial: Trial,
    attempt: Attempt,
    progress: Progress,
    time: float,
    following: str | None,
) -> list[Body]:
    number, tried, hours = trial.number, attempt.number, progress.hours
    events: list[Body] = [
        Observed(time, number, tried, observation) for observation in seen.values()
    ]
    if following is not None:
        return [*events, Passed(time, number, tried, attempt.step, following, hours)]
    state = TrialState.COMPLETED
    return [*events, Ended(time, number, tried, state, hours, step=attempt.step)]


def _observations(
    campaign: Campaign,
    exchange: Exchange,
    trial: Trial,
    result: Result,
    needed: Collection[str],
) -> Mapping[str, Observation] | Failure:
    """What a finished job measured, or why its numbers cannot be used: missing, unknown, not
    finite, odd units, not to be compared with a target."""
    wanted = [name for one in campaign.objectives for name in measured(one)]
    for metric in (*wanted, *needed):
        if metric in exchange.given and metric not in result.scalars:
            return Failure(FailureKind.DATA_GAP, f"{metric} was not measured")
    seen: dict[str, Observation] = {}
    for metric, scalar in result.scalars.items():
        if not math.isfinite(scalar.value):
            return Failure(FailureKind.DATA_GAP, f"{metric} came back as {scalar.value}")
        try:
            seen[metric] = exchange.observation(metric, scalar)
        except KeyError:
            return Failure(FailureKind.DATA_GAP, f"{metric} is not on the instrument's card")
        except ValueError as error:
            return Failure(FailureKind.DATA_GAP, f"{metric}: {error}")
    before = {m: one for m, one in trial.outcomes.items() if isinstance(one, Observation)}
    try:
        known = completed(campaign, {**before, **seen})
    except ValueError as error:
        return Failure(FailureKind.DATA_GAP, str(error))
    return {metric: one for metric, one in known.items() if before.get(metric) is not one}


def _failed(
    campaign: Campaign,
    exchange: Exchange,
    trial: Trial,
    attempt: Attempt,
    progress: Progress,
    result: Result,
    time: float,
    failure: Failure,
) -> list[Body]:
    number, hours = trial.number, progress.hours
    if attempt.predicted:  # the prediction stands; the cell only ran on to check it
        state = TrialState.PREDICTED
        return [Ended(time, number, attempt.number, state, hours, failure, attempt.step)]
    rule = campaign.failures[failure.kind]
    action = rule.action
    if action == "retry":
        if attempt.number <= rule.retries:
            return [AttemptFailed(time, number, attempt.number, hours, failure, attempt.step)]
        action = rule.then
    events: list[Body] = []
    if action == "censored" and trial.purpose is not Purpose.TRAINING:
        events = _censored(exchange, trial, attempt, result, time)
    if action == "infeasible":
        failure = Failure(failure.kind, failure.reason, infeasible=True)
    state = TrialState.FAILED
    return [*events, Ended(time, number, attempt.number, state, hours, failure, attempt.step)]


def _censored(
    exchange: Exchange, trial: Trial, attempt: Attempt, result: Result, time: float
) -> list[Body]:
    return [
        Observed(
            time,
            trial.number,
            attempt.number,
            exchange.observation(metric, scalar, Bound.AT_LEAST),
        )
        for metric, scalar in result.at_least.items()
        if metric in exchange.metrics and math.isfinite(scalar.value)
    ]
