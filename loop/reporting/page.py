"""The report's page: what is said where; every text of a campaign is escaped by the template."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from campaigns.campaign import FailureRule
from campaigns.records import FailureKind, Purpose, Setting
from campaigns.steps import in_words
from loop.checking import check_object
from loop.reporting import (
    curves,
    effects,
    hypervolume,
    learning,
    outcomes,
    parallel,
    paths,
    predictor_section,
    timeline,
    tradeoffs,
)
from loop.reporting.calibration import Calibration, label
from loop.reporting.constraints import bounds_text, constrained, nothing_recommended
from loop.reporting.front_page import front_section
from loop.reporting.identified import Identified, identified
from loop.reporting.influence import influences
from loop.reporting.pages import templates
from loop.reporting.record import Line, Record, Truth
from loop.reporting.stops import biases
from loop.reporting.tables import trial_table
from loop.summary import (
    number,
    ordered,
    outdated,
    parameter_units,
    standings,
    trials,
    unit_of,
    value_text,
    with_error,
)

if TYPE_CHECKING:
    from markupsafe import Markup

TOP = 10  # best settings shown


@dataclass(frozen=True, slots=True)
class Share:
    """One part of the cost."""

    name: str
    trials: int
    hours: float
    percent: float


def html(record: Record, truth: Truth | None) -> str:
    """The whole page."""
    environment = templates()
    environment.filters["number"] = number
    environment.filters["unit"] = unit_of
    environment.filters["with_error"] = with_error
    script = _asset("report.js")
    heads, rows = trial_table(record)
    calibration, growth = Calibration.of(record), hypervolume.growth(record)
    page: str = environment.get_template("report.html").render(
        style=_trusted(_asset("report.css")),
        script=_trusted(script),
        policy=_policy(script),
        record=record,
        campaign=record.campaign,
        status=_status(record),
        counts=[(name, n) for name, n in trials(record.state).items() if n],
        recommendation=_recommendation(record, truth),
        nothing=nothing_recommended(record.state),
        outdated=bool(record.tally.amended) and outdated(record.state) and not record.state.over,
        front=front_section(record, growth),
        figures=_figures(record, truth, calibration, growth),
        calibration=_calibration(calibration),
        identified=_identified(record),
        influences=_influences(record),
        panels=paths.PANELS,
        truth=truth,
        check=outcomes.check(record),
        best=_best(record),
        cards=predictor_section.section(record.cards),
        stops=record.stops,
        biases=biases(record.state),
        shares=_shares(record),
        failures=_failures(record),
        heads=heads,
        rows=rows,
        provenance=_provenance(record),
        instruments=in_words(record.campaign.instruments),
        channels=_channels(record),
    )
    return page


def _channels(record: Record) -> str:
    """How many places trials were run in: `8 channels`."""
    total = sum(step.instrument.channels for step in record.campaign.instruments)
    return f"{total} channel{'s' * (total != 1)}"


def _asset(name: str) -> str:
    return resources.files("loop").joinpath("templates", name).read_text(encoding="utf-8")


def _trusted(text: str) -> Markup:
    """Text of ours, not of a campaign: it goes into the page as it is."""
    from markupsafe import Markup

    return Markup(text)


def _policy(script: str) -> str:
    """Nothing may be loaded, and no script may run but ours."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _figures(
    record: Record,
    truth: Truth | None,
    calibration: Calibration | None,
    growth: hypervolume.Growth | None,
) -> dict[str, Markup]:
    made = {
        "best": learning.best_so_far(record, truth),
        "regret": learning.regret(record, truth),
        "check": outcomes.predicted_against_measured(record),
        "front": tradeoffs.front(record),
        "hypervolume": hypervolume.over_cost(record, growth),
        "parallel": parallel.parallel(record),
        "space": outcomes.over_parameters(record),
        "target": "" if calibration is None else curves.measured_against_simulated(calibration),
        "swarm": paths.swarm(record),
        "timeline": timeline.timeline(record),
    }
    return {name: _trusted(svg) for name, svg in made.items()}


def _status(record: Record) -> str:
    state = record.state
    return "not finished" if state.status == "running" else state.status


def _recommendation(record: Record, truth: Truth | None) -> dict[str, Any] | None:
    found = record.state.recommendation
    if found is None:
        return None
    return {
        "parameters": _parameters(record, found.parameters),
        "estimates": [
            (objective.metric, found.objectives[objective.metric])
            for objective in record.campaign.objectives
        ],
        "constraints": [(one, bounds_text(one.constraint)) for one in constrained(record.state)],
        "check": check_object(record.state),
        "true": None if truth is None else truth.recommended[-1],
    }


def _parameters(record: Record, setting: Setting) -> list[tuple[str, str, str]]:
    units = parameter_units(record.state)
    return [
        (name, value_text(value), unit_of(units.get(name, "1")).strip())
        for name, value in ordered(record.state, setting).items()
    ]


def _head(name: str, unit: str) -> str:
    return name if unit in ("", "1") else f"{name} ({unit})"


def _best(record: Record) -> dict[str, Any]:
    """The settings with the best mean outcome, the recommended one marked."""
    found, space = standings(record.state), record.campaign.space
    chosen = record.state.recommendation
    key = None if chosen is None else space.key(chosen.parameters)
    units = parameter_units(record.state)
    names = list(ordered(record.state, found[0].parameters)) if found else []
    return {
        "heads": [_head(name, units.get(name, "1")) for name in names],
        "rows": [
            {
                "point": [value_text(one.parameters[name]) for name in names],
                "mean": number(one.mean),
                "low": number(min(one.values)),
                "high": number(max(one.values)),
                "trials": len(one.values),
                "measured": one.measured,
                "chosen": space.key(one.parameters) == key,
            }
            for one in found[:TOP]
        ],
        "settings": len(found),
    }


def _calibration(found: Calibration | None) -> dict[str, Any] | None:
    """The values of a target beside the recommended setting's; None without such a target."""
    if found is None:
        return None
    return {
        "metric": found.objective.metric,
        "unit": found.objective.unit,
        "runs": found.runs,
        "others": len(found.trials),
        "curves": bool(found.curves),
        "sources": found.sources,
        "remeasured": found.remeasured,
        "rows": [
            {
                "name": label(one.aim.metric, one.unit),
                "unit": unit_of(one.unit).strip(),
                "measured": with_error(one.aim.value, one.aim.sd or None),
                "simulated": ""
                if one.simulated is None
                else with_error(one.simulated.value, one.simulated.error),
                "deviation": _signed(one.deviation, "+.2f"),
                "sigmas": _signed(one.sigmas, "+.1f"),
            }
            for one in found.compared
        ],
        "exact": [label(one.aim.metric, one.unit) for one in found.compared if not one.aim.sd],
    }


def _signed(value: float | None, form: str) -> str:
    return "–" if value is None else f"{value:{form}}".replace("-", "−")


def _identified(record: Record) -> dict[str, Any] | None:
    """What the data tell of each parameter; None where no target of several values is wanted."""
    found = identified(record.state)
    if found is None:
        return None
    return {
        "trials": found.trials,
        "needed": found.needed,
        "left_out": found.left_out,
        "enlarged": found.enlarged,
        "rows": [_known(one) for one in found.rows],
        "pairs": [(one.one, one.other, _signed(one.correlation, "+.2f")) for one in found.pairs],
    }


def _influences(record: Record) -> list[dict[str, Any]]:
    """What each parameter does to each objective; nothing where too little is known."""
    return [
        {
            "found": found,
            "bars": _trusted(effects.bars(found, str(i))),
            "curves": _trusted(effects.curves(found, str(i))),
        }
        for i, found in enumerate(influences(record.state))
    ]


def _known(one: Identified) -> dict[str, Any]:
    parameter = one.parameter
    return {
        "name": parameter.name,
        "unit": unit_of(parameter.unit).strip(),
        "allowed": f"{value_text(parameter.low)} to {value_text(parameter.high)}",
        "log": parameter.scale == "log",
        "left": f"{one.low:.3g} to {one.high:.3g}",
        "start": 100.0 * one.start,
        "width": max(100.0 * one.width, 1.0),
        "percent": 100.0 * one.share,
        "verdict": one.verdict,
    }


def _shares(record: Record) -> list[Share]:
    """Hours by what became of them."""
    groups: dict[str, list[Line]] = {}
    for line in record.lines.values():
        if line.hours > 0:
            groups.setdefault(_share_name(line), []).append(line)
    total = sum(line.hours for lines in groups.values() for line in lines)
    made = [
        Share(name, len(lines), hours, 100.0 * hours / total)
        for name, lines in groups.items()
        if (hours := sum(line.hours for line in lines)) > 0
    ]
    return sorted(made, key=lambda one: -one.hours)


def _share_name(line: Line) -> str:
    if line.trial.purpose is Purpose.TRAINING:
        return "cells that trained the early predictor"
    names = {
        "predicted": "trials ended by an early prediction",
        "completed": "trials measured to the end",
        "failed": "trials that failed",
        "stopped": "trials stopped at the end of the budget",
    }
    return names.get(str(line.trial.state), f"trials {line.trial.state}")


def _failures(record: Record) -> list[dict[str, Any]]:
    """Every failed attempt by kind, with the campaign's rule for it."""
    found: dict[FailureKind, list[Line]] = {}
    for line in record.lines.values():
        for failure in line.failures:
            found.setdefault(failure.kind, []).append(line)
    rows = []
    for kind, lines in sorted(found.items()):
        rule = record.campaign.failures.get(kind)  # a person's refusal needs none
        reasons = [failure.reason for failure in lines[0].failures if failure.kind is kind]
        rows.append(
            {
                "kind": str(kind),
                "attempts": len(lines),
                "retried": record.tally.retried.get(kind, 0),
                "trials": _numbers([line.trial.number for line in lines]),
                "rule": "" if rule is None else _told(rule),
                "reason": reasons[0] if reasons else "",
            }
        )
    return rows


def _told(rule: FailureRule) -> str:
    if rule.action != "retry":
        return str(rule.action)
    return f"retry up to {rule.retries} times, then {rule.then}"


def _numbers(trials: Sequence[int]) -> str:
    distinct = list(dict.fromkeys(trials))
    shown = ", ".join(map(str, distinct[:12]))
    return shown + (", …" if len(distinct) > 12 else "")


def _moment(iso: str) -> str:
    """`2026-01-31 14:05:09 UTC`."""
    return f"{iso[:10]} {iso[11:19]} UTC"


def _provenance(record: Record) -> dict[str, Any]:
    from shlex import join

    state = record.state
    words = ("replay", record.campaign_id, "--verify", "--head", state.head)
    facts = [
        ("campaign", record.campaign_id),
        ("file digest", record.frozen.digest),
        ("journal", f"{record.events} events, head {state.head}"),
        ("store", record.store),
        ("first event", _moment(record.recorded[0])),
        ("last event", _moment(record.recorded[1])),
        ("engine starts", str(record.engines)),
        ("seed", str(state.campaign.seed)),
    ]  # fmt: skip
    return {
        "facts": facts,
        "environment": sorted(record.environment.items()),
        "verify": f"leyden {join((*words, '--store', record.store))}",
        "text": record.text,
    }
