"""A campaign as tables: rows for the report, and for the files of an export."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.records import Outcome, Prediction
from loop.events import Corrected, Decided, Observed, Predicted, Revised
from loop.reporting.front import believed, recommended, tried
from loop.reporting.record import Line, Record
from loop.summary import number, outcome_text, parameter_units, value_text

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the report's table: its text and what it is sorted by."""

    text: str
    key: str
    number: bool


def trial_table(record: Record) -> tuple[list[str], list[list[Cell]]]:
    """Heads and rows of every trial."""
    units = parameter_units(record.state)
    names = _parameters(record)
    others = [one.metric for one in record.campaign.objectives[1:]]
    objective = record.campaign.objectives[0]
    heads = [
        "trial", "purpose", *(_head(name, units.get(name, "1")) for name in names), "state",
        _head(f"predicted {objective.metric}", objective.unit),
        _head(f"measured {objective.metric}", objective.unit), *others,
        "hours", "start (day)", "attempts", "failure",
    ]  # fmt: skip
    return heads, [_row(line, names, others) for line in record.lines.values()]


def _parameters(record: Record) -> list[str]:
    space = record.campaign.space
    return [item.name for item in (*space.parameters, *space.derived)]


def _head(name: str, unit: str) -> str:
    return name if unit in ("", "1") else f"{name} ({unit})"


def _row(line: Line, names: Sequence[str], others: Sequence[str]) -> list[Cell]:
    trial, failure = line.trial, line.failures[-1] if line.failures else None
    state = str(trial.state) + (" (excluded)" if trial.excluded else "")
    return [
        _count(trial.number),
        _text(f"{trial.purpose} on {trial.fidelity}" if trial.fidelity else str(trial.purpose)),
        *(_value(trial.parameters.get(name)) for name in names),
        _text(state),
        _predicted(line.prediction),
        _outcome(line.observation),
        *(_outcome(trial.outcomes.get(metric)) for metric in others),
        _number(line.hours or None, f"{line.hours:,.0f}" if line.hours >= 10 else None),
        _number(None if line.started is None else line.started / 86400.0),
        _count(trial.attempt),
        _text("" if failure is None else f"{failure.kind}: {failure.reason}"),
    ]


def _text(text: str) -> Cell:
    return Cell(text, text, False)


def _count(value: int) -> Cell:
    return Cell(str(value), str(value), True)


def _number(value: float | None, text: str | None = None) -> Cell:
    if value is None:
        return Cell("", "", True)
    return Cell(text or number(value), repr(float(value)), True)


def _value(value: Any) -> Cell:
    if value is None or isinstance(value, bool | str):
        return _text("" if value is None else str(value))
    return Cell(value_text(value), repr(value), True)


def _predicted(one: Prediction | None) -> Cell:
    if one is None:
        return Cell("", "", True)
    mark = " (extrapolated)" if one.extrapolates else ""
    text = f"{number(one.mean)} [{number(one.lower)}, {number(one.upper)}]{mark}"
    return Cell(text, repr(one.mean), True)


def _outcome(one: Outcome | None) -> Cell:
    return Cell("", "", True) if one is None else Cell(outcome_text(one), repr(one.mean), True)


# tables for files ----------------------------------------------------------------------------


def exported(record: Record, events: Sequence[Any]) -> dict[str, tuple[Row, list[Row]]]:
    """Column names and rows of every table of a campaign, by the table's name."""
    tables = {
        "trials": _trials(record),
        "observations": _observations(events),
        "predictions": _predictions(events),
        "decisions": _decisions(events),
        "events": _events(events),
    }
    if len(record.campaign.objectives) > 1:
        tables["front"] = _front(record)
    return {name: (heads, list(rows)) for name, (heads, rows) in tables.items()}


def _trials(record: Record) -> tuple[Row, Iterable[Row]]:
    names = _parameters(record)
    heads = ("trial", "purpose", "author", "batch", *names, "state", "excluded", "attempts",
             "started_s", "ended_s", "hours", "failure", "failure_reason", "fidelity")  # fmt: skip
    return heads, (
        (
            line.trial.number, line.trial.purpose, line.trial.author, line.trial.batch,
            *(line.trial.parameters.get(name, "") for name in names), line.trial.state,
            line.trial.excluded, line.trial.attempt, line.started, line.ended, line.hours,
            *_failure(line), line.trial.fidelity,
        )
        for line in record.lines.values()
    )  # fmt: skip


def _failure(line: Line) -> tuple[str, str]:
    return (str(line.failures[-1].kind), line.failures[-1].reason) if line.failures else ("", "")


def _observations(events: Sequence[Any]) -> tuple[Row, Iterable[Row]]:
    heads = ("seq", "time_s", "trial", "attempt", "metric", "mean", "sem", "unit", "bound",
             "source", "reason")  # fmt: skip
    bodies = [(e.seq, e.body) for e in events if isinstance(e.body, Observed | Corrected)]
    return heads, (
        (
            seq, body.time, body.trial, getattr(body, "attempt", ""), body.observation.metric,
            body.observation.mean, body.observation.sem, body.observation.unit,
            body.observation.bound, body.observation.source, getattr(body, "reason", ""),
        )
        for seq, body in bodies
    )  # fmt: skip


def _predictions(events: Sequence[Any]) -> tuple[Row, Iterable[Row]]:
    fields = ("metric", "mean", "sem", "unit", "lower", "upper", "level", "at_cycle", "model",
              "extrapolates")  # fmt: skip
    told = [(e.seq, e.body) for e in events if isinstance(e.body, Predicted | Revised)]
    rows = (
        (
            seq,
            one.time,
            one.trial,
            one.attempt,
            *(getattr(one.prediction, f) for f in fields),
            one.prediction.uncorrected.mean,
            isinstance(one, Revised),
        )
        for seq, one in told
    )
    return ("seq", "time_s", "trial", "attempt", *fields, "uncorrected_mean", "revised"), rows


def _decisions(events: Sequence[Any]) -> tuple[Row, Iterable[Row]]:
    """What stoppers decided; `weighed` as JSON."""
    heads = ("seq", "time_s", "seen", "trial", "attempt", "stopper", "action", "reason", "weighed")
    told = [(e.seq, e.body) for e in events if isinstance(e.body, Decided)]
    return heads, (
        (
            seq, one.time, one.seen, one.trial, one.attempt, one.stopper, one.action, one.reason,
            json.dumps(one.weighed, sort_keys=True),
        )
        for seq, one in told
    )  # fmt: skip


def _front(record: Record) -> tuple[Row, Iterable[Row]]:
    """The front by the model, with the mean outcomes of the trials of its settings."""
    state, names = record.state, _parameters(record)
    metrics = [one.metric for one in record.campaign.objectives]
    heads = [
        *(f"{m}{part}" for m in metrics for part in ("", "_lower", "_upper", "_measured")),
        "level", "trials", *names, "recommended",
    ]  # fmt: skip
    key = state.history.key
    known = {key(one.parameters): one for one in tried(state)}
    rows = []
    for setting, told in believed(state):
        found = known.get(key(setting))
        means = [""] * len(metrics) if found is None else found.values
        values = [
            value
            for metric, mean in zip(metrics, means, strict=True)
            for value in (told[metric].mean, told[metric].lower, told[metric].upper, mean)
        ]
        trials = " ".join(map(str, found.trials)) if found is not None else ""
        told_of = (setting.get(name, "") for name in names)
        level = told[metrics[0]].level
        rows.append((*values, level, trials, *told_of, recommended(state, setting)))
    return heads, rows


def _events(events: Sequence[Any]) -> tuple[Row, Iterable[Row]]:
    heads = ("seq", "version", "kind", "recorded_at", "previous", "hash", "payload")
    return heads, ([getattr(event, name) for name in heads] for event in events)
