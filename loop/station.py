"""One instrument on a trial's way, and what its jobs are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from campaigns.campaign import Campaign
from campaigns.expression import Expression, Kind
from campaigns.objective import Objective
from campaigns.records import NOTHING, Setting, Value
from campaigns.steps import Step
from instruments.base import Card, Instrument
from loop.admission import Exchange


@dataclass(frozen=True)
class Station:
    """A step of a campaign with its instrument opened.

    index:    its place among the campaign's instruments, from 0
    exchange: between the campaign's units and the instrument's
    formulas: settings that are computed from parameters and earlier measurements
    last:     no step follows
    streams:  its per-cycle data are stored: one step's only, the last that has any
    """

    step: Step
    index: int
    instrument: Instrument
    card: Card
    exchange: Exchange
    formulas: Mapping[str, Expression]
    last: bool
    streams: bool

    @property
    def name(self) -> str:
        return self.step.name

    def parameters(self, setting: Setting, measured: Mapping[str, float]) -> dict[str, Value]:
        """What the instrument is told, in its units.

        measured: metrics of the steps before this one, in the campaign's units. Raises KeyError
        where an input is missing.
        """
        told = dict(setting)
        if self.name:  # every step takes of a setting what it knows
            known = {one.name for one in self.card.settings}
            told = {name: value for name, value in setting.items() if name in known}
        parameters = self.exchange.parameters(told)
        values = {**setting, **measured}
        for name, formula in self.formulas.items():
            parameters[name] = float(formula.value({n: values[n] for n in formula.names}))
        return parameters

    def knows(self, setting: Setting, measured: Mapping[str, float]) -> bool:
        """Whether all inputs are known by now."""
        names = {name for formula in self.formulas.values() for name in formula.names}
        return names <= {*setting, *measured}


def stations(campaign: Campaign, instruments: Sequence[Instrument]) -> dict[str, Station]:
    """The stations by the name of their step or fidelity. Raises UnitError, ExpressionError."""
    cards = [instrument.describe() for instrument in instruments]
    way = len(campaign.steps)
    return {
        step.name: Station(
            step=step,
            index=i,
            instrument=instruments[i],
            card=cards[i],
            exchange=Exchange.between(campaign, cards[i]),
            formulas=formulas(campaign, i, cards) if i < way else {},
            last=i >= way - 1,
            streams=card_streams(cards[:way], i) if i < way else cards[i].series,
        )
        for i, step in enumerate(campaign.instruments)
    }


def card_streams(cards: Sequence[Card], index: int) -> bool:
    """Whether the per-cycle data of this step are those that are stored."""
    return cards[index].series and not any(card.series for card in cards[index + 1 :])


def formulas(campaign: Campaign, index: int, cards: Sequence[Card]) -> dict[str, Expression]:
    """The inputs of a step over the parameters and the metrics of the steps before it.

    Raises ExpressionError, with the input first.
    """
    space = campaign.space
    variables: dict[str, Kind] = {item.name: item.kind for item in space.parameters}
    variables |= {item.name: "number" for item in space.derived}
    variables |= {metric: "number" for card in cards[:index] for metric in card.metrics}
    inputs = campaign.steps[index].inputs
    return {name: Expression.of(text, variables, "number") for name, text in inputs.items()}


def true_values(
    line: Mapping[str, Station], objective: Objective, settings: Sequence[Setting]
) -> list[float | None] | None:
    """The noise-free objective of each setting, in the campaign's unit, passed down the line.

    None where an instrument does not know its truth; a setting's value is None where a metric is
    missing or cannot be compared.
    """
    known: list[Mapping[str, float]] = [NOTHING] * len(settings)
    for station in line.values():
        told = [station.parameters(s, k) for s, k in zip(settings, known, strict=True)]
        truths = station.instrument.truth(told)
        if truths is None:
            return None
        known = [
            {**before, **station.exchange.converted(truth)}
            for before, truth in zip(known, truths, strict=True)
        ]
    return [_value(objective, one) for one in known]


def _value(objective: Objective, known: Mapping[str, float]) -> float | None:
    curve = objective.curve
    try:
        return known[objective.metric] if curve is None else curve.discrepancy(known)
    except (KeyError, ValueError):
        return None
