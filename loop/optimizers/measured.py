"""What was measured of every objective, setting by setting, and how well the means are known."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from loop.optimizers.front import non_dominated
from loop.optimizers.gaussian_process import Array

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.objective import OutcomeConstraint
    from campaigns.records import Outcome, Setting
    from loop.history import History, Key


@dataclass(frozen=True, eq=False)
class Measured:
    """The settings of which every objective is known: s of them, m objectives.

    settings: first measured first, without those that count as infeasible; latest: the latest
    trial of each that told of an objective (s); means: of a setting's repeats, in the objectives'
    units (s x m); sds: standard errors of these means (s x m); utility: the objectives, all to be
    maximised (s x m); excess: by how much the means break the outcome constraints, in standard
    deviations of each metric over the settings, summed (s,).
    """

    settings: tuple[Setting, ...]
    latest: tuple[int, ...]
    means: Array
    sds: Array
    utility: Array
    excess: Array

    @classmethod
    def of(cls, campaign: Campaign, history: History) -> Measured:
        """What is known now; censored outcomes and excluded trials teach nothing."""
        series = [_Series.of(history, objective.metric) for objective in campaign.objectives]
        keys = [key for key in series[0].values if all(key in one.values for one in series)]
        keys = [key for key in keys if not history.infeasible(series[0].settings[key])]
        means = np.array([[one.mean(key) for one in series] for key in keys]).reshape(
            -1, len(series)
        )
        sds = np.array([one.sds(keys) for one in series]).T.reshape(means.shape)
        columns = [
            objective.sign * means[:, i]
            if objective.point is None
            else -np.abs(means[:, i] - objective.point)
            for i, objective in enumerate(campaign.objectives)
        ]
        return cls(
            settings=tuple(series[0].settings[key] for key in keys),
            latest=tuple(max(one.latest[key] for one in series) for key in keys),
            means=means,
            sds=sds,
            utility=np.stack(columns, axis=1),
            excess=_excess(campaign.constraints, history, keys),
        )

    def front(self) -> list[int]:
        """Places of the settings that break the outcome constraints least and that none of those
        dominates; of no setting none."""
        if not self.settings:
            return []
        allowed = np.flatnonzero(self.excess <= self.excess.min())
        front: list[int] = allowed[non_dominated(self.utility[allowed])].tolist()
        return front


@dataclass(frozen=True)
class _Series:
    """The exact outcomes of one metric, by setting."""

    settings: dict[Key, Setting]
    latest: dict[Key, int]
    values: dict[Key, list[float]]
    sems: dict[Key, list[float | None]]

    @classmethod
    def of(cls, history: History, metric: str) -> _Series:
        found: list[tuple[Key, Outcome]] = []
        settings: dict[Key, Setting] = {}
        latest: dict[Key, int] = {}
        for trial, outcome in history.outcomes(metric):
            key = history.key(trial.parameters)
            found.append((key, outcome))
            settings[key], latest[key] = trial.parameters, trial.number
        values, sems = defaultdict(list), defaultdict(list)
        for key, outcome in found:
            values[key].append(outcome.mean)
            sems[key].append(outcome.sem)
        return cls(settings, latest, dict(values), dict(sems))

    def mean(self, key: Key) -> float:
        return math.fsum(self.values[key]) / len(self.values[key])

    def sds(self, keys: Iterable[Key]) -> list[float]:
        """Standard errors of the mean outcomes: from the stated ones; where one is missing, from
        what repeats scatter by, and without repeats from what all outcomes differ by (wide, on the
        safe side)."""
        spread = self._spread()
        return [self._sd(key, spread) for key in keys]

    def _sd(self, key: Key, spread: float) -> float:
        stated = [sem for sem in self.sems[key] if sem is not None]
        count = len(self.values[key])
        if len(stated) == count:
            return math.hypot(*stated) / count
        return spread / math.sqrt(count)

    def _spread(self) -> float:
        """Standard deviation of one outcome."""
        squares = [(y - self.mean(key)) ** 2 for key, ys in self.values.items() for y in ys]
        repeats = len(squares) - len(self.values)
        if repeats:
            return math.sqrt(math.fsum(squares) / repeats)
        return float(np.std([y for ys in self.values.values() for y in ys])) if squares else 0.0


def _excess(constraints: Iterable[OutcomeConstraint], history: History, keys: list[Key]) -> Array:
    """Summed violation of each setting (s,); a metric not measured there breaks nothing."""
    total = np.zeros(len(keys))
    for constraint in constraints:
        series = _Series.of(history, constraint.metric)
        means = {key: series.mean(key) for key in series.values}
        scale = float(np.std(list(means.values()))) if means else 0.0
        low = -math.inf if constraint.at_least is None else constraint.at_least
        high = math.inf if constraint.at_most is None else constraint.at_most
        for place, key in enumerate(keys):
            if key in means:
                over = max(0.0, low - means[key], means[key] - high)
                total[place] += over / (scale or 1.0)
    return total
