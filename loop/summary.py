"""A campaign in one dictionary: what `run --json` and `show --json` promise, and how it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from campaigns.records import (
    Bound,
    Estimate,
    Outcome,
    Prediction,
    Purpose,
    Setting,
    Trial,
    TrialState,
    Value,
)
from loop.checking import check_object
from loop.history import Key
from loop.reporting.constraints import constrained
from loop.reporting.repeats import remeasured
from loop.state import CampaignState, goodness
from loop.stopwatch import Stopwatch

MOST_DECIMALS = 6


def summary(
    campaign_id: str,
    state: CampaignState,
    store: str,
    status: str | None = None,
    watch: Stopwatch | None = None,
) -> dict[str, Any]:
    """The promised object. Seconds are those of the engine that just ran; null without one."""
    return {
        "campaign": campaign_id,
        "name": state.campaign.name,
        "status": status or state.status,
        "reason": state.reason,
        "seed": state.campaign.seed,
        "trials": trials(state),
        "recommendation": _recommendation(state),
        "cost": cost(state, watch),
        "head": state.head,
        "store": store,
    }


def trials(state: CampaignState) -> dict[str, int]:
    """One count a state and their total, without training cells, which `training` counts."""
    counts = {str(each): state.counts[each] for each in TrialState}
    return {
        **counts,
        "total": sum(counts.values()),
        "training": sum(state.training_counts.values()),
    }


def cost(state: CampaignState, watch: Stopwatch | None = None) -> dict[str, float | None]:
    """What the campaign has used: hours of channels, days in the lab, seconds of the computer."""
    seconds: dict[str, float | None] = dict.fromkeys(
        ("wall_seconds", "engine_seconds", "optimizer_seconds", "surrogate_seconds")
    )
    if watch is not None:
        seconds = {
            "wall_seconds": watch.total,
            "engine_seconds": watch.engine,
            "optimizer_seconds": watch.parts["optimizer"],
            "surrogate_seconds": watch.parts["surrogate"],
        }
    return {
        "instrument_hours": state.cost.instrument_hours,
        "training_hours": state.cost.training_hours,
        "lab_days": state.cost.lab_days,
        **seconds,
    }


def _recommendation(state: CampaignState) -> dict[str, Any] | None:
    found = state.recommendation
    if found is None:
        return None
    told = _point(state, found.parameters, found.objectives)
    if found.trial is not None:
        told["trial"] = found.trial
    if found.front:
        told["front"] = [_point(state, setting, estimates) for setting, estimates in found.front]
    kept = constrained(state)
    if kept:
        told["constraints"] = {
            one.constraint.metric: {
                "mean": one.mean, "unit": one.unit, "trials": one.trials, "met": one.met,
            }
            for one in kept
        }  # fmt: skip
    checked = check_object(state)
    if checked is not None:
        told["check"] = checked
    fresh = remeasured(state)
    if fresh is not None:
        objective, mean = fresh
        told["remeasured"] = {
            objective.metric: {
                "mean": mean.value, "sem": mean.error, "unit": objective.unit, "trials": mean.runs,
            }
        }  # fmt: skip
    return told


def _point(
    state: CampaignState, setting: Setting, estimates: Mapping[str, Estimate]
) -> dict[str, Any]:
    metrics = [objective.metric for objective in state.campaign.objectives]
    return {
        "parameters": ordered(state, setting),
        "objectives": {metric: _estimate(estimates[metric]) for metric in metrics},
    }


def outdated(state: CampaignState) -> bool:
    """Whether something was learnt behind the recommendation that nothing has taken in yet."""
    return state.recommendation is not None and state.learnt > state.recommended_seen


def _estimate(one: Estimate) -> dict[str, Any]:
    """JSON has no infinity: a bound that is not known is null."""
    numbers = {"mean": one.mean, "lower": one.lower, "upper": one.upper}
    finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    return {**finite, "level": one.level, "unit": one.unit}


# how the settings and the failures stand -----------------------------------------------------


@dataclass
class Standing:
    """One setting and all that was found of its first objective."""

    parameters: Setting
    trials: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    measured: int = 0  # how many of the values were measured, not predicted

    @property
    def mean(self) -> float:
        return math.fsum(self.values) / len(self.values)


def standings(state: CampaignState) -> list[Standing]:
    """Every setting with an exact outcome, best mean first."""
    objective = state.campaign.objectives[0]
    found: dict[Key, Standing] = {}
    for trial, outcome in state.history.outcomes(objective.metric):
        key = state.history.key(trial.parameters)
        standing = found.setdefault(key, Standing(trial.parameters))
        standing.trials.append(trial.number)
        standing.values.append(outcome.mean)
        standing.measured += not isinstance(outcome, Prediction)
    return sorted(found.values(), key=lambda one: worth(state, one.mean), reverse=True)


def worth(state: CampaignState, value: float) -> float:
    """A value of the first objective turned so that larger is better."""
    return goodness(state.campaign.objectives[0], value)


def failures(state: CampaignState) -> dict[str, list[Trial]]:
    """Trials that ended with a failure, by kind, training cells among them."""
    found: dict[str, list[Trial]] = {}
    for trial in (*state.history.training.values(), *state.history.trials.values()):
        lost = trial.state is TrialState.LOST  # nothing has failed as far as anybody knows
        if trial.failure is not None and trial.state.terminal and not lost:
            found.setdefault(str(trial.failure.kind), []).append(trial)
    return dict(sorted(found.items()))


# words ---------------------------------------------------------------------------------------


def number(value: float | None, digits: int = 4) -> str:
    """A number as people read it: four figures, thousands apart, an exponent only for tiny ones."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size and size < 1e-3:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{digits}g}"


def with_error(value: float, error: float | None) -> str:
    """`2.1136 ± 0.0004`: a value to the decimals of two figures of its standard error."""
    if not error:
        return number(value) if error is None else f"{number(value)} ± 0"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    if decimals > MOST_DECIMALS:
        return f"{number(value)} ± {number(error, 2)}"
    return f"{value:,.{decimals}f} ± {error:,.{decimals}f}"


def unit_of(unit: str) -> str:
    """A unit as it stands behind a number; "" for plain numbers."""
    return "" if unit in ("", "1") else f" {unit}"


def setting_text(state: CampaignState, setting: Setting) -> str:
    """`cc1 4.8 1/h, cc2 5.2 1/h`: a setting in one line, with units."""
    units = parameter_units(state)
    return ", ".join(
        f"{name} {value_text(value)}{unit_of(units.get(name, '1'))}"
        for name, value in ordered(state, setting).items()
    )


def ordered(state: CampaignState, setting: Setting) -> dict[str, Value]:
    """The setting in the order of the campaign file, derived parameters last."""
    names = [name for name in parameter_units(state) if name in setting]
    return {name: setting[name] for name in (*names, *(n for n in setting if n not in names))}


def value_text(value: object) -> str:
    """One value of a setting."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:.5g}"


def parameter_units(state: CampaignState) -> dict[str, str]:
    """Unit of every free and derived parameter."""
    space = state.campaign.space
    return {item.name: item.unit for item in (*space.parameters, *space.derived)}


def estimate_text(one: Estimate) -> str:
    """`1,103 [1,020, 1,190] cycles`: mean and interval."""
    interval = f"[{number(one.lower)}, {number(one.upper)}]"
    return f"{number(one.mean)} {interval}{unit_of(one.unit)}"


def remeasured_text(state: CampaignState) -> str:
    """`repeats  discrepancy 0.0428 ± 0.0078, mean of 4 fresh runs …`; "" where there are none."""
    fresh = remeasured(state)
    if fresh is None:
        return ""
    objective, mean = fresh
    runs = f"{mean.runs} fresh run{'s' * (mean.runs != 1)}"
    told = f"{with_error(mean.value, mean.error)}{unit_of(objective.unit)}"
    return f"repeats  {objective.metric} {told}, mean of {runs} of the recommended setting"


def outcome_text(outcome: Outcome | None) -> str:
    """A measured or predicted value, censoring shown."""
    if outcome is None:
        return ""
    sign = {Bound.AT_LEAST: "≥ ", Bound.AT_MOST: "≤ "}.get(outcome.bound, "")
    return f"{sign}{number(outcome.mean)}{unit_of(outcome.unit)}"


def training_of(trial: Trial) -> bool:
    """Whether the trial was run to train the early predictor."""
    return trial.purpose is Purpose.TRAINING
