"""`leyden import baybe`: the JSON of a BayBE campaign, with its measurements as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from campaigns.campaign import Campaign
from loop.exchange.from_csv import with_results
from loop.exchange.recording import keep
from loop.exchange.results_table import Naming, Recorded, read
from loop.exchange.written_campaign import Goal, number, options, written
from loop.store.store import Store

BATCH = "BatchNr"  # the column in which BayBE counts its batches


def import_baybe(store: Store, path: Path, measurements: Path) -> tuple[str, Recorded]:
    """Store a BayBE campaign; its id, and what was read of its measurements.

    path: `Campaign.to_json`. measurements: `Campaign.measurements.to_csv(index=False)`: the JSON
        holds them as a pickle, which could execute anything and is not opened.
    Raises CampaignError and ValueError (one line each) with nothing stored.
    """
    try:
        told = json.loads(_content(path))
    except ValueError as error:
        raise ValueError(f"{path}: is no JSON ({error})") from error
    if not isinstance(told, dict) or "searchspace" not in told or "objective" not in told:
        raise ValueError(f"{path}: holds no campaign of BayBE")
    table = _content(measurements)
    try:
        campaign = _campaign(path, told)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: is not written as BayBE does ({error!r})") from error
    columns = {"batch": BATCH} if BATCH in table.decode("utf-8", "replace") else {}
    recorded = read(campaign, measurements.name, table, Naming(columns))
    campaign = with_results(campaign, recorded.results)
    return keep(store, campaign, recorded.results, recorded.epoch), recorded


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error


def _campaign(path: Path, told: Mapping[str, Any]) -> Campaign:
    """The campaign file of the space and the objective. Raises ValueError, KeyError, TypeError."""
    space = told["searchspace"]
    parts = [space["discrete"], space["continuous"]]
    rules = [rule for part in parts for key, found in part.items() if "constraints" in key
             for rule in found]  # fmt: skip
    if rules:
        raise ValueError(f"{path}: a search space with constraints is not read")
    parameters = [one for part in parts for one in part["parameters"]]
    tables = {one["name"]: _parameter(path, one) for one in parameters}
    return written(path.stem, "BayBE campaign", tables, _goals(path, told["objective"]), 1)


def _parameter(path: Path, one: Mapping[str, Any]) -> dict[str, Any]:
    if "bounds" in one:
        table = number(one["bounds"]["lower"], one["bounds"]["upper"])
    elif isinstance(one.get("values"), list):
        table = options(one["values"])[0]
    else:
        kind = one.get("type", "parameter")
        raise ValueError(f"{path}: parameter {one['name']!r}: a {kind} is not read")
    unit = (one.get("metadata") or {}).get("unit")
    return table | ({"unit": unit} if unit else {})


def _goals(path: Path, objective: Mapping[str, Any] | None) -> list[Goal]:
    """One goal a target; a target to be matched is none."""
    if objective is None:
        raise ValueError(f"{path}: the campaign has no objective")
    targets = objective.get("targets") or [objective["target"]]
    for one in targets:
        if one["transformation"]["type"] != "IdentityTransformation":
            raise ValueError(f"{path}: target {one['name']!r} is transformed; that is not read")
    return [Goal(one["name"], "minimize" if one["minimize"] else "maximize") for one in targets]
