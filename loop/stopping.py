"""When to end a running trial early."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from campaigns.records import NOTHING, Prediction, Purpose, Trial

if TYPE_CHECKING:
    import numpy as np

    from campaigns.campaign import Campaign
    from loop.history import History


@dataclass(frozen=True, slots=True)
class Decision:
    """Stop (`stop`) or go on, why, and what was weighed (JSON)."""

    stop: bool
    reason: str
    weighed: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Stage:
    """What a prediction at a checkpoint is worth.

    at_cycle: the checkpoint; log_sd: cross-validated standard deviation of the natural log of life;
    life_log_sd: the same of the training lives, which is what is known without a prediction
    """

    at_cycle: int
    log_sd: float
    life_log_sd: float

    @property
    def log_variance(self) -> float:
        """Variance of what the cycles say of ln life, without what the training lives say anyway.

        A regression draws its predictions towards the mean of the training lives. Taken back, a
        normal prediction of variance s^2 about lives of variance t^2 is a measurement of variance
        1 / (1/s^2 - 1/t^2): infinite where the model has learnt nothing.
        """
        if not 0.0 < self.log_sd < self.life_log_sd:
            return math.inf if self.log_sd > 0.0 else 0.0
        return 1.0 / (self.log_sd**-2 - self.life_log_sd**-2)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a stopper may weigh beside the history: the checkpoints of the predictor, ascending, and
    how long a cycle of the trial has taken so far."""

    stages: tuple[Stage, ...]
    hours_per_cycle: float

    def ahead(self, at_cycle: int) -> tuple[Stage, ...]:
        """The checkpoints still to come."""
        return tuple(stage for stage in self.stages if stage.at_cycle > at_cycle)


class Stopper(Protocol):
    """A pure function: the same history prefix and generator state give the same decision."""

    @property
    def name(self) -> str: ...

    def decide(
        self,
        campaign: Campaign,
        history: History,
        trial: Trial,
        prediction: Prediction,
        outlook: Outlook,
        rng: np.random.Generator,
    ) -> Decision:
        """Whether to stop `trial`, which the model has just predicted."""
        ...


@dataclass(frozen=True, slots=True)
class FixedHorizon:
    """Stop at the campaign's `at_cycle`, except for the share `run_on` that runs to its end.

    Confirmation runs always go on: they are there to measure. The others that go on show the
    predictor's bias (in Attia et al. 2020 predictions ran 141 cycles above the measured lives).
    """

    name: str = "fixed_horizon"

    def decide(
        self,
        campaign: Campaign,
        history: History,
        trial: Trial,
        prediction: Prediction,
        outlook: Outlook,
        rng: np.random.Generator,
    ) -> Decision:
        weighed, spared = sparing(campaign, trial, prediction, rng)
        if spared:
            return Decision(False, spared, weighed)
        return Decision(True, f"predicted at cycle {prediction.at_cycle}", weighed)


def sparing(
    campaign: Campaign, trial: Trial, prediction: Prediction, rng: np.random.Generator
) -> tuple[dict[str, Any], str]:
    """What is drawn of a trial, and why it goes to its end whatever is predicted; "" where it need
    not. The same at every checkpoint of an attempt."""
    spec = campaign.early_prediction
    share = 0.0 if spec is None else spec.run_on
    drawn = float(rng.random())
    weighed = {"run_on": share, "drawn": drawn, "predicted": prediction.mean}
    if trial.purpose is Purpose.CONFIRM:
        return weighed, "a confirmation run goes to its end"
    if drawn < share:
        return weighed, f"one of the {share:.0%} that run to their end"
    return weighed, ""
