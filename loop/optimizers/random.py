"""Random search: settings drawn uniformly, the best observed one recommended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from campaigns.records import Proposal, Recommendation, Setting
from loop.optimizers.candidates import Answer, fill
from loop.optimizers.gaussian_model import GaussianModel
from loop.optimizers.recommending import best_observed, by_posterior_mean
from loop.optimizers.recommending_front import observed_front

if TYPE_CHECKING:
    import numpy as np

    from campaigns.campaign import Campaign
    from campaigns.space import Space
    from loop.history import History

BLOCK = 16  # settings sampled at once from an endless space


@dataclass(frozen=True)
class RandomSearch:
    """Uniform draws from the feasible settings; the yardstick for the others.

    recommend_by: "best_observed", or "posterior_mean" of a Gaussian process with its defaults.
    """

    recommend_by: Literal["best_observed", "posterior_mean"] = "best_observed"

    def propose(
        self, campaign: Campaign, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """n random settings, at O(1) each; see `loop.optimizers.base.Optimizer`."""
        answer = Answer(campaign, history, n)
        fill(answer, campaign.space, _Draws(campaign.space, rng).next)
        return answer.complete(campaign.space)

    def recommend(self, campaign: Campaign, history: History) -> Recommendation:
        """The best setting, or the measured front of several objectives; see
        `loop.optimizers.base.Optimizer`."""
        if len(campaign.objectives) > 1:
            return observed_front(campaign, history)
        if self.recommend_by == "best_observed":
            return best_observed(campaign, history)
        return by_posterior_mean(campaign, history, GaussianModel())


class _Draws:
    """Uniform feasible settings, one by one."""

    def __init__(self, space: Space, rng: np.random.Generator) -> None:
        self._space, self._rng = space, rng
        self._ready: list[Setting] = []

    def next(self) -> Setting:
        if self._space.finite:
            listed = self._space.candidates
            return listed[int(self._rng.integers(len(listed)))]
        if not self._ready:
            self._ready = self._space.sample(BLOCK, self._rng)
        return self._ready.pop()
