"""Where a campaign and its instruments do not fit: metrics, settings, units, series, steps."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from campaigns.campaign import Campaign
from campaigns.expression import ExpressionError
from campaigns.expression import parse as parse_expression
from campaigns.parameter import Continuous, Integer
from campaigns.steps import Step
from instruments.base import Card
from instruments.guard import outside
from instruments.units import UnitError
from loop.admission import Exchange
from loop.discrepancy import measured
from loop.station import formulas


def misfits(campaign: Campaign, cards: Sequence[Card]) -> list[str]:
    """All that does not fit, one line each; cards: one an instrument, in the campaign's order."""
    way = len(campaign.steps)
    problems = _on_the_way(campaign, cards[:way])
    for step, card in zip(campaign.instruments[way:], cards[way:], strict=True):
        alone = replace(
            campaign, steps=(Step("", step.instrument),), fidelities=(), check=None,
            early_prediction=None,
        )  # fmt: skip
        problems += [f"{place(campaign, step)}: {one}" for one in _on_the_way(alone, [card])]
    return problems


def place(campaign: Campaign, step: Step) -> str:
    """Where in the campaign file an instrument stands."""
    if not step.name:
        return "instrument"
    if step in campaign.steps:
        return f"steps[{campaign.steps.index(step)}]"
    places = [f"fidelities[{i}]" for i, one in enumerate(campaign.fidelities) if one == step]
    return places[0] if places else "recommend.check"


def _on_the_way(campaign: Campaign, cards: Sequence[Card]) -> list[str]:
    """What does not fit between the space, the objectives and the steps of a trial."""
    problems = [*_unmeasured(campaign, cards), *_measured_twice(campaign, cards)]
    problems += _untaken(campaign, cards)
    for i, (step, card) in enumerate(zip(campaign.steps, cards, strict=True)):
        where = f"steps[{i}]" if step.name else "instrument"
        problems += _texts(campaign, card)
        problems += _beyond(campaign, card)
        problems += _needed(campaign, step, card)
        problems += _inputs(campaign, cards, i)
        if step.instrument.channels > card.channels:
            problems.append(
                f"{where}.channels: {step.instrument.channels} are wanted, {card.kind} has "
                f"{card.channels}"
            )
        try:
            Exchange.between(campaign, card)
        except UnitError as error:
            problems.append(f"units: {error}")
    if campaign.early_prediction is not None and not cards[-1].series:
        problems.append(
            f"early_prediction: {cards[-1].kind} gives no per-cycle series to predict from; leave "
            "the section out"
        )
    return list(dict.fromkeys(problems))


def _unmeasured(campaign: Campaign, cards: Sequence[Card]) -> Iterable[str]:
    there = [metric for card in cards for metric in card.metrics]
    there = list(dict.fromkeys(there))
    distinct = dict.fromkeys(card.kind for card in cards)
    kinds, one = " and ".join(distinct), len(distinct) == 1
    verb, verb2 = ("does", "measures") if one else ("do", "measure")
    metrics = [("objectives", name) for spec in campaign.objectives for name in measured(spec)]
    metrics += [("constraints", spec.metric) for spec in campaign.constraints]
    for where, metric in metrics:
        if metric not in there:
            it = "it" if one else "they"
            yield (
                f"{where}: {kinds} {verb} not measure {metric!r}; {it} {verb2} {', '.join(there)}"
            )
    for spec in campaign.objectives:
        if spec.curve is not None and spec.metric in there:
            yield (
                f"objectives: {kinds} {verb2} {spec.metric!r}; give the discrepancy a name of its "
                "own"
            )


def _measured_twice(campaign: Campaign, cards: Sequence[Card]) -> Iterable[str]:
    owner: dict[str, str] = {}
    for i, (step, card) in enumerate(zip(campaign.steps, cards, strict=True)):
        for metric in card.metrics:
            if metric in owner:
                yield f"steps[{i}]: {card.kind} measures {metric!r}, as step '{owner[metric]}' does"
            owner.setdefault(metric, step.name)


def _untaken(campaign: Campaign, cards: Sequence[Card]) -> list[str]:
    """Parameters that no instrument takes, or that would be varied though nobody looks at them."""
    space = campaign.space
    names = {item.name for item in (*space.parameters, *space.derived)}
    taken = {setting.name for card in cards for setting in card.settings}
    kinds = " and ".join(dict.fromkeys(card.kind for card in cards))
    listed = ", ".join(sorted(taken))
    looked_at = _in_formulas(campaign)
    if len(cards) == 1 and not cards[0].open_settings:
        untaken = sorted(names - taken)
        return [
            f"space.parameters.{name}: {kinds} takes no such setting; it takes {listed}"
            for name in untaken
        ]
    verb, takes = ("does", "it takes") if len(cards) == 1 else ("do", "they take")
    return [
        f"space.parameters.{name}: {kinds} {verb} not look at it; {takes} {listed}"
        for name in campaign.space.names
        if name not in taken and name not in looked_at
    ]


def _in_formulas(campaign: Campaign) -> set[str]:
    """Names that derived values and the inputs of steps are computed from."""
    texts = [derived.expression for derived in campaign.space.derived]
    texts += [text for step in campaign.steps for text in step.inputs.values()]
    nodes = (node for text in texts for node in ast.walk(parse_expression(text)))
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def _texts(campaign: Campaign, card: Card) -> list[str]:
    """Parameters that are words where the instrument takes numbers."""
    numeric = {setting.name for setting in card.settings if not setting.options}
    return [
        f"space.parameters.{parameter.name}: {card.kind} takes a number, not a text"
        for parameter in campaign.space.parameters
        if parameter.name in numeric and parameter.kind != "number"
    ]


def _beyond(campaign: Campaign, card: Card) -> Iterable[str]:
    """Parameters whose range reaches beyond the limits of the instrument."""
    try:
        convert = Exchange.between(campaign, card).settings
    except UnitError:
        return  # told apart
    cards = {setting.name: setting for setting in card.settings}
    for parameter in campaign.space.parameters:
        setting = cards.get(parameter.name)
        if setting is None or not isinstance(parameter, Continuous | Integer):
            continue
        ends = sorted(convert[parameter.name](float(v)) for v in (parameter.low, parameter.high))
        low = -math.inf if setting.low is None else setting.low
        high = math.inf if setting.high is None else setting.high
        slack = 1e-9 * max(map(abs, ends))  # of the conversion
        if ends[0] < low - slack or ends[1] > high + slack:
            yield (
                f"space.parameters.{parameter.name}: {ends[0]:g} to {ends[1]:g} {setting.unit} "
                f"reaches beyond the limits of {card.kind}, {low:g} to {high:g} {setting.unit}"
            )


def _needed(campaign: Campaign, step: Step, card: Card) -> list[str]:
    space = campaign.space
    names = {item.name for item in (*space.parameters, *space.derived)} | set(step.inputs)
    return [
        f"space.parameters: {card.kind} needs {setting.name!r} ({setting.unit})"
        for setting in card.settings
        if setting.name not in names and not setting.optional
    ]


def _inputs(campaign: Campaign, cards: Sequence[Card], i: int) -> list[str]:
    """Inputs of a step that its instrument does not take or that cannot be computed."""
    step, card = campaign.steps[i], cards[i]
    taken = {setting.name for setting in card.settings}
    problems = [
        f"steps[{i}].inputs.{name}: {card.kind} takes no such setting; it takes "
        f"{', '.join(sorted(taken))}"
        for name in step.inputs
        if name not in taken and not card.open_settings
    ]
    space = campaign.space
    own = {item.name for item in (*space.parameters, *space.derived)}
    problems += [
        f"steps[{i}].inputs.{name}: is a parameter of the campaign; one of both is needed"
        for name in step.inputs
        if name in own
    ]
    try:
        found = formulas(campaign, i, cards)
    except ExpressionError as error:
        return [*problems, f"steps[{i}].inputs: {error}"]
    constants = {name: f.value({}) for name, f in found.items() if not f.names}
    return problems + [
        f"steps[{i}].inputs.{one.setting}: {one.reason}"
        for one in outside(card, constants)
        if one.setting in constants and one.setting in taken
    ]
