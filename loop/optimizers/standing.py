"""How a setting compares with the best one known, by a Gaussian process over the outcomes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from loop.optimizers.evidence import Evidence
from loop.optimizers.gaussian_model import GaussianModel
from loop.optimizers.gaussian_process import Posterior

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.records import Prediction, Trial
    from loop.history import History


@dataclass(frozen=True, slots=True)
class Comparison:
    """A setting against the best one.

    behind: by how many standard deviations of the difference it is believed to be worse, 0 for the
    best itself; best: the highest posterior mean, in the objective's unit; spread: what outcomes of
    one setting scatter by beyond their own errors; settings: how many there are to compare
    """

    behind: float
    best: float
    spread: float
    settings: int


def standing(
    campaign: Campaign, history: History, trial: Trial, prediction: Prediction
) -> Comparison:
    """Where the trial's setting stands once its prediction is believed.

    Raises CampaignError unless there is one scalar objective.
    """
    evidence = Evidence.of(campaign, history.believing(trial.number, prediction))
    settings = evidence.tried()
    prior, data = GaussianModel().learnt(campaign.space, evidence)
    belief = Posterior(prior, data, campaign.space.encode(settings))
    keys = [history.key(setting) for setting in settings]
    best, here = int(np.argmax(belief.mean)), keys.index(history.key(trial.parameters))
    gap = float(belief.mean[best] - belief.mean[here])
    doubt = math.hypot(float(belief.sd[best]), float(belief.sd[here])) or 1.0
    top = float(belief.mean[best]) * evidence.objective.sign
    return Comparison(gap / doubt, top, prior.spread_sd, len(settings))
