"""A campaign as pages for the terminal: how it stands, what it recommends, what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from campaigns.records import FailureKind
from campaigns.steps import in_words
from loop.commands.check_sheet import check_sheet
from loop.commands.console import table
from loop.commands.front_sheet import Foldable, FrontSheet
from loop.reporting.constraints import bounds_text, constrained, nothing_recommended
from loop.summary import (
    failures,
    number,
    ordered,
    outdated,
    parameter_units,
    standings,
    unit_of,
    value_text,
)
from loop.waiting import in_words as waiting_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from loop.reporting.tally import Tally
    from loop.state import CampaignState

TOP = 8  # settings shown


def conclusion(told: dict[str, Any], state: CampaignState) -> list[RenderableType]:
    """What a run ends with: recommendation and cost."""
    return [_status(told, state), "", *recommendation(told, state), _cost(told)]


def whole(
    told: dict[str, Any], state: CampaignState, tally: Tally, resume: str
) -> list[RenderableType]:
    """What `leyden show` prints; `resume` is the command that takes the campaign up again."""
    parts: list[RenderableType] = [_status(told, state)]
    if tally.amended:
        parts.append(f"by hand  {tally.amended}")
    parts += ["", *recommendation(told, state), *_hint(told, state, resume)]
    ranked = [] if FrontSheet.of(state) is not None else _settings(state)
    parts += [_cost(told), "", *ranked, *_failures(state, tally)]
    return [*parts, f"head     {told['head']}", f"store    {told['store']}"]


def _hint(told: dict[str, Any], state: CampaignState, resume: str) -> list[RenderableType]:
    """What to do about a recommendation that does not know everything; an engine will see to it."""
    if not outdated(state) or state.over or told["status"] == "running":
        return []
    line = "note     newer data than the recommendation"
    if state.origin != "import":
        line += f"; {resume} brings it up to date"
    return [line, ""]


def _status(told: dict[str, Any], state: CampaignState) -> str:
    campaign = state.campaign
    goals = ", ".join(f"{goal.goal} {goal.metric}" for goal in campaign.objectives)
    counts = {name: n for name, n in told["trials"].items() if n and name != "total"}
    training = counts.pop("training", 0)
    parts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())
    trials = f"{told['trials']['total']} trials" + (f": {parts}" if parts else "")
    if training:
        trials += f"; {training} training cells"
    waits = waiting_text(state)
    if waits:
        waits = f"\nwaits    {waits}: leyden trial waiting {told['campaign']}"
    why = f" ({told['reason']})" if told["reason"] else ""
    return (
        f"{told['campaign']}  {told['status']}{why}\n"
        f"goal     {goals}, by {campaign.optimizer.kind} on {in_words(campaign.instruments)}, "
        f"seed {campaign.seed}\n"
        f"trials   {trials}{waits}"
    )


def recommendation(told: dict[str, Any], state: CampaignState) -> list[RenderableType]:
    """The recommended setting with units and the intervals of its objectives."""
    found = told["recommendation"]
    if found is None:
        if state.over or told["status"] == "interrupted":
            return [f"No recommendation: {nothing_recommended(state)}.", ""]
        return ["No recommendation yet.", ""]
    units = parameter_units(state)
    rows = [
        (name, value_text(value), unit_of(units.get(name, "1")).strip())
        for name, value in found["parameters"].items()
    ]
    estimates = [
        (metric, number(one["mean"]), f"{number(one['lower'])} to {number(one['upper'])}",
         f"{one['level']:.0%}", unit_of(one["unit"]).strip())
        for metric, one in found["objectives"].items()
    ]  # fmt: skip
    parts: list[RenderableType] = [
        table("Recommendation", ("parameter", ">value", "unit"), rows),
        table("", ("objective", ">mean", ">interval", ">level", "unit"), estimates),
    ]
    parts += _constraints(state)
    front = FrontSheet.of(state)
    return [*parts, *([] if front is None else [front]), *check_sheet(state)]


def _constraints(state: CampaignState) -> list[RenderableType]:
    """The constrained metrics of the recommended setting, as its trials measured them."""
    rows = [
        (one.constraint.metric, number(one.mean), unit_of(one.unit).strip(), str(one.trials),
         bounds_text(one.constraint), "met" if one.met else "not met")
        for one in constrained(state)
    ]  # fmt: skip
    columns = ("constraint", ">mean outcome", "unit", ">trials", "wanted", "")
    return [table("", columns, rows)] if rows else []


def _cost(told: dict[str, Any]) -> str:
    cost = told["cost"]
    text = f"cost     {number(cost['instrument_hours'])} instrument-hours"
    if cost["training_hours"]:
        text += f" and {number(cost['training_hours'])} hours of training cells"
    text += f", {number(cost['lab_days'])} days in the lab"
    if cost["wall_seconds"] is not None:
        text += (
            f"; {cost['wall_seconds']:.1f} s here (engine {cost['engine_seconds']:.1f}, "
            f"optimiser {cost['optimizer_seconds']:.1f}, "
            f"predictor {cost['surrogate_seconds']:.1f})"
        )
    return text


def _settings(state: CampaignState) -> list[RenderableType]:
    found = standings(state)
    if not found:
        return []
    objective = state.campaign.objectives[0]
    units, names = parameter_units(state), list(ordered(state, found[0].parameters))
    best = state.recommendation
    chosen = None if best is None else state.history.key(best.parameters)
    shown = found[:TOP]
    parameters = [
        [
            f"{name}{_bracketed(units.get(name, '1'))}",
            *(value_text(one.parameters[name]) for one in shown),
        ]
        for name in names
    ]
    ranges = [
        f"{number(min(one.values))} to {number(max(one.values))}" if len(one.values) > 1 else ""
        for one in shown
    ]
    outcomes = [
        [f"{objective.metric}{_bracketed(objective.unit)}", *(number(one.mean) for one in shown)],
        ["range", *ranges],
        ["trials", *(str(len(one.values)) for one in shown)],
        ["measured", *(str(one.measured) for one in shown)],
    ]
    marks = ["recommended" if state.history.key(one.parameters) == chosen else "" for one in shown]
    title = f"Best settings of {len(found)} by mean outcome"
    columns = [*parameters, *outcomes]
    rows = zip(*(column[1:] for column in columns), marks, strict=True)
    wide = table(title, [*(f">{column[0]}" for column in columns), ""], rows)
    numbers = [str(i + 1) for i in range(len(shown))]
    return [Foldable(wide, FrontSheet(title, numbers, outcomes, parameters, marks))]


def _bracketed(unit: str) -> str:
    return f" ({unit})" if unit_of(unit) else ""


def _failures(state: CampaignState, tally: Tally) -> list[RenderableType]:
    """Trials that failed in the end, and attempts that failed and were tried again."""
    found = failures(state)
    rows = []
    for kind in sorted({*found, *map(str, tally.retried)}):
        trials, retried = found.get(kind, []), tally.retried.get(FailureKind(kind), 0)
        reason = trials[0].failure.reason if trials and trials[0].failure else ""
        rows.append((kind, str(len(trials)), f"{retried} retried" if retried else "", reason))
    columns = ("kind", ">trials", ">attempts", "for example")
    return [table("Failures", columns, rows)] if rows else []
