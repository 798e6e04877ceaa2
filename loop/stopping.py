"""When to end a running trial early."""

from __future__ import annotations

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
        rng: np.random.Generator,
    ) -> Decision:
        spec = campaign.early_prediction
        share = 0.0 if spec is None else spec.run_on
        drawn = float(rng.random())
        weighed = {"run_on": share, "drawn": drawn, "predicted": prediction.mean}
        if trial.purpose is Purpose.CONFIRM:
            return Decision(False, "a confirmation run goes to its end", weighed)
        if drawn < share:
            return Decision(False, f"one of the {share:.0%} that run to their end", weighed)
        return Decision(True, f"predicted at cycle {prediction.at_cycle}", weighed)
