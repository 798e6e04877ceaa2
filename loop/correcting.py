"""Taking the bias off predictions, as cells that were predicted reach their end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from campaigns.campaign import EarlyPredictionSpec
from campaigns.records import Observation, Prediction, Trial
from loop.history import History
from surrogates.online_bias import OnlineBias

# Before any cell has shown it: predictors trained on other protocols were 141 cycles off in lives
# of about 900 (Attia et al. 2020).
BIAS_SD_ELSEWHERE = 0.15
SHORTEST = 1.0  # cycles: an interval of the log of life ends at one cycle


def bias_sd(spec: EarlyPredictionSpec) -> float:
    """What the mean error of the natural log of life may be before a cell has shown it.

    0: predictions stand as they are made. So it is by default where the campaign makes its training
    cells itself, of the very settings that it searches.
    """
    if spec.bias_sd is not None:
        return float(spec.bias_sd)
    return 0.0 if spec.training.simulate else BIAS_SD_ELSEWHERE


@dataclass
class Correction:
    """What measured cells say of a predictor's bias, checkpoint by checkpoint.

    A value of one moment: each checkpoint is looked up in the history once, however often asked.
    """

    history: History
    metric: str
    prior_sd: float
    _known: dict[int, OnlineBias] = field(default_factory=dict)

    @property
    def measured(self) -> frozenset[int]:
        """The trials that were predicted and have reached their end."""
        measured = _measured(self.history, self.metric)
        return frozenset(trial.number for trial, _ in measured if trial.predictions)

    def bias(self, at_cycle: int) -> OnlineBias:
        """The bias of predictions made at a checkpoint."""
        if at_cycle not in self._known:
            errors = list(_errors(self.history, self.metric, at_cycle))
            self._known[at_cycle] = OnlineBias.of(
                [e for e, _ in errors], [s for _, s in errors], self.prior_sd
            )
        return self._known[at_cycle]

    def of(self, prediction: Prediction) -> Prediction:
        """The prediction without the bias, its interval as wide as what is known of that."""
        said = prediction.uncorrected
        if self.prior_sd == 0.0 or said.mean <= 0.0 or said.sem <= 0.0:
            return prediction
        bias, log_sd = self.bias(prediction.at_cycle), said.sem / said.mean
        mean, sd = said.mean * math.exp(bias.shift), bias.spread(log_sd)
        return replace(
            prediction,
            mean=mean,
            sem=mean * sd,
            lower=mean * (max(said.lower, SHORTEST) / said.mean) ** (sd / log_sd),
            upper=mean * (said.upper / said.mean) ** (sd / log_sd),
            raw=said,
        )


def standing_predictions(history: History, metric: str) -> Iterator[tuple[int, Prediction]]:
    """The trials that a prediction stands in for now, with it."""
    for trial in history.trials.values():
        outcome = trial.outcomes.get(metric)
        if isinstance(outcome, Prediction):
            yield trial.number, outcome


def _errors(history: History, metric: str, at_cycle: int) -> Iterator[tuple[float, float]]:
    """Log of measured over predicted life at a checkpoint, and the model's own doubt of it."""
    for trial, life in _measured(history, metric):
        said = trial.predictions.get(at_cycle)
        if said is None:
            continue
        told = said.uncorrected
        if told.mean > 0.0 and told.sem > 0.0:
            yield math.log(life / told.mean), told.sem / told.mean


def _measured(history: History, metric: str) -> Iterator[tuple[Trial, float]]:
    """The trials that reached their end, with their lives."""
    for trial, outcome in history.outcomes(metric):
        if isinstance(outcome, Observation) and outcome.mean > 0.0:
            yield trial, outcome.mean
