"""What `bo` believes best: the highest posterior mean, or the trade-offs of several objectives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from campaigns.records import Estimate, Recommendation
from loop.optimizers.base import NothingToRecommend
from loop.optimizers.bo_data import (
    Array,
    Evidence,
    encoded,
    gather,
    outcomes_known,
    with_failures,
)
from loop.optimizers.front import knee, non_dominated, scaled

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.records import Setting
    from loop.history import History
    from loop.optimizers.bo_search import Search

LONGEST_FRONT = 50  # settings of a front over the whole space; fronts of tried ones are complete
ROUNDS = 8  # of variation, where the whole space is searched


class Believer(Protocol):
    """A fitted model of every series of its evidence."""

    @property
    def evidence(self) -> Evidence:
        """What it was fitted to."""

    def moments(self, x: Array) -> tuple[Array, Array]:
        """Means and standard deviations of the noise-free metrics (n x m, standardised) at settings
        in the unit cube (n x d)."""


def recommend(
    campaign: Campaign,
    history: History,
    *,
    noise: Literal["observed", "inferred"],
    pool: int,
    parents: int,
) -> Recommendation:
    """Fit the model to the history and recommend from it.

    Settings believed to meet the outcome constraints come before all others; where none is, the
    one that breaks them least is recommended. With several objectives `front` holds the settings
    that no other one dominates, by posterior means, and `parameters` is its knee: the setting
    nearest to the best of every objective, each objective scaled by its range over the front.
    Raises NothingToRecommend until every objective has an exact outcome.
    """
    from loop.optimizers.bo_censored import with_bounds
    from loop.optimizers.bo_model import fit
    from surrogates.fence import fenced

    if outcomes_known(campaign, history) == 0:
        raise NothingToRecommend("an objective has no measured or predicted value yet")
    rng = np.random.default_rng([campaign.seed, history.seen, 1])
    with fenced(int(rng.integers(2**63))):
        evidence = with_bounds(gather(campaign, history, noise), campaign, history)
        model = fit(with_failures(evidence, campaign, history))
        return by_model(model, campaign, history, rng, pool, parents)


def by_model(
    model: Believer,
    campaign: Campaign,
    history: History,
    rng: np.random.Generator,
    pool: int,
    parents: int,
) -> Recommendation:
    """What a fitted model recommends; see `recommend`. A model of torch: inside `fenced` only."""
    desk = _Desk(campaign, history, model)
    settings = _measured(campaign, history)
    if campaign.recommend.among == "space":
        settings = _across_space(desk, settings, rng, pool, parents)
    return desk.choose(settings)


def ranked(model: Believer, campaign: Campaign, history: History) -> list[Setting]:
    """The measured settings, best first: by constraints, then by the sum of the objectives."""
    settings = _measured(campaign, history)
    means, _ = model.moments(encoded(campaign, settings))
    utility, excess = model.evidence.utility(means), model.evidence.excess(means)
    order = np.lexsort((-utility.sum(axis=1), excess))
    return [settings[i] for i in order.tolist()]


def _measured(campaign: Campaign, history: History) -> list[Setting]:
    """Each setting of which an objective is known, or a bound on it, once; without those that count
    as infeasible."""
    found = {
        history.key(trial.parameters): trial.parameters
        for objective in campaign.objectives
        for trial, _ in history.outcomes(objective.metric, exact=False)
    }
    possible = [setting for setting in found.values() if not history.infeasible(setting)]
    return possible or list(found.values())


@dataclass(frozen=True)
class _Desk:
    """A fitted model with what it takes to turn its numbers into a recommendation."""

    campaign: Campaign
    history: History
    model: Believer

    def choose(self, settings: Sequence[Setting]) -> Recommendation:
        means, sds = self.model.moments(encoded(self.campaign, settings))
        front = self.front(means)
        best = front[knee(self.model.evidence.utility(means)[front])]
        several = len(self.campaign.objectives) > 1
        return Recommendation(
            parameters=dict(settings[best]),
            objectives=self._estimates(means[best], sds[best]),
            front=tuple(
                (dict(settings[i]), self._estimates(means[i], sds[i])) for i in front if several
            ),
            trial=self._trial(settings[best]),
        )

    def front(self, means: Array) -> list[int]:
        """Rows (n x m, standardised) that meet the constraints best and that none dominates."""
        excess = self.model.evidence.excess(means)
        allowed = np.flatnonzero(excess <= excess.min())
        kept = non_dominated(self.model.evidence.utility(means)[allowed])
        front: list[int] = allowed[kept].tolist()
        return front

    def score(self, x: Array) -> Array:
        """The single objective at x, constraints first: below every setting that meets them."""
        means, _ = self.model.moments(x)
        excess = self.model.evidence.excess(means)
        return np.where(excess <= 0, self.model.evidence.utility(means)[:, 0], -1e6 - excess)

    def _estimates(self, means: Array, sds: Array) -> dict[str, Estimate]:
        from statistics import NormalDist

        level = self.campaign.recommend.level
        z = NormalDist().inv_cdf(0.5 + level / 2)
        estimates = {}
        for index, objective in self.model.evidence.objectives:
            series = self.model.evidence.series[index]
            mean = series.offset + series.scale * float(means[index])
            half = z * series.scale * float(sds[index])
            estimates[objective.metric] = Estimate(
                mean, mean - half, mean + half, level, objective.unit
            )
        return estimates

    def _trial(self, setting: Setting) -> int | None:
        key = self.history.key(setting)
        metric = self.campaign.objectives[0].metric
        exact, told = self.history.outcomes(metric), self.history.outcomes(metric, exact=False)
        for trial, _ in [*exact, *told]:
            if self.history.key(trial.parameters) == key:
                return trial.number
        return None


def _across_space(
    desk: _Desk, measured: list[Setting], rng: np.random.Generator, pool: int, parents: int
) -> list[Setting]:
    """Settings to choose among when any of the space will do, measured or not."""
    from loop.optimizers.bo_openings import Candidates, listing
    from loop.optimizers.bo_search import Search, widened

    listed = listing(desk.campaign.space)
    if listed is not None:
        return [setting for setting in listed if not desk.history.infeasible(setting)]
    search = Search(Candidates(desk.campaign, desk.history), rng, parents, ROUNDS)
    anchors = ranked(desk.model, desk.campaign, desk.history)[:parents]
    settings = widened(search, anchors, pool)
    if len(desk.campaign.objectives) == 1:
        best = search.best(settings, desk.score)
        return measured if best is None else [best]
    return _front_across(desk, search, settings)


def _front_across(desk: _Desk, search: Search, settings: list[Setting]) -> list[Setting]:
    from loop.optimizers.bo_search import FIRST_STEP, SHRINK

    for depth in range(ROUNDS // 2):
        x = encoded(desk.campaign, settings)
        means, _ = desk.model.moments(x)
        front = _thinned(desk, means)
        children = search.varied(x[front], FIRST_STEP * SHRINK**depth)
        settings = [settings[i] for i in front] + children
    means, _ = desk.model.moments(encoded(desk.campaign, settings))
    return [settings[i] for i in _thinned(desk, means)]


def _thinned(desk: _Desk, means: Array) -> list[int]:
    """The front, thinned to LONGEST_FRONT rows that lie far from each other in the objectives."""
    front = desk.front(means)
    points = scaled(desk.model.evidence.utility(means)[front])
    kept = [int(points[:, 0].argmax())]
    distance = ((points - points[kept[0]]) ** 2).sum(axis=1)
    while len(kept) < min(LONGEST_FRONT, len(front)):
        kept.append(int(distance.argmax()))
        distance = np.minimum(distance, ((points - points[kept[-1]]) ** 2).sum(axis=1))
    return [front[i] for i in sorted(set(kept))]
