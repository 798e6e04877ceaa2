"""BayesGap: the bandit that picks where the gap to the best arm is least certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from campaigns.records import Proposal, Purpose, Recommendation, Setting
from loop.optimizers.candidates import Answer, fill, pool
from loop.optimizers.evidence import Evidence
from loop.optimizers.gaussian_model import GaussianModel
from loop.optimizers.gaussian_process import Array, Posterior
from loop.optimizers.recommending import by_posterior_mean

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from loop.history import History

Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class BayesGap(GaussianModel):
    """Best-arm identification (Hoffman, Shahriari and de Freitas 2014) as in Attia et al. 2020.

    Every arm (candidate) has bounds mean ± beta_r sd in round r, with beta_r = beta · decay^r. A
    pick compares the arm J of the smallest gap, max over others of the upper bound minus its own
    lower bound, with its strongest rival j, and takes the less certain of the two. An arm enters a
    batch twice only when no other is left, and not while a trial of it is pending.

    The round is the number of earlier proposals where the campaign goes in rounds, else the number
    of trials asked for so far divided by `round_trials` (default: the channels), rounded down.

    decimals: beta and the bounds are rounded to so many decimals (4 in Attia et al.).
    ties: "random" looks at the arms in a new order each time, "listed" in that of the campaign.
    """

    beta: float = 5.0
    decay: float = 0.5
    round_trials: int | None = None
    decimals: int | None = None
    ties: Literal["random", "listed"] = "random"
    candidates: int = 512

    def __post_init__(self) -> None:
        GaussianModel.__post_init__(self)
        if not self.beta > 0:
            raise ValueError(f"beta: must be above 0, not {self.beta:g}")
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay: must be above 0 and at most 1, not {self.decay:g}")
        for name in ("round_trials", "candidates"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: must be 1 or more, not {value}")
        if self.decimals is not None and not 0 <= self.decimals <= 15:
            raise ValueError(f"decimals: must be 0 to 15, not {self.decimals}")

    def propose(
        self, campaign: Campaign, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """The n arms of the next batch; see `loop.optimizers.base.Optimizer`."""
        space = campaign.space
        evidence = Evidence.of(campaign, history)
        near = [evidence.settings[int(np.argmax(evidence.means()))]] if evidence.settings else []
        arms = pool(space, max(self.candidates, 4 * n), near, rng)
        if self.ties == "random":
            arms = [arms[i] for i in rng.permutation(len(arms))]
        beta = self.beta_in(self.round(campaign, history))
        upper, lower = self.bounds(campaign, evidence, arms, beta)
        answer = Answer(campaign, history, n)
        self._pick(answer, history, arms, upper, lower, beta)
        if answer.missing:  # more than the arms looked at
            fill(answer, space, lambda: space.sample(1, rng)[0])
        return answer.complete(space)

    def recommend(self, campaign: Campaign, history: History) -> Recommendation:
        """The setting of the best posterior mean; see `loop.optimizers.base.Optimizer`."""
        return by_posterior_mean(campaign, history, self)

    def round(self, campaign: Campaign, history: History) -> int:
        """The round that the next proposal belongs to, from 0."""
        if campaign.optimizer.rounds:
            return history.proposals
        asked = sum(trial.purpose is Purpose.SEARCH for trial in history.trials.values())
        return asked // (self.round_trials or campaign.instrument.channels)

    def beta_in(self, round_: int) -> float:
        """The width of the bounds in a round, in standard deviations."""
        beta = self.beta
        for _ in range(min(round_, 1000)):
            beta = self._rounded(beta * self.decay)
        return beta

    def bounds(
        self, campaign: Campaign, evidence: Evidence, arms: Sequence[Setting], beta: float
    ) -> tuple[Array, Array]:
        """Upper and lower bounds of the arms (each (n,)), relative to the prior mean."""
        prior, data = self.learnt(campaign.space, evidence)
        # measured from the prior mean, so that rounding is the same as in Attia et al.
        posterior = Posterior(prior, data, self.coordinates_of(campaign.space, arms))
        mean, half = posterior.mean - prior.mean, beta * posterior.sd
        if self.decimals is None:
            return mean + half, mean - half
        return np.round(mean + half, self.decimals), np.round(mean - half, self.decimals)

    def _rounded(self, value: float) -> float:
        return value if self.decimals is None else float(np.round(value, self.decimals))

    def _pick(
        self,
        answer: Answer,
        history: History,
        arms: Sequence[Setting],
        upper: Array,
        lower: Array,
        beta: float,
    ) -> None:
        under_way = {history.key(trial.parameters) for trial in history.pending()}
        allowed = np.array([answer.allows(arm) for arm in arms], dtype=bool)
        fresh = np.array([history.key(arm) not in under_way for arm in arms], dtype=bool)
        fresh &= allowed
        gap = gaps(upper, lower)
        while answer.missing and allowed.any():
            if not fresh.any():
                fresh = allowed.copy()
            place = pick(gap, upper, lower, fresh)
            answer.take(arms[place], {"beta": beta})
            fresh[place] = False
            allowed[place] = answer.allows(arms[place])


def gaps(upper: Array, lower: Array) -> Array:
    """How much better than each arm another one may be, at most (n,): Hoffman et al. 2014, B_k."""
    if len(upper) < 2:
        return np.zeros_like(upper)
    best = int(np.argmax(upper))
    others = np.full(upper.shape, upper[best])
    others[best] = np.max(np.delete(upper, best))
    return np.asarray(others - lower)


def pick(gap: Array, upper: Array, lower: Array, open_: Mask) -> int:
    """The less certain of the open arm with the smallest gap and its strongest open rival."""
    leader = int(np.argmin(np.where(open_, gap, np.inf)))
    rivals = open_.copy()
    rivals[leader] = False
    if not rivals.any():
        return leader
    rival = int(np.argmax(np.where(rivals, upper, -np.inf)))
    diameter = upper - lower
    return leader if diameter[leader] >= diameter[rival] else rival
