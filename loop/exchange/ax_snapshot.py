"""`leyden import ax`: the JSON snapshot of an Ax 1.x client, read without Ax."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from campaigns.campaign import Campaign
from campaigns.records import Failure, FailureKind, Observation, TrialState, Value
from instruments.clock import EPOCH
from loop.exchange.from_csv import with_results
from loop.exchange.recording import Result, keep
from loop.exchange.results_table import nearest_option
from loop.exchange.written_campaign import Goal, number, options, written
from loop.store.store import Store

_NAME = re.compile(r"(-?)\s*([A-Za-z_][\w.]*)")  # an objective: a metric, or minus a metric


def import_ax(store: Store, path: Path) -> str:
    """Store the experiment of a snapshot (`Client.save_to_json_file`) as a campaign; its id.

    The JSON is read as data: no class that it names is looked up. Raises ValueError (one line)
    with nothing stored.
    """
    try:
        told = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ValueError(f"{path}: is no JSON ({error})") from error
    if not isinstance(told, dict) or not isinstance(told.get("experiment"), dict):
        raise ValueError(f"{path}: holds no experiment; the snapshot of an Ax 1.x client is needed")
    try:
        campaign, results, epoch = _experiment(told["experiment"])
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{path}: is not written as Ax 1.x does ({error!r})") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return keep(store, with_results(campaign, results), results, epoch)


def _experiment(told: Mapping[str, Any]) -> tuple[Campaign, list[Result], datetime]:
    space, aim = told["search_space"], told["optimization_config"]
    if aim is None:
        raise ValueError("the experiment has no objective yet")
    tables, choices = {}, {}
    for one in space["parameters"]:
        tables[one["name"]], choices[one["name"]] = _parameter(one)
    trials = sorted(told["trials"].values(), key=lambda one: int(one["index"]))
    if not trials:
        raise ValueError("the experiment has no trials")
    name = told["name"] or "ax"
    campaign = written(
        name,
        told.get("description") or f"Ax experiment {name!r}",
        tables,
        _goals(aim["objective"]),
        len(trials),
        rules=[_rule(one) for one in space["parameter_constraints"]],
        bounds=[_bound(one) for one in aim["outcome_constraints"]],
    )
    epoch = min((_date(one["time_created"]) or EPOCH for one in trials), default=EPOCH)
    data = told["data_by_trial"]
    results = [_result(campaign, one, choices, _data(data, one), epoch) for one in trials]
    return campaign, results, epoch


def _parameter(one: Mapping[str, Any]) -> tuple[dict[str, Any], list[Value]]:
    """The table of a parameter, and its options where it is a choice."""
    match one["__type"]:
        case "RangeParameter":
            whole = one["parameter_type"]["name"] == "INT"
            return number(one["lower"], one["upper"], log=one["log_scale"], whole=whole), []
        case "ChoiceParameter" if not one.get("dependents"):
            return options(one["values"])
        case "FixedParameter" if not one.get("dependents"):
            return options([one["value"]])
        case kind:
            raise ValueError(f"parameter {one['name']!r}: a {kind} of this sort is not known")


def _goals(objective: Mapping[str, Any]) -> list[Goal]:
    """From `life`, `-cost` or `life, -cost`."""
    found = []
    for part in str(objective["expression"]).split(","):
        match = _NAME.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"objective {part.strip()!r}: a metric, or minus a metric, is needed")
        found.append(Goal(match[2], "minimize" if match[1] else "maximize"))
    return found


def _rule(one: Mapping[str, Any]) -> str:
    """`1.0 * gap + 0.25 * passes <= 3.0`: Ax writes linear rules as campaign files do."""
    return str(one["inequality"])


def _bound(one: Mapping[str, Any]) -> dict[str, Any]:
    if one["relative"]:
        raise ValueError(f"the constraint on {one['metric']['name']} is relative to a status quo")
    side = "at_most" if one["op"]["name"] == "LEQ" else "at_least"
    return {"metric": one["metric"]["name"], side: float(one["bound"])}


def _data(data: Mapping[str, Any], trial: Mapping[str, Any]) -> dict[str, Observation]:
    """The latest value of every metric of a trial."""
    entry = data.get(str(trial["index"]))
    found: dict[str, Observation] = {}
    for _, table in [] if entry is None else entry["value"]:
        columns = json.loads(table["df"]["value"])
        for row, metric in columns["metric_name"].items():
            mean, sem = columns["mean"][row], columns["sem"][row]
            if mean is not None:
                spread = None if sem is None else float(sem)
                found[metric] = Observation(metric, float(mean), spread, "1")
    return found


def _result(
    campaign: Campaign,
    trial: Mapping[str, Any],
    choices: Mapping[str, Sequence[Value]],
    outcomes: Mapping[str, Observation],
    epoch: datetime,
) -> Result:
    index = trial["index"]
    if trial["__type"] != "Trial":
        raise ValueError(f"trial {index} is a {trial['__type']}: one arm a trial is needed")
    run = trial["generator_run"]
    (arm,) = run["arms"]
    given = {n: str(v) if _texts(choices[n]) else v for n, v in arm["parameters"].items()}
    setting = {p.name: nearest_option(p, given[p.name]) for p in campaign.space.parameters}
    problems = campaign.space.problems(setting)
    if problems:
        raise ValueError(f"trial {index}: {problems[0]}")
    state, failure = _state(trial, campaign, outcomes)
    started = _seconds(trial["time_run_started"], epoch, _seconds(trial["time_created"], epoch, 0))
    ended = max(_seconds(trial["time_completed"], epoch, started), started)
    return Result(
        campaign.space.complete(setting),
        outcomes if failure is None else {},
        author=run.get("generation_node_name") or "ax",
        started=started,
        ended=ended,
        hours=(ended - started) / 3600.0,
        state=state,
        failure=failure,
    )


def _texts(listed: Sequence[Value]) -> bool:
    return bool(listed) and isinstance(listed[0], str)


def _state(
    trial: Mapping[str, Any], campaign: Campaign, outcomes: Mapping[str, Observation]
) -> tuple[TrialState, Failure | None]:
    """What Ax's status is here."""
    name, reason = trial["status"]["name"], trial.get("status_reason")
    match name:
        case "COMPLETED" if all(one.metric in outcomes for one in campaign.objectives):
            return TrialState.COMPLETED, None
        case "COMPLETED" | "FAILED":
            return TrialState.FAILED, Failure(FailureKind.DATA_GAP, reason or "failed in Ax")
        case "ABANDONED":
            return TrialState.FAILED, Failure(FailureKind.ABORTED, reason or "abandoned in Ax")
        case "EARLY_STOPPED":
            return TrialState.STOPPED, None
        case _:
            return TrialState.PROPOSED, None


def _date(told: Mapping[str, Any] | None) -> datetime | None:
    """Ax writes local time without its zone; it is taken as UTC."""
    return None if told is None else datetime.fromisoformat(told["value"]).replace(tzinfo=UTC)


def _seconds(told: Mapping[str, Any] | None, epoch: datetime, otherwise: float) -> float:
    moment = _date(told)
    return otherwise if moment is None else max((moment - epoch).total_seconds(), 0.0)
