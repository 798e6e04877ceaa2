"""Upper confidence bounds of a Gaussian process, a batch at a time by joint fantasies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from campaigns.records import Proposal, Recommendation, Setting
from loop.optimizers.candidates import Answer, fill, pool
from loop.optimizers.evidence import Evidence
from loop.optimizers.gaussian_model import GaussianModel
from loop.optimizers.gaussian_process import Array, Data, Posterior, Prior
from loop.optimizers.recommending import by_posterior_mean
from loop.optimizers.sobol import spread

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.space import Space
    from loop.history import History

# Bounds that differ by less than this share of the smallest sd count as equal. Without it the few
# corners of the space win the first picks by a hair, though nothing speaks for them.
TIE = 0.05


@dataclass(frozen=True)
class GpUcb(GaussianModel):
    """GP-BUCB (Desautels, Krause and Burdick 2014; Srinivas et al. 2010).

    Each pick maximises mean + beta sd over the candidates; pending trials and earlier picks of
    the batch narrow the sd as if their outcome were just what is expected. Without any outcome
    this fills the space. A candidate may win again while the campaign's `replicates` allow it. In
    a space that is not finite, `candidates` settings are sampled for each call, a quarter of them
    near the best one so far.

    beta: how many standard deviations uncertainty is worth.
    initial: how many trials fill the space evenly before the model has a say; by default two a
    dimension, and none where prior mean, prior sd and length scale are all given.
    """

    beta: float = 2.0
    candidates: int = 512
    initial: int | None = None

    def __post_init__(self) -> None:
        GaussianModel.__post_init__(self)
        if not self.beta >= 0:
            raise ValueError(f"beta: must be 0 or more, not {self.beta:g}")
        if self.candidates < 1:
            raise ValueError(f"candidates: must be 1 or more, not {self.candidates}")
        if self.initial is not None and self.initial < 0:
            raise ValueError(f"initial: must be 0 or more, not {self.initial}")

    def propose(
        self, campaign: Campaign, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """The n picks of the next batch; see `loop.optimizers.base.Optimizer`."""
        space = campaign.space
        evidence = Evidence.of(campaign, history)
        prior, data = self.learnt(space, evidence)
        near = self._best(space, prior, data, evidence)
        settings = pool(space, max(self.candidates, 4 * n), near, rng)
        answer = Answer(campaign, history, n)
        opening = self.opening(space.dimension) - len(history.trials)
        if opening > 0:
            spread(answer, campaign, history, min(opening, n))
        pending = [trial.parameters for trial in history.pending()]
        pending += [proposal.parameters for proposal in answer.proposals]
        at = self.coordinates_of(space, [*settings, *pending])
        posterior = Posterior(prior, data, at, room=len(pending) + n)
        noise = prior.next_noise(data)
        for place in range(len(settings), len(at)):
            posterior.fantasise(place, noise)
        self._pick(answer, settings, posterior, noise, rng)
        if answer.missing:  # more than the candidates looked at
            fill(answer, space, lambda: space.sample(1, rng)[0])
        return answer.complete(space)

    def opening(self, dimension: int) -> int:
        """How many trials come before the model."""
        if self.initial is not None:
            return self.initial
        informed = None not in (self.prior_mean, self.prior_sd, self.length_scale)
        return 0 if informed else 2 * dimension

    def recommend(self, campaign: Campaign, history: History) -> Recommendation:
        """The setting of the best posterior mean; see `loop.optimizers.base.Optimizer`."""
        return by_posterior_mean(campaign, history, self)

    def _best(self, space: Space, prior: Prior, data: Data, evidence: Evidence) -> list[Setting]:
        """The tried setting of the best posterior mean, to look around; none before any outcome."""
        tried = evidence.tried()
        if not tried:
            return []
        means = Posterior(prior, data, self.coordinates_of(space, tried)).mean
        return [tried[int(np.argmax(means))]]

    def _pick(
        self,
        answer: Answer,
        settings: Sequence[Setting],
        posterior: Posterior,
        noise: float,
        rng: np.random.Generator,
    ) -> None:
        """Fill the answer with the largest bounds, each pick narrowing those that follow."""
        allowed = np.array([answer.allows(setting) for setting in settings], dtype=bool)
        while answer.missing and allowed.any():
            sd = posterior.sd[: len(settings)]
            bounds = posterior.mean[: len(settings)] + self.beta * sd
            place = _largest(bounds, allowed, TIE * float(sd.min()), rng)
            answer.take(settings[place])
            allowed[place] = answer.allows(settings[place])
            posterior.fantasise(place, noise)


def _largest(
    values: Array, allowed: NDArray[np.bool_], margin: float, rng: np.random.Generator
) -> int:
    """The place of the largest allowed value; one at random among equals."""
    values = np.where(allowed, values, -np.inf)
    equal = np.flatnonzero(values >= values.max() - margin)
    return int(equal[rng.integers(len(equal))] if len(equal) > 1 else equal[0])
