"""From what a person ruled to the events that say so."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from campaigns.campaign import Campaign, CampaignError
from campaigns.expression import parse as parse_expression
from campaigns.records import Failure, FailureKind, Observation, Setting, Trial, TrialState
from instruments.base import SettingCard
from instruments.quantity import converted
from instruments.units import UnitError
from loop import amendments, approvals
from loop.discrepancy import completed
from loop.events import (
    Approved,
    AwaitingApproval,
    Body,
    Ended,
    Finished,
    Modified,
    Observed,
    Passed,
    Rejected,
    Resolved,
)
from loop.rulings import Add, Approve, Correct, Exclude, Modify, Reject, Resolve, Ruling
from loop.start import given
from loop.state import CampaignState


@dataclass(frozen=True, slots=True)
class Answer:
    """What the author of a ruling is told: the trial, and a line."""

    trial: int
    line: str

    def __str__(self) -> str:
        return json.dumps({"trial": self.trial, "line": self.line})

    @classmethod
    def of(cls, text: str) -> Answer:
        """An answer as it was stored."""
        said = json.loads(text)
        return cls(int(said["trial"]), str(said["line"]))


def ruled(state: CampaignState, ruling: Ruling, time: float) -> tuple[list[Body], Answer]:
    """The events that carry a ruling out at campaign time `time`, and what to tell its author.

    Raises CampaignError where it cannot be carried out, saying why.
    """
    match ruling:
        case Approve():
            return _approve(state, ruling, time)
        case Modify():
            return _modify(state, ruling, time)
        case Reject():
            return _reject(state, ruling, time)
        case Resolve():
            return _resolve(state, ruling, time)
        case Add():
            number = state.history.next_number
            return amendments.add(state, ruling, time), Answer(number, f"trial {number} added")
        case Correct():
            line = f"trial {ruling.trial}: {ruling.metric} is {ruling.value:g} now"
            return amendments.correct(state, ruling, time), Answer(ruling.trial, line)
        case Exclude():
            done = "excluded" if ruling.excluded else "back in"
            bodies = amendments.exclude(state, ruling, time)
            return bodies, Answer(ruling.trial, f"trial {ruling.trial} is {done}")


def _approve(state: CampaignState, ruling: Approve, time: float) -> tuple[list[Body], Answer]:
    number = ruling.trial
    asked = state.awaiting.get(number)
    if asked is None:
        raise CampaignError([_not(state, number, "awaiting approval", state.awaiting)])
    if ruling.digest and not asked.digest.startswith(ruling.digest):
        raise CampaignError(
            [f"trial {number}: what would run is {asked.digest[:12]}, not {ruling.digest}; it was "
             "changed since: look at it again"]
        )  # fmt: skip
    body = Approved(time, number, asked.digest, ruling.who, ruling.reason)
    return [body], Answer(number, f"trial {number} is approved")


def _modify(state: CampaignState, ruling: Modify, time: float) -> tuple[list[Body], Answer]:
    number, campaign = ruling.trial, state.campaign
    trial = _before_it_runs(state, number)
    if trial.outcomes:
        raise CampaignError(
            [f"trial {number}: its sample is made already; reject it, and add the other setting"]
        )
    setting = {name: trial.parameters[name] for name in campaign.space.names}
    unknown = sorted(set(ruling.changes) - set(setting))
    changes = _in_the_campaigns_units(campaign, ruling.changes)
    problems = [
        f"--set {name}: is no parameter of the campaign, which has {', '.join(setting)}"
        for name in unknown
    ] or campaign.space.problems({**setting, **changes})
    if problems:
        raise CampaignError([f"trial {number}: {problem}" for problem in problems])
    new = dict(campaign.space.complete({**setting, **changes}))
    digest = approvals.payload(campaign, new, trial.fidelity)
    bodies: list[Body] = [Modified(time, number, new, digest, ruling.who, ruling.reason)]
    if number not in state.awaiting:
        bodies.append(AwaitingApproval(time, number, digest, (), "a person changed it"))
    line = f"trial {number}: {_difference(trial, new)}"
    if ruling.approve:
        bodies.append(Approved(time, number, digest, ruling.who, ruling.reason))
        return bodies, Answer(number, f"{line}; approved")
    return bodies, Answer(number, f"{line}; awaits approval")


def _in_the_campaigns_units(campaign: Campaign, changes: Setting) -> Setting:
    """Numbers written with a unit (`0.2 mm`), converted. Raises CampaignError."""
    numeric = [p for p in campaign.space.parameters if p.kind == "number"]
    try:
        return converted([SettingCard(p.name, p.unit) for p in numeric], changes)
    except UnitError as error:
        raise CampaignError([f"--set {error}"]) from None


def _difference(trial: Trial, new: Setting) -> str:
    """What changed, in words: `gap_um 200 -> 180`."""
    changed = [
        f"{name} {trial.parameters[name]} -> {value}"
        for name, value in new.items()
        if trial.parameters[name] != value
    ]
    return ", ".join(changed) or "nothing changed"


def _reject(state: CampaignState, ruling: Reject, time: float) -> tuple[list[Body], Answer]:
    number = ruling.trial
    trial = _before_it_runs(state, number)
    digest = approvals.payload(state.campaign, trial.parameters, trial.fidelity)
    reason = f"rejected by {ruling.who}: {ruling.reason}"
    failure = Failure(FailureKind.REJECTED, reason, infeasible=True)
    bodies: list[Body] = [
        Rejected(time, number, digest, ruling.who, ruling.reason),
        Ended(time, number, 0, TrialState.REFUSED, 0.0, failure),
    ]
    return bodies, Answer(number, f"trial {number} is rejected")


def _resolve(state: CampaignState, ruling: Resolve, time: float) -> tuple[list[Body], Answer]:
    number = ruling.trial
    attempt = state.lost.get(number)
    if attempt is None:
        raise CampaignError([_not(state, number, "lost", state.lost)])
    tried, step = attempt.number, attempt.step
    resolved = Resolved(time, number, tried, ruling.verdict, ruling.who, ruling.reason)
    match ruling.verdict:
        case "not_run":
            if state.status == "stopped":
                return _never(state, resolved, step)
            return [resolved], Answer(number, f"trial {number} did not run: it waits to be run")
        case "adopt":
            return [resolved], Answer(number, f"trial {number}: the instrument is asked again")
        case "failed":
            failure = Failure(FailureKind.CHANNEL_FAULT, ruling.reason or "ruled by a person")
            ended = Ended(time, number, tried, TrialState.FAILED, 0.0, failure, step)
            return [resolved, ended], Answer(number, f"trial {number} has failed")
        case "measured":
            events = _measured(state, ruling, time)
            return [resolved, *events], Answer(number, f"trial {number} is completed")


def _never(state: CampaignState, resolved: Resolved, step: str) -> tuple[list[Body], Answer]:
    """A lost trial of a campaign that a person has ended: it never ran, and never will."""
    number, time, tried = resolved.trial, resolved.time, resolved.attempt
    failure = Failure(FailureKind.ABORTED, resolved.reason or "the campaign was ended")
    ended = Ended(time, number, tried, TrialState.STOPPED, 0.0, failure, step)
    finished = Finished(time, state.status, state.reason)
    line = f"trial {number} did not run, and will not: the campaign is stopped"
    return [resolved, ended, finished], Answer(number, line)


def _measured(state: CampaignState, ruling: Resolve, time: float) -> list[Body]:
    further = _inputs(state)
    told = {name: value for name, value in ruling.results.items() if name not in further}
    problems = amendments.unknown_metrics(state, told)
    if not ruling.results:
        problems = [f"trial {ruling.trial}: its results are missing; give --result METRIC=VALUE"]
    if problems:
        raise CampaignError(problems)
    known = state.history.trial(ruling.trial).outcomes
    before = {m: one for m, one in known.items() if isinstance(one, Observation)}
    seen = {
        m: Observation(m, float(v), None, amendments.unit(state, m))
        for m, v in ruling.results.items()
    }
    try:
        found = completed(state.campaign, {**before, **seen})
    except ValueError as error:
        raise CampaignError([str(error)]) from None
    lacking = [one.metric for one in state.campaign.objectives if one.metric not in found]
    if not lacking:
        return given(ruling.trial, time, found)
    return _passed(state, ruling.trial, time, seen, lacking)


def _passed(
    state: CampaignState,
    number: int,
    time: float,
    seen: Mapping[str, Observation],
    lacking: Sequence[str],
) -> list[Body]:
    """A lost step was measured by hand: the trial goes on to the next one."""
    attempt = state.lost[number]
    steps = [step.name for step in state.campaign.way(state.history.trial(number).fidelity)]
    after = steps[steps.index(attempt.step) + 1 :]
    if not after:
        raise CampaignError([f"trial {number}: give --result for {', '.join(lacking)}, too"])
    tried, step = attempt.number, attempt.step
    observed = [Observed(time, number, tried, one) for one in seen.values()]
    return [*observed, Passed(time, number, tried, step, after[0], 0.0)]


def _inputs(state: CampaignState) -> frozenset[str]:
    """Names that the inputs of the campaign's steps are computed from."""
    texts = (text for step in state.campaign.steps for text in step.inputs.values())
    nodes = (node for text in texts for node in ast.walk(parse_expression(text)))
    return frozenset(node.id for node in nodes if isinstance(node, ast.Name))


def _before_it_runs(state: CampaignState, number: int) -> Trial:
    """The trial, where no instrument has it yet. Raises CampaignError."""
    if number in state.awaiting or number in state.queue:
        return state.history.trial(number)
    raise CampaignError([_not(state, number, "waiting to be run", [*state.awaiting, *state.queue])])


def _not(state: CampaignState, number: int, what: str, those: object) -> str:
    """Why a ruling does not apply to a trial, and to which it would."""
    listed = ", ".join(str(one) for one in those) if those else "none"  # type: ignore[attr-defined]
    known = {*state.history.trials, *state.history.training}
    if number not in known:
        return amendments.unknown_trial(state, number)[0]
    stands = state.history.trial(number).state
    return f"trial {number}: is {stands}, not {what}; {what}: {listed}"
