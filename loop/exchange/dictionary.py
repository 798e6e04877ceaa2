"""The data dictionary of an export: unit, type and meaning of every column, as a data package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from campaigns.campaign import Campaign
from loop.exchange.cycling_data import CAPACITY, CYCLE, VOLTAGE


class Meaning(NamedTuple):
    """What a column holds: a Table Schema type, a unit ("1" for plain numbers), words."""

    type: str
    unit: str
    words: str


# what the tables share
COMMON: Mapping[str, Meaning] = {
    "trial": Meaning("integer", "1", "Number of the trial, from 1."),
    "attempt": Meaning("integer", "1", "Run of the trial, from 1; 0: the result was given."),
    "seq": Meaning("integer", "1", "Number of the event in the journal, from 1."),
    "time_s": Meaning("number", "s", "Campaign time."),
    "seen": Meaning("integer", "1", "The last event that was known."),
    "reason": Meaning("string", "", "Why, in words."),
    "metric": Meaning("string", "", "What was measured or predicted."),
    "mean": Meaning("number", "see column unit", "The value."),
    "sem": Meaning("number", "see column unit", "Its standard error; empty: not known."),
    "unit": Meaning("string", "", "Unit of the values of the row."),
    "level": Meaning("number", "1", "Probability that the interval claims."),
    CYCLE: Meaning("integer", "1", "Cycle, from 1 (Battery Data Format)."),
    VOLTAGE: Meaning("number", "V", "Voltage (Battery Data Format)."),
    CAPACITY: Meaning("number", "Ah", "Discharged charge (Battery Data Format)."),
}

TABLES: Mapping[str, Mapping[str, Meaning]] = {
    "trials": {
        "purpose": Meaning("string", "", "search, start, training, confirm or check."),
        "author": Meaning("string", "", "Which optimiser or person asked for it."),
        "batch": Meaning("integer", "1", "Number of the proposal it came with; 0: by no search."),
        "state": Meaning("string", "", "Where the trial stands."),
        "excluded": Meaning("boolean", "", "A person took it out of the learning data."),
        "attempts": Meaning("integer", "1", "How often it was run."),
        "started_s": Meaning("number", "s", "Campaign time of its first start."),
        "ended_s": Meaning("number", "s", "Campaign time of its end."),
        "hours": Meaning("number", "h", "How long it held a channel, all attempts together."),
        "failure": Meaning("string", "", "Kind of its last failure."),
        "failure_reason": Meaning("string", "", "That failure in words."),
        "fidelity": Meaning("string", "", "What measured it; empty: the campaign's instrument."),
    },
    "observations": {
        "bound": Meaning("string", "", "exact, at_least or at_most the value."),
        "source": Meaning("string", "", "Model that computed it; empty: it was measured."),
        "reason": Meaning("string", "", "Why a person corrected it; empty: as measured."),
    },
    "predictions": {
        "lower": Meaning("number", "see column unit", "Lower end of the interval."),
        "upper": Meaning("number", "see column unit", "Upper end of the interval."),
        "at_cycle": Meaning("integer", "1", "The last cycle that was known."),
        "model": Meaning("string", "", "SHA-256 of the model."),
        "extrapolates": Meaning("boolean", "", "The cell lies outside the training range."),
        "uncorrected_mean": Meaning("number", "see column unit", "Before a bias was taken off."),
        "revised": Meaning("boolean", "", "Made anew when more of the bias was known."),
    },
    "decisions": {
        "stopper": Meaning("string", "", "Which rule decided."),
        "action": Meaning("string", "", "stop or go_on."),
        "weighed": Meaning("string", "", "What was weighed, as JSON."),
    },
    "events": {
        "version": Meaning("integer", "1", "Version of the payload."),
        "kind": Meaning("string", "", "Kind of the event."),
        "recorded_at": Meaning("datetime", "", "Wall clock, UTC."),
        "previous": Meaning("string", "", "Hash of the event before."),
        "hash": Meaning("string", "", "SHA-256 of this event and the hash before."),
        "payload": Meaning("string", "", "What happened, as canonical JSON."),
    },
    "front": {
        "trials": Meaning("string", "", "Trials that measured this setting."),
        "recommended": Meaning("boolean", "", "The one recommended setting."),
    },
    "cycles": {
        "internal_resistance_ohm": Meaning("number", "ohm", "Resistance (Battery Data Format)."),
        "temperature_t1_celsius": Meaning("number", "degC", "Temperature (Battery Data Format)."),
    },
}
UNITS = {"ah": "Ah", "ohm": "ohm", "k": "K", "c": "degC", "v": "V", "s": "s", "min": "min"}


def meaning(campaign: Campaign, table: str, column: str) -> Meaning:
    """What a column of an exported table holds. Raises KeyError where nobody knows."""
    known = TABLES.get(table, {}).get(column) or COMMON.get(column)
    if known is not None:
        return known
    found = _of_campaign(campaign).get(column)
    if found is not None:
        return found
    if table == "cycles":
        unit = UNITS.get(column.rpartition("_")[2], "1")
        return Meaning("number", unit, "As the instrument calls it, a value a cycle.")
    raise KeyError(f"{table}.{column}")


def _of_campaign(campaign: Campaign) -> dict[str, Meaning]:
    """Parameters, derived values, and the columns of the front."""
    found: dict[str, Meaning] = {}
    for objective in campaign.objectives:
        name, unit = objective.metric, objective.unit
        found |= {
            name: Meaning("number", unit, f"{name}, as the model believes."),
            f"{name}_lower": Meaning("number", unit, "Lower end of the interval."),
            f"{name}_upper": Meaning("number", unit, "Upper end of the interval."),
            f"{name}_measured": Meaning("number", unit, "Mean over the trials of the setting."),
        }
    for parameter in campaign.space.parameters:
        kind = {"text": "string", "truth": "boolean"}.get(parameter.kind, "number")
        found[parameter.name] = Meaning(kind, parameter.unit, "Parameter of the campaign.")
    for derived in campaign.space.derived:
        words = f"Follows from the parameters: {derived.expression}."
        found[derived.name] = Meaning("number", derived.unit, words)
    return found


def dictionary(
    campaign_id: str,
    campaign: Campaign,
    tables: Mapping[str, Sequence[str]],
    form: str,
    files: Sequence[str],
) -> dict[str, Any]:
    """A Frictionless data package (`datapackage.json`) of the tables, by their column names."""
    resources = [
        {"name": name, **_resource(f"{name}.{form}", form, campaign, name, heads)}
        for name, heads in tables.items()
    ]
    curves = [file for file in files if file.startswith("curves/")]
    if curves:
        columns = (CYCLE, VOLTAGE, CAPACITY)
        resources.append(
            {"name": "curves", **_resource(curves, "csv", campaign, "curves", columns)}
        )
    return {
        "profile": "tabular-data-package",
        "name": campaign_id.lower(),
        "title": campaign_id,
        "description": campaign.description,
        "resources": resources,
    }


def _resource(
    path: str | Sequence[str], form: str, campaign: Campaign, table: str, heads: Sequence[str]
) -> dict[str, Any]:
    fields = []
    for head in heads:
        told = meaning(campaign, table, head)
        one = {"name": head, "type": told.type, "description": told.words}
        fields.append(one | ({"unit": told.unit} if told.unit else {}))
    schema = {"fields": fields, "missingValues": [""]}
    return {"path": path, "format": form, "encoding": "utf-8", "schema": schema}
