"""`leyden import optuna`: a study in Optuna's SQLite storage, read as plain tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from campaigns.campaign import Campaign
from campaigns.problems import listed
from campaigns.records import Failure, FailureKind, Observation, TrialState, Value
from instruments.clock import EPOCH
from loop.exchange.from_csv import with_results
from loop.exchange.recording import Result, keep
from loop.exchange.written_campaign import Goal, number, options, written
from loop.store.store import Store

SCHEMA = 12  # of Optuna 2 to 5
MOST_STEPS = 10_000  # of a stepped range that are listed
# names of Optuna 2, and what Optuna 3 calls them, with the attributes they imply
OLDER: Mapping[str, tuple[str, dict[str, Any]]] = {
    "UniformDistribution": ("FloatDistribution", {}),
    "LogUniformDistribution": ("FloatDistribution", {"log": True}),
    "DiscreteUniformDistribution": ("FloatDistribution", {}),
    "IntUniformDistribution": ("IntDistribution", {}),
    "IntLogUniformDistribution": ("IntDistribution", {"log": True}),
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One trial of a study; parameters as stored, with their distributions."""

    number: int
    state: str
    started: str | None
    ended: str | None
    parameters: Mapping[str, tuple[float, dict[str, Any]]]
    values: Mapping[int, float]  # finite ones, by objective


@dataclass(frozen=True, slots=True)
class Study:
    """All that is imported of a study."""

    name: str
    goals: tuple[Goal, ...]
    trials: tuple[Recorded, ...]


def import_optuna(store: Store, path: Path, study: str | None = None) -> tuple[str, int]:
    """Store a study as a campaign; its id, and how many trials were left out: those that were
    waiting or running and have no complete setting.

    Nothing but SQL is read and nothing is executed. Raises ValueError (one line) with nothing
    stored.
    """
    found = _read(path, study)
    tables = _parameters(found, path)
    kept = [one for one in found.trials if tables.keys() <= one.parameters.keys()]
    for one in found.trials:
        if one not in kept and one.state == "COMPLETE":
            lacking = ", ".join(sorted(tables.keys() - one.parameters.keys()))
            raise ValueError(
                f"{path}: trial {one.number} has no {lacking}: "
                "a study whose trials have different parameters cannot be a campaign"
            )
    if not kept:
        raise ValueError(f"{path}: study {found.name!r} has no trial with a setting")
    plain = {name: table for name, (table, _) in tables.items()}
    about = f"Optuna study {found.name!r}"
    campaign = written(found.name, about, plain, found.goals, len(kept))
    epoch = min((_date(one.started) for one in kept if one.started), default=EPOCH)
    choices = {name: listing for name, (_, listing) in tables.items()}
    results = [_result(campaign, found, one, choices, epoch) for one in kept]
    campaign = with_results(campaign, results)
    return keep(store, campaign, results, epoch), len(found.trials) - len(kept)


# the tables ----------------------------------------------------------------------------------


def _read(path: Path, wanted: str | None) -> Study:
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            return _study(database, path, wanted)
    except sqlite3.Error as error:
        raise ValueError(f"{path}: is no study of Optuna in SQLite ({error})") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: a distribution cannot be read ({error})") from error


def _study(database: sqlite3.Connection, path: Path, wanted: str | None) -> Study:
    ((schema,),) = database.execute("SELECT schema_version FROM version_info").fetchall() or [(0,)]
    if schema != SCHEMA:
        raise ValueError(f"{path}: storage of schema {schema}; {SCHEMA} is read (Optuna 2 to 5)")
    studies = dict(database.execute("SELECT study_name, study_id FROM studies ORDER BY study_id"))
    names = listed([repr(name) for name in studies])
    if wanted is None and len(studies) != 1:
        raise ValueError(f"{path}: there are several studies, or none; --study is one of {names}")
    name = next(iter(studies)) if wanted is None else wanted
    if name not in studies:
        raise ValueError(f"{path}: there is no study {name!r}; --study is one of {names}")
    key = (studies[name],)
    rows = database.execute(
        "SELECT trial_id, number, state, datetime_start, datetime_complete FROM trials "
        "WHERE study_id = ? ORDER BY number", key
    ).fetchall()  # fmt: skip
    trials = tuple(_trial(database, *row) for row in rows)
    return Study(name, _goals(database, key), trials)


def _goals(database: sqlite3.Connection, key: tuple[int]) -> tuple[Goal, ...]:
    query = "SELECT direction FROM study_directions WHERE study_id = ? ORDER BY objective"
    goals = [str(one).lower() for (one,) in database.execute(query, key)]
    query = (
        "SELECT value_json FROM study_system_attributes "
        "WHERE study_id = ? AND key = 'study:metric_names'"
    )
    told = database.execute(query, key).fetchone()
    several = len(goals) > 1
    names = [f"value_{i}" if several else "value" for i in range(len(goals))]
    names = [str(one) for one in json.loads(told[0])] if told else names
    return tuple(Goal(m, g) for m, g in zip(names, goals, strict=True))


def _trial(
    database: sqlite3.Connection,
    trial_id: int,
    number: int,
    state: str,
    started: str | None,
    ended: str | None,
) -> Recorded:
    query = "SELECT param_name, param_value, distribution_json FROM trial_params WHERE trial_id = ?"
    rows = database.execute(f"{query} ORDER BY param_id", (trial_id,))
    parameters = {name: (value, json.loads(text)) for name, value, text in rows}
    values = database.execute(
        "SELECT objective, value FROM trial_values WHERE trial_id = ? AND value_type = 'FINITE'",
        (trial_id,),
    )
    return Recorded(number, state, started, ended, parameters, dict(values))


# the space -----------------------------------------------------------------------------------


def _parameters(study: Study, path: Path) -> dict[str, tuple[dict[str, Any], list[Value]]]:
    """The table of every parameter, and the options of those that are choices by number. A range
    that changed from trial to trial is taken as wide as it ever was."""
    seen: dict[str, list[dict[str, Any]]] = {}
    for one in study.trials:
        for name, (_, told) in one.parameters.items():
            seen.setdefault(name, []).append(told)
    found = {}
    for name, distributions in seen.items():
        try:
            found[name] = _table([_modern(told) for told in distributions])
        except ValueError as error:
            raise ValueError(f"{path}: parameter {name!r}: {error}") from error
        except (KeyError, TypeError) as error:
            what = f"its distribution cannot be read ({error!r})"
            raise ValueError(f"{path}: parameter {name!r}: {what}") from error
    return found


def _modern(told: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    kind, implied = OLDER.get(told["name"], (told["name"], {}))
    attributes = {**told["attributes"], **implied}
    if "q" in attributes:
        attributes["step"] = attributes.pop("q")
    return kind, attributes


def _table(distributions: list[tuple[str, dict[str, Any]]]) -> tuple[dict[str, Any], list[Value]]:
    (kind, first), *others = distributions
    if any(other != kind for other, _ in others):
        raise ValueError("changes its kind from trial to trial")
    if kind == "CategoricalDistribution":
        if any(one["choices"] != first["choices"] for _, one in others):
            raise ValueError("changes its choices from trial to trial")
        return options(first["choices"])
    if kind not in ("FloatDistribution", "IntDistribution"):
        raise ValueError(f"{kind} is not known")
    low = min(one["low"] for _, one in distributions)
    high = max(one["high"] for _, one in distributions)
    whole, step = kind == "IntDistribution", first.get("step")
    steps = (high - low) / step if step else 0.0
    if step and not (whole and step == 1) and 1.0 <= steps <= MOST_STEPS:
        return {"choices": [low + i * step for i in range(int(steps + 1e-9) + 1)]}, []
    return number(low, high, log=bool(first.get("log")), whole=whole), []


# the trials ----------------------------------------------------------------------------------


def _result(
    campaign: Campaign,
    study: Study,
    one: Recorded,
    choices: Mapping[str, list[Value]],
    epoch: datetime,
) -> Result:
    setting = {
        name: choices[name][int(value)] if choices[name] else value
        for name, (value, _) in one.parameters.items()
    }
    setting = _on_grid(campaign, setting)
    problems = campaign.space.problems(setting)
    if problems:
        raise ValueError(f"study {study.name!r}: trial {one.number}: {problems[0]}")
    started = _seconds(one.started, epoch, 0.0)
    ended = _seconds(one.ended, epoch, started)
    outcomes = {
        goal.metric: Observation(goal.metric, float(one.values[i]), None, "1")
        for i, goal in enumerate(study.goals)
        if one.state == "COMPLETE" and i in one.values
    }
    state, failure = _state(one, complete=len(outcomes) == len(study.goals))
    return Result(
        campaign.space.complete(setting),
        outcomes,
        author="optuna",
        started=started,
        ended=max(ended, started),
        hours=max(ended - started, 0.0) / 3600.0,
        state=state,
        failure=failure,
    )


def _on_grid(campaign: Campaign, setting: Mapping[str, Value]) -> dict[str, Value]:
    """The setting with the listed option in place of a number that rounding set beside it."""
    from loop.exchange.results_table import nearest_option

    return {p.name: nearest_option(p, setting[p.name]) for p in campaign.space.parameters}


def _state(one: Recorded, *, complete: bool) -> tuple[TrialState, Failure | None]:
    """What Optuna's state is here; a pruned trial has no final value."""
    match one.state:
        case "COMPLETE" if complete:
            return TrialState.COMPLETED, None
        case "COMPLETE":
            reason = "the value is not finite"
            return TrialState.FAILED, Failure(FailureKind.OUT_OF_RANGE, reason)
        case "PRUNED":
            return TrialState.STOPPED, None
        case "FAIL":
            return TrialState.FAILED, Failure(FailureKind.DATA_GAP, "failed in Optuna")
        case _:
            return TrialState.PROPOSED, None


def _date(text: str) -> datetime:
    """Optuna writes local time without its zone; it is taken as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _seconds(text: str | None, epoch: datetime, otherwise: float) -> float:
    return otherwise if not text else max((_date(text) - epoch).total_seconds(), 0.0)
