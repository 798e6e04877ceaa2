"""Space-filling search: scrambled Sobol points, continued from one proposal to the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from campaigns.records import Proposal, Recommendation, Setting
from loop.optimizers.candidates import MOST_DRAWS, Answer, fill
from loop.optimizers.gaussian_model import GaussianModel
from loop.optimizers.recommending import best_observed, by_posterior_mean
from loop.optimizers.recommending_front import observed_front

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.space import Space
    from loop.history import History

POINT = "sobol_point"  # on a trial's meta: the number of its point in the sequence
SCRAMBLE = 0x50B01  # keeps the scrambling apart from other uses of the campaign's seed
BLOCK = 64  # points computed at once; a power of two keeps their balance


@dataclass(frozen=True)
class Sobol:
    """One scrambled Sobol sequence a campaign (Owen 1998), scrambled by the campaign's seed.

    Each trial remembers its point on its `meta`, so that the next call goes on behind it. In a
    finite space a point stands for the nearest candidate that may still be asked for; elsewhere
    points that break a rule are passed over, sums being repaired first.

    recommend_by: "posterior_mean" of a Gaussian process with its defaults, or "best_observed".
    """

    recommend_by: Literal["posterior_mean", "best_observed"] = "posterior_mean"

    def propose(
        self, campaign: Campaign, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """The next n points; see `loop.optimizers.base.Optimizer`."""
        space = campaign.space
        answer = Answer(campaign, history, n)
        spread(answer, campaign, history, n)
        if answer.missing and not space.finite:  # rules that hardly a point meets
            fill(answer, space, lambda: space.sample(1, rng)[0])
        return answer.complete(space)

    def recommend(self, campaign: Campaign, history: History) -> Recommendation:
        """The best setting, or the measured front of several objectives; see
        `loop.optimizers.base.Optimizer`."""
        if len(campaign.objectives) > 1:
            return observed_front(campaign, history)
        if self.recommend_by == "best_observed":
            return best_observed(campaign, history)
        return by_posterior_mean(campaign, history, GaussianModel())


def spread(answer: Answer, campaign: Campaign, history: History, count: int) -> None:
    """Add up to `count` settings that go on filling the space evenly."""
    space = campaign.space
    points = _points(space.dimension, campaign.seed, _behind(history))
    if space.finite:
        _take_nearest(answer, space, points, count)
    else:
        _take_feasible(answer, space, points, count)


def _behind(history: History) -> int:
    """The number of the first point that no trial stands for."""
    for number in range(history.next_number - 1, 0, -1):
        trial = history.trials.get(number)
        if trial is not None and POINT in trial.meta:
            return int(trial.meta[POINT]) + 1
    return 0


def _points(dimension: int, seed: int, first: int) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    """Points of the sequence with their numbers, from number `first` on."""
    from scipy.stats.qmc import Sobol as Sequence

    rng = np.random.default_rng([seed, SCRAMBLE])
    sequence = Sequence(dimension, scramble=True, rng=rng)
    block = first // BLOCK * BLOCK
    if block:
        sequence.fast_forward(block)
    while True:
        for offset, point in enumerate(sequence.random(BLOCK)):
            if block + offset >= first:
                yield block + offset, point
        block += BLOCK


def _take_nearest(
    answer: Answer, space: Space, points: Iterator[tuple[int, np.ndarray[Any, Any]]], count: int
) -> None:
    until = max(0, answer.missing - count)
    grid = space.encode(space.candidates)
    left = np.array([answer.allows(setting) for setting in space.candidates])
    while answer.missing > until and left.any():
        number, point = next(points)
        distance = np.where(left, ((grid - point) ** 2).sum(axis=1), np.inf)
        place = int(np.argmin(distance))
        answer.take(space.candidates[place], {POINT: number})
        left[place] = False
        if not left.any():  # once through: a second time where replicates allow it
            left = np.array([answer.allows(setting) for setting in space.candidates])


def _take_feasible(
    answer: Answer, space: Space, points: Iterator[tuple[int, np.ndarray[Any, Any]]], count: int
) -> None:
    until = max(0, answer.missing - count)
    misses = 0
    while answer.missing > until and misses < MOST_DRAWS:
        number, point = next(points)
        setting: Setting = space.landed(point[None, :])[0]
        if space.feasible(setting) and answer.allows(setting):
            answer.take(setting, {POINT: number})
            misses = 0
        else:
            misses += 1
