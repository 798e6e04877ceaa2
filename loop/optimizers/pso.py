"""Particle swarm optimisation on pyswarms operators, asynchronous and pure in the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from campaigns.records import Proposal, Recommendation
from loop.optimizers.candidates import Answer
from loop.optimizers.gaussian_model import GaussianModel
from loop.optimizers.recommending import best_observed, by_posterior_mean
from loop.optimizers.sobol import spread
from loop.optimizers.swarm import LearnFrom, Particle, Swarm, meta
from loop.optimizers.swarm_landing import Landing
from loop.optimizers.swarm_motion import Motion

if TYPE_CHECKING:
    import numpy as np

    from campaigns.campaign import Campaign
    from loop.history import History
    from loop.optimizers.gaussian_process import Array


@dataclass(frozen=True)
class ParticleSwarm(Motion):
    """A swarm that moves whichever particles are free; see `Motion` for how they move.

    A trial's `meta` names its particle, step and velocity; positions, personal and social bests
    are worked out from the history in every call. A particle whose trial taught nothing of the
    objective goes on from its personal best with a small fresh velocity, or is born again.

    Attributes:
        particles: size of the swarm; more are born where more channels are free than can move.
        initial: where particles are born: along the campaign's Sobol sequence, or "uniform".
        learn_from: whose outcomes attract the swarm: "all" trials of the campaign, or its "own".
        recommend_by: "posterior_mean" of a Gaussian process with its defaults, or "best_observed".
    """

    particles: int = 8
    initial: Literal["sobol", "uniform"] = "sobol"
    learn_from: LearnFrom = "all"
    recommend_by: Literal["posterior_mean", "best_observed"] = "posterior_mean"

    def __post_init__(self) -> None:
        if self.particles < 1:
            raise ValueError(f"particles: must be at least 1, not {self.particles}")
        super().__post_init__()

    def propose(
        self, campaign: Campaign, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Births up to `particles`, then moves, then more births; see `Optimizer.propose`.

        Raises CampaignError unless the campaign has one objective.
        """
        swarm = Swarm.of(campaign, history, self.learn_from)
        answer = Answer(campaign, history, n)
        births = min(n, max(0, self.particles - len(swarm.particles)))
        free = swarm.resting()[: n - births]
        births += n - births - len(free)
        again = [(p.number, p.step + 1) for p in free if p.best is None]
        born = again + [(swarm.unborn + i, 0) for i in range(births)]
        self._bear(born, answer, campaign, history, rng)
        self._move([p for p in free if p.best is not None], swarm, answer, campaign, rng)
        return answer.complete(campaign.space)

    def recommend(self, campaign: Campaign, history: History) -> Recommendation:
        """The best setting; see `Optimizer.recommend`."""
        if self.recommend_by == "best_observed":
            return best_observed(campaign, history)
        return by_posterior_mean(campaign, history, GaussianModel())

    def _bear(
        self,
        born: Sequence[tuple[int, int]],
        answer: Answer,
        campaign: Campaign,
        history: History,
        rng: np.random.Generator,
    ) -> None:
        """Particles, given by number and step, at positions spread over the space."""
        if not born:
            return
        space = campaign.space
        if self.initial == "sobol":
            spread(answer, campaign, history, len(born))
        landing = Landing(space, answer, rng)
        while len(answer.proposals) < len(born):
            setting = landing.anywhere()
            if setting is None:
                break
            answer.take(setting)
        velocities = self.fresh_velocities(len(born), space.dimension, rng)
        for i, proposal in enumerate(answer.proposals):
            told = {**proposal.meta, **meta(*born[i], velocities[i])}
            answer.proposals[i] = replace(proposal, meta=told)

    def _move(
        self,
        movers: Sequence[Particle],
        swarm: Swarm,
        answer: Answer,
        campaign: Campaign,
        rng: np.random.Generator,
    ) -> None:
        if not movers:
            return
        movers = [p if p.told else self._restarted(p, swarm, rng) for p in movers]
        positions, velocities = self.step(swarm, movers, int(rng.integers(2**32)))
        landing = Landing(campaign.space, answer, rng)
        for mover, target, velocity in zip(movers, positions, velocities, strict=True):
            found = landing.at(mover.position, target)
            if found is None:
                return
            setting, straight = found
            if not straight:
                made = campaign.space.encode([setting])[0] - mover.position
                velocity = self.clamped(made)
            answer.take(setting, meta(mover.number, mover.step + 1, velocity))

    def _restarted(self, particle: Particle, swarm: Swarm, rng: np.random.Generator) -> Particle:
        """Back at the personal best, with a small velocity, so that no failing corner holds it."""
        best: Array = swarm.points[particle.best]
        velocity = self.fresh_velocities(1, len(best), rng)[0]
        return replace(particle, position=best, velocity=velocity)
