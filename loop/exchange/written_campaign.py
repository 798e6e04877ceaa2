"""A campaign file for results that came without one: parameters and goals as they were recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.campaign import Campaign, parse
from campaigns.records import Value


@dataclass(frozen=True, slots=True)
class Goal:
    """An objective: metric, `maximize` or `minimize`."""

    metric: str
    goal: str


def written(
    name: str,
    description: str,
    parameters: Mapping[str, Mapping[str, Any]],
    goals: Sequence[Goal],
    trials: int,
    *,
    rules: Sequence[str] = (),
    bounds: Sequence[Mapping[str, Any]] = (),
) -> Campaign:
    """The campaign, as TOML. Its optimiser is `random`, which recommends the best that was observed
    (the front of several objectives); its instrument is a table to be filled with the results.

    parameters: tables of `[space.parameters]` by name; rules: `space.constraints`; bounds: those
    of `[[constraints]]`. Raises CampaignError.
    """
    import tomlkit

    tables: dict[str, Any] = {
        "name": re.sub(r"[^\w-]+", "-", name).strip("-") or "imported",
        "description": description,
        "space": {"parameters": {key: dict(table) for key, table in parameters.items()}},
        "objectives": [{"metric": one.metric, "goal": one.goal} for one in goals],
        "optimizer": {"kind": "random"},
        "instrument": {"kind": "table"},
        "budget": {"trials": max(trials, 1)},
    }
    if rules:
        tables["space"]["constraints"] = list(rules)
    if bounds:
        tables["constraints"] = [dict(one) for one in bounds]
    return parse(tomlkit.dumps(tables))


def number(low: float, high: float, *, log: bool = False, whole: bool = False) -> dict[str, Any]:
    """The table of a number between two bounds, or of the only one there is."""
    if low == high:
        return {"choices": [int(low) if whole else float(low)]}
    table: dict[str, Any] = {"low": float(low), "high": float(high)}
    return table | ({"scale": "log"} if log else {}) | ({"integer": True} if whole else {})


def options(values: Sequence[Any]) -> tuple[dict[str, Any], list[Value]]:
    """The table of a choice, and its options; what is of several kinds, or none, becomes text."""
    kinds = {bool if isinstance(v, bool) else float if isinstance(v, int | float) else type(v)
             for v in values}  # fmt: skip
    plain = len(kinds) == 1 and kinds <= {bool, float, str}
    found: list[Value] = [value if plain else str(value) for value in values]
    return {"choices": found}, found
