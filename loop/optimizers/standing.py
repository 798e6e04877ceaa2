"""How a setting compares with the best one known, by a Gaussian process over the outcomes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from loop.optimizers.evidence import single_objective
from loop.optimizers.gaussian_model import GaussianModel
from loop.optimizers.gaussian_process import Data, Posterior

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.records import Prediction, Setting, Trial
    from loop.history import History, Key


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
    objective = single_objective(campaign)
    found = [
        (other.parameters, outcome.mean, outcome.sem)
        for other, outcome in history.outcomes(objective.metric)
        if other.number != trial.number
    ]
    found.append((trial.parameters, prediction.mean, prediction.sem))
    places: dict[Key, int] = {}
    settings: list[Setting] = []
    for setting, _, _ in found:
        if history.key(setting) not in places:
            places[history.key(setting)] = len(settings)
            settings.append(setting)
    data = Data(
        campaign.space.encode(settings),
        np.array([places[history.key(setting)] for setting, _, _ in found], dtype=np.intp),
        np.array([mean for _, mean, _ in found], dtype=np.float64) * objective.sign,
        np.array([np.nan if sem is None else sem for _, _, sem in found], dtype=np.float64),
    )
    prior = GaussianModel().prior(data, objective.sign)
    belief = Posterior(prior, data, data.points)
    best, here = int(np.argmax(belief.mean)), places[history.key(trial.parameters)]
    gap = float(belief.mean[best] - belief.mean[here])
    doubt = math.hypot(float(belief.sd[best]), float(belief.sd[here])) or 1.0
    top = float(belief.mean[best]) * objective.sign
    return Comparison(gap / doubt, top, prior.spread_sd, len(settings))
