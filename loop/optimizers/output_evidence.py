"""What the outcomes of a campaign say of the outputs behind its objective, trial by trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from campaigns.objective import Objective
from campaigns.records import Bound, Setting, Trial
from loop.optimizers.evidence import single_objective, violating
from surrogates.outputs import Array, OutputData

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from loop.history import History, Key


@dataclass(frozen=True)
class Score:
    """What makes outputs good: their loss, smaller being better.

    Towards a target curve the k outputs are its residuals z and the loss is sqrt(sum w z^2); any
    other objective is one output, the metric turned so that less is better, and its own loss.
    """

    objective: Objective

    @property
    def metrics(self) -> tuple[str, ...]:
        """The measured quantities, one an output."""
        curve = self.objective.curve
        return (self.objective.metric,) if curve is None else curve.metrics

    def outputs(self, trial: Trial) -> tuple[list[float], list[float]] | None:
        """The outputs of a trial and their squared standard errors; None where one is missing."""
        seen = [trial.outcomes.get(metric) for metric in self.metrics]
        known = [one for one in seen if one is not None and one.bound is Bound.EXACT]
        if len(known) < len(seen):
            return None
        sems = [np.nan if one.sem is None else one.sem for one in known]
        curve = self.objective.curve
        if curve is None:
            return [-self.objective.sign * known[0].mean], [sems[0] ** 2]
        values = [aim.residual(one.mean) for aim, one in zip(curve.aims, known, strict=True)]
        spreads = [
            aim.spread(one.mean, sem) for aim, one, sem in zip(curve.aims, known, sems, strict=True)
        ]
        return values, [spread**2 for spread in spreads]

    def loss(self, outputs: Array, noise: Array | None = None) -> Array:
        """Loss of outputs (... x k -> ...); with the standard deviation of their `noise` (k, or
        like the outputs) the loss to be expected, to second order in the noise."""
        if self.objective.curve is None:
            return np.asarray(outputs[..., 0])
        weights = np.array([aim.weight for aim in self.objective.curve.aims])
        squares = outputs**2 if noise is None else outputs**2 + noise**2
        return np.asarray(np.sqrt(squares @ weights))

    def scatter(self, noise: Array) -> float:
        """What the noise of one measurement (k,) makes of the loss at its best."""
        return float(noise[0] if self.objective.curve is None else self.loss(0.0 * noise, noise))

    def value(self, loss: float) -> float:
        """A loss as a value of the campaign's objective."""
        return loss if self.objective.curve is not None else -self.objective.sign * loss


@dataclass(frozen=True)
class OutputEvidence:
    """The outputs of all trials that have them; n trials, k outputs.

    settings: of the n trials; numbers: theirs; data: what a surrogate learns from; failed: where
    trials came to nothing, in the unit cube (f x d); barred: settings that a measured outcome
    constraint rules out.
    """

    score: Score
    settings: tuple[Setting, ...]
    numbers: tuple[int, ...]
    data: OutputData
    failed: Array
    barred: frozenset[Key]

    @classmethod
    def of(cls, campaign: Campaign, history: History) -> OutputEvidence:
        """What is known now. Raises CampaignError unless there is one objective to be made small
        or large."""
        score = Score(single_objective(campaign))
        told: list[tuple[Trial, tuple[list[float], list[float]]]] = []
        failed: list[Setting] = []
        for trial in history.trials.values():
            outputs = None if trial.excluded else score.outputs(trial)
            if outputs is not None:
                told.append((trial, outputs))
            elif trial.failure is not None and trial.state.terminal and not trial.excluded:
                failed.append(trial.parameters)
        k = len(score.metrics)
        settings = tuple(trial.parameters for trial, _ in told)
        return cls(
            score=score,
            settings=settings,
            numbers=tuple(trial.number for trial, _ in told),
            data=OutputData(
                campaign.space.encode(settings),
                np.array([y for _, (y, _) in told]).reshape(-1, k),
                np.array([v for _, (_, v) in told]).reshape(-1, k),
            ),
            failed=campaign.space.encode(failed),
            barred=violating(campaign, history),
        )

    def hopeful(self, x: Array) -> Array:
        """Which settings (m x d) lie nearer to one that gave outputs than to one that failed."""
        if not len(self.failed) or not len(self.data.x):
            return np.ones(len(x), dtype=bool)
        return np.asarray(_nearest(x, self.data.x) <= _nearest(x, self.failed))


def _nearest(x: Array, others: Array) -> Array:
    """Squared distance of each row of x (m x d) to the nearest of the others (n x d)."""
    total = np.zeros((len(x), len(others)))
    for column in range(x.shape[1]):
        total += (x[:, column, None] - others[None, :, column]) ** 2
    return np.asarray(total.min(axis=1))
