"""One run of the coating line: a pure function from a setting and a seed to what is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from campaigns.records import NOTHING, FailureKind, Setting
from instruments.base import Scalar
from instruments.coater.defects import defect
from instruments.coater.drying import DRYER_M, ROOM_C
from instruments.coater.electrode import Electrode, made
from instruments.coater.faults import (
    AGGLOMERATED_NETWORK,
    RUINS,
    STREAK_GAP_UM,
    UNEVEN,
    FaultKind,
    Ruin,
)
from instruments.coater.options import CoaterOptions
from instruments.coater.settings import METRICS, Recipe
from instruments.coater.variation import Disturbance, Stream, disturbance, places, spreads

# Nominal times: an hour in the mixer, ten metres of foil through the bar and through the rolls,
# and half a minute for each kelvin that the rolls are heated.
MIXING_S: Final = 3600.0
FOIL_M: Final = 10.0
CALENDER_M_PER_MIN: Final = 1.0
HEATING_S_PER_K: Final = 30.0


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the process and how long it takes."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class CoatingRun:
    """What became of one coating.

    scalars:  the mean over the places across the web with its standard error, by the names of
              `METRICS`; empty where the coating failed
    seconds:  nominal process time, from the settings alone: a failed run takes as long
    failure, reason: why there is nothing to measure; None and "" otherwise
    failed_at: the stage at which that happened, "" otherwise
    """

    scalars: Mapping[str, Scalar]
    seconds: float
    failure: FailureKind | None
    reason: str
    stages: tuple[Stage, ...]
    failed_at: str = ""


def run(parameters: Setting, seed: tuple[int, int, int], options: CoaterOptions) -> CoatingRun:
    """Mix, coat, dry, calender and measure; the same arguments always give the same run.

    parameters: within `SETTINGS` and the safety block (`instruments.coater.settings.unsafe`)
    seed:       (campaign seed, trial number, attempt)
    Raises KeyError for a missing setting.
    """
    recipe = Recipe.of(parameters)
    steps = stages(recipe)
    seconds = sum(step.seconds for step in steps)
    fault = _fault(seed, options)
    whole = _struck(disturbance(seed, options), fault)
    average = made(recipe, options.c_rate_per_h, whole)
    ruin = _ruin(fault) or defect(average)
    if ruin is not None:
        return CoatingRun(NOTHING, seconds, ruin.failure, ruin.reason, steps, ruin.stage)
    uneven = 1.0 if fault is None else UNEVEN.get(fault, 1.0)
    scalars = _measured(average, places(whole, seed, options, uneven), options, whole)
    return CoatingRun(scalars, seconds, None, "", steps)


def truth(parameters: Setting, options: CoaterOptions) -> Mapping[str, float]:
    """Noise-free metrics of a setting by name; outside the process window no capacity is usable.

    Raises KeyError for a missing setting.
    """
    electrode = made(Recipe.of(parameters), options.c_rate_per_h)
    if defect(electrode) is None:
        return electrode.metrics()
    scrap = {name: 0.0 for name in METRICS if "capacity" in name}
    return {**electrode.metrics(), **scrap}


def stages(recipe: Recipe) -> tuple[Stage, ...]:
    """The steps of the process and their nominal times, from the settings alone."""
    speed_m_s = recipe.line_speed_m_per_min / 60.0
    heating_s = HEATING_S_PER_K * max(recipe.calender_c - ROOM_C, 0.0)
    return (
        Stage("mixing", MIXING_S),
        Stage("coating", FOIL_M / speed_m_s),
        Stage("drying", DRYER_M / speed_m_s),
        Stage("calendering", heating_s + 60.0 * FOIL_M / CALENDER_M_PER_MIN),
    )


def _fault(seed: tuple[int, int, int], options: CoaterOptions) -> FaultKind | None:
    rng = np.random.default_rng([*(number % 2**64 for number in seed), Stream.FAULT])
    return options.fault_plan.draw(rng, seed[1], seed[2])


def _ruin(fault: FaultKind | None) -> Ruin | None:
    return None if fault is None else RUINS.get(fault)


def _struck(whole: Disturbance, fault: FaultKind | None) -> Disturbance:
    """The disturbance of a coating with such a fault."""
    if fault is FaultKind.AGGLOMERATES:
        return replace(whole, network=whole.network * AGGLOMERATED_NETWORK)
    if fault is FaultKind.STREAKS:
        return replace(whole, gap_um=whole.gap_um + STREAK_GAP_UM)
    return whole


def _measured(
    average: Electrode,
    across: list[Disturbance],
    options: CoaterOptions,
    whole: Disturbance,
) -> Mapping[str, Scalar]:
    """Mean over the places, with what is known of its uncertainty as its standard deviation.

    The standard error of the mean sees the places alone. That batches and coatings differ, too, is
    what a line knows of itself; it is added as the response to one standard deviation of each.
    """
    recipe, rate = average.recipe, options.c_rate_per_h
    found = [made(recipe, rate, one).metrics(one.gauge_um, one.cell) for one in across]
    shifted = [made(recipe, rate, one).metrics(cell=one.cell) for one in spreads(whole, options)]
    centre = average.metrics(cell=whole.cell)
    scalars = {}
    for name, unit in METRICS.items():
        values = np.array([one[name] for one in found])
        error = float(values.std(ddof=1)) / math.sqrt(len(values))
        known = [one[name] - centre[name] for one in shifted]
        sd = math.sqrt(error**2 + math.fsum(step**2 for step in known))
        scalars[name] = Scalar(float(values.mean()), unit, sd)
    return scalars
