"""How the recommended setting reproduces a target: each value measured against its simulation."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from campaigns.objective import Objective
from campaigns.records import Bound, Estimate, Outcome, Prediction, Setting
from campaigns.target import Aim, Target
from loop.history import History
from loop.reporting.repeats import Mean, confirmations, towards_curve

if TYPE_CHECKING:
    from loop.reporting.record import Record

MEMBER = re.compile(r"(.+)_at_(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")


@dataclass(frozen=True, slots=True)
class Compared:
    """One value of the target beside what the recommended setting gives."""

    aim: Aim
    unit: str
    simulated: Mean | None

    @property
    def deviation(self) -> float | None:
        """Simulated minus measured in percent of the measured value; None where that is 0."""
        return None if self.simulated is None else self.percent(self.simulated.value)

    @property
    def deviation_error(self) -> float | None:
        """Standard error of the deviation, in the same percent."""
        known = self.simulated is not None and self.simulated.error is not None and self.aim.value
        return 100.0 * self.simulated.error / abs(self.aim.value) if known else None  # type: ignore[operator,union-attr]

    @property
    def uncertainty(self) -> float | None:
        """Standard deviation of the measured value in percent of it."""
        return 100.0 * self.aim.sd / abs(self.aim.value) if self.aim.value else None

    @property
    def sigmas(self) -> float | None:
        """The deviation in standard deviations of both together; None where one is not known."""
        if self.simulated is None or self.simulated.error is None:
            return None
        combined = math.hypot(self.aim.sd, self.simulated.error)
        return (self.simulated.value - self.aim.value) / combined if combined > 0 else None

    def percent(self, value: float) -> float | None:
        """How far a value is from the measured one, in percent of that."""
        away = value - self.aim.value
        return 100.0 * away / abs(self.aim.value) if self.aim.value else None


@dataclass(frozen=True, slots=True)
class Curve:
    """Values of the target named NAME_at_NUMBER, by the number; `log` where both axes are."""

    name: str
    unit: str
    x: tuple[float, ...]
    places: tuple[int, ...]  # among the compared values
    log: bool


@dataclass(frozen=True, slots=True)
class Remeasured:
    """The objective over the fresh repeats of the recommended setting, and as it was expected
    before the first of them; None where the setting was not recommended then."""

    mean: Mean
    expected: Estimate | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the report tells of the first objective that has a target of several values.

    runs: trials of the recommended setting that gave all values; trials: the values of every other
    trial, in the order of `compared`; sources: the numerical models the values hold for.
    """

    objective: Objective
    compared: tuple[Compared, ...]
    curves: tuple[Curve, ...]
    runs: int
    trials: tuple[tuple[float, ...], ...]
    sources: tuple[str, ...]
    remeasured: Remeasured | None

    @classmethod
    def of(cls, record: Record) -> Calibration | None:
        """None where no objective has such a target."""
        objective = towards_curve(record.state)
        if objective is None or objective.curve is None:
            return None
        aims, best = objective.curve.aims, record.state.recommendation
        mine, others, sources = _runs(record.state.history, objective.curve, best)
        columns: list[list[Outcome]] = [[run[place] for run in mine] for place in range(len(aims))]
        seen = (mine or others)[-1:]
        units = [one.unit for one in seen[0]] if seen else [aim.unit for aim in aims]
        compared = tuple(
            Compared(aim, unit or aim.unit, Mean.of(column))
            for aim, unit, column in zip(aims, units, columns, strict=True)
        )
        return cls(
            objective=objective,
            compared=compared,
            curves=tuple(_curves(compared)),
            runs=len(mine),
            trials=tuple(tuple(one.mean for one in run) for run in others),
            sources=sources,
            remeasured=_remeasured(record, objective),
        )

    @property
    def exact(self) -> list[str]:
        """Values of the target whose uncertainty nobody stated."""
        return [one.aim.metric for one in self.compared if not one.aim.sd]


def label(metric: str, unit: str) -> str:
    """A metric's name in words, without the unit it ends with: that is told apart from it."""
    spelt = re.sub(r"[^a-z0-9]+", "_", unit.lower().replace("^", "")).strip("_")
    name = metric.removesuffix(f"_{spelt}") if spelt else metric
    member = MEMBER.fullmatch(name)
    if member is not None:
        name = f"{label(member[1], unit)} at {member[2]}"
    return name.replace("_", " ")


def _runs(
    history: History, target: Target, best: object
) -> tuple[list[list[Outcome]], list[list[Outcome]], tuple[str, ...]]:
    """The values of the recommended setting's trials, those of all others, and their sources."""
    chosen: Setting | None = getattr(best, "parameters", None)
    key = None if chosen is None else history.key(chosen)
    mine: list[list[Outcome]] = []
    others: list[list[Outcome]] = []
    for trial in history.trials.values():
        values = [trial.outcomes.get(metric) for metric in target.metrics]
        known = [one for one in values if one is not None and one.bound is Bound.EXACT]
        if trial.excluded or len(known) < len(values):
            continue
        (mine if history.key(trial.parameters) == key else others).append(known)
    sources = {
        one.source
        for run in mine or others
        for one in run
        if not isinstance(one, Prediction) and one.source
    }
    return mine, others, tuple(sorted(sources))


def _curves(compared: Sequence[Compared]) -> list[Curve]:
    """Values that share a name before `_at_`, at least two of them, in ascending order."""
    groups: dict[str, list[tuple[float, int]]] = {}
    for place, one in enumerate(compared):
        member = MEMBER.fullmatch(one.aim.metric)
        if member is not None:
            groups.setdefault(member[1], []).append((float(member[2]), place))
    made = []
    for name, members in groups.items():
        if len(members) < 2 or len({compared[place].unit for _, place in members}) > 1:
            continue
        x, places = zip(*sorted(members), strict=True)
        log = all(compared[place].aim.log for place in places) and min(x) > 0
        made.append(Curve(name, compared[places[0]].unit, x, places, log))
    return made


def _remeasured(record: Record, objective: Objective) -> Remeasured | None:
    repeats = confirmations(record.state, objective.metric)
    mean = Mean.of([outcome for _, outcome in repeats])
    best = record.state.recommendation
    if mean is None or best is None:
        return None
    first = min(trial.number for trial, _ in repeats)
    before = sum(number < first for number in record.state.history.trials)
    key = record.state.history.key(best.parameters)
    told = [  # repeats are asked for when all trials before them are over
        moment.recommendation
        for moment in record.moments
        if moment.recommendation is not None and moment.trials <= before
    ]
    fits = told and record.state.history.key(told[-1].parameters) == key
    return Remeasured(mean, told[-1].objectives.get(objective.metric) if fits else None)
