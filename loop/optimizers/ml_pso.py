"""A particle swarm and a surrogate of the outputs, proposing side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from campaigns.options import build
from campaigns.records import Estimate, Proposal, Purpose, Recommendation, Setting
from loop.optimizers.base import Exhausted, NothingToRecommend
from loop.optimizers.candidates import Answer, fill
from loop.optimizers.output_evidence import OutputEvidence
from loop.optimizers.output_search import SURROGATE, OutputSearch
from loop.optimizers.pso import ParticleSwarm
from loop.optimizers.recommending import best_observed
from loop.optimizers.sobol import spread
from surrogates.outputs import Array, OutputModel, OutputSurrogate, create

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from loop.history import History

SWARM = "swarm"  # on a trial's meta, like SURROGATE
BELIEFS = 512  # functions drawn to tell how sure a recommendation is
WORTH_A_CHANGE = 0.1  # of a measurement's noise: what a new winner must promise over a repeated one
SALT = 0x0C5  # keeps a recommendation's generator apart from all others


@dataclass(frozen=True)
class MachineLearningSwarm:
    """ML-driven particle swarm optimisation, after Lombardo et al. 2020.

    Of every iteration's trials a share is the swarm's and the rest a surrogate's, which models the
    measured outputs and not the scalar loss: outputs are smooth where the loss has a kink. All
    results train the surrogate, and the best of all draws the swarm. The surrogate proposes what
    it expects to be best, and the best settings of functions drawn from it (Thompson sampling);
    until it has enough data its trials fill the space. Towards a target file the outputs are the
    target's values; any other objective is one output.

    Attributes:
        surrogate: "gp", Gaussian processes, or "neural", an ensemble of small neural networks.
        surrogate_options: of that surrogate.
        swarm: options of the swarm, those of `pso`; `particles` is 4 unless given.
        swarm_share: part of the trials that is the swarm's.
        initial: outcomes needed before the surrogate is asked; by default one more than there are
            dimensions.
        candidates: settings looked at for each call.
    """

    surrogate: Literal["gp", "neural"] = "gp"
    surrogate_options: Mapping[str, Any] = field(default_factory=dict)
    swarm: Mapping[str, Any] = field(default_factory=dict)
    swarm_share: float = 0.5
    initial: int | None = None
    candidates: int = 2048

    def __post_init__(self) -> None:
        if not 0.0 <= self.swarm_share <= 1.0:
            raise ValueError(f"swarm_share: must lie in 0 to 1, not {self.swarm_share:g}")
        if self.initial is not None and self.initial < 2:
            raise ValueError(f"initial: must be at least 2, not {self.initial}")
        if self.candidates < 1:
            raise ValueError(f"candidates: must be at least 1, not {self.candidates}")
        _ = self._swarm, self._model  # wrong options are told now

    @cached_property
    def _swarm(self) -> ParticleSwarm:
        options = {"particles": 4, **self.swarm}
        return build(ParticleSwarm, options, "optimizer.options.swarm")

    @cached_property
    def _model(self) -> OutputSurrogate:
        return create(self.surrogate, self.surrogate_options, "optimizer.options.surrogate")

    def propose(
        self, campaign: Campaign, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """The swarm's moves, then the surrogate's picks; see `Optimizer.propose`.

        Raises CampaignError unless the campaign has one objective.
        """
        evidence = OutputEvidence.of(campaign, history)
        answer = Answer(campaign, history, n)
        for proposal in self._moves(campaign, history, n, rng):
            answer.take(proposal.parameters, {**proposal.meta, "by": SWARM})
        if len(evidence.settings) < self._needed(campaign):
            spread(answer, campaign, history, answer.missing)
            _mark(answer)
        elif answer.missing:
            self._pick(campaign, evidence, answer, rng)
        if answer.missing:  # rules that hardly a point meets, or a space that is almost used up
            fill(answer, campaign.space, lambda: campaign.space.sample(1, rng)[0])
        return answer.complete(campaign.space)

    def recommend(self, campaign: Campaign, history: History) -> Recommendation:
        """The setting of which a fresh measurement promises the least loss, by the surrogate.

        The estimate is that loss, a measurement's own noise included. Raises NothingToRecommend.
        """
        evidence = OutputEvidence.of(campaign, history)
        if not evidence.settings:
            raise NothingToRecommend(f"no trial has given {', '.join(evidence.score.metrics)} yet")
        if len(evidence.settings) < 2:
            return best_observed(campaign, history)
        rng = np.random.default_rng([campaign.seed, SALT])
        model = self._model.fit(evidence.data, rng)
        found = _tried(history, evidence)
        if not found:
            raise NothingToRecommend("no setting with an outcome meets the outcome constraints")
        if campaign.recommend.among == "space":
            search = OutputSearch(campaign.space, evidence, model, self.candidates, rng)
            best = search.best()
            if best is not None and not history.infeasible(best):
                found.append(best)
        return _recommended(campaign, history, evidence, model, found)

    def _needed(self, campaign: Campaign) -> int:
        return self.initial or max(2, campaign.space.dimension + 1)

    def _moves(
        self, campaign: Campaign, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """The swarm's share of n trials, so that it keeps its part of all trials."""
        mine = [
            trial.meta.get("by")
            for trial in history.trials.values()
            if trial.author == campaign.optimizer.kind and trial.purpose is Purpose.SEARCH
        ]
        share = round(self.swarm_share * (len(mine) + n)) - mine.count(SWARM)
        count = min(n, max(0, share))
        if not count:
            return []
        try:
            return self._swarm.propose(campaign, history, count, rng)
        except Exhausted as error:
            return list(error.partial)

    def _pick(
        self,
        campaign: Campaign,
        evidence: OutputEvidence,
        answer: Answer,
        rng: np.random.Generator,
    ) -> None:
        """Fill the answer with the surrogate's picks: the best one by its mean, then draws."""
        model = self._model.fit(evidence.data, rng)
        search = OutputSearch(campaign.space, evidence, model, self.candidates, rng)
        search.best_into(answer)
        search.draw_into(answer, answer.missing)


def _mark(answer: Answer) -> None:
    """Name the surrogate as what chose the proposals that are not the swarm's."""
    for i, proposal in enumerate(answer.proposals):
        if "by" not in proposal.meta:
            answer.proposals[i] = replace(proposal, meta={**proposal.meta, "by": SURROGATE})


def _tried(history: History, evidence: OutputEvidence) -> list[Setting]:
    """Settings with outcomes that nothing rules out, each once, the first measured first."""
    distinct = {history.key(setting): setting for setting in evidence.settings}
    return [
        setting
        for key, setting in distinct.items()
        if key not in evidence.barred and not history.infeasible(setting)
    ]


def _settled(
    history: History, found: Sequence[Setting], losses: Array, worth_a_change: float
) -> int:
    """The place of the least loss, or that of a repeated winner which is hardly worse.

    Every repeat moves the model's best point by a hair. Without this, each hair would be a new
    winner to be repeated.
    """
    best = int(np.argmin(losses))
    repeated = {
        history.key(trial.parameters)
        for trial in history.trials.values()
        if trial.purpose is Purpose.CONFIRM and trial.outcomes
    }
    near = [
        i
        for i, setting in enumerate(found)
        if history.key(setting) in repeated and losses[i] <= losses[best] + worth_a_change
    ]
    return min(near, key=lambda i: float(losses[i]), default=best)


def _recommended(
    campaign: Campaign,
    history: History,
    evidence: OutputEvidence,
    model: OutputModel,
    found: list[Setting],
) -> Recommendation:
    """The best of the settings, with the interval of the loss that its outputs allow."""
    score, noise = evidence.score, model.noise()
    mean, sd = model.moments(campaign.space.encode(found))
    losses = score.loss(mean, np.hypot(sd, noise))
    best = _settled(history, found, losses, WORTH_A_CHANGE * score.scatter(noise))
    rng = np.random.default_rng([campaign.seed, SALT, 1])
    outputs = mean[best] + sd[best] * rng.standard_normal((BELIEFS, len(noise)))
    values = np.array([score.value(float(loss)) for loss in score.loss(outputs, noise)])
    level = campaign.recommend.level
    lower, upper = np.quantile(values, [0.5 - level / 2.0, 0.5 + level / 2.0])
    estimate = Estimate(
        float(values.mean()), float(lower), float(upper), level, score.objective.unit
    )
    numbers = {
        history.key(setting): number
        for setting, number in zip(evidence.settings, evidence.numbers, strict=True)
    }
    return Recommendation(
        parameters=dict(found[best]),
        objectives={score.objective.metric: estimate},
        trial=numbers.get(history.key(found[best])),
    )
