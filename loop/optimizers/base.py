"""What an optimiser is: a pure function of the campaign and its history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from campaigns.records import Proposal, Recommendation

if TYPE_CHECKING:
    import numpy as np

    from campaigns.campaign import Campaign
    from loop.history import History


class Exhausted(Exception):
    """An optimiser cannot give as many settings as it was asked for.

    Attributes:
        reason: why, in one line.
        partial: the proposals it could give, fewer than asked for.
    """

    def __init__(self, reason: str, partial: Sequence[Proposal] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.partial = tuple(partial)


class NothingToRecommend(Exception):
    """No trial has an outcome yet, or none may be recommended."""


class Optimizer(Protocol):
    """Proposes settings and recommends one; keeps nothing between calls that changes an answer.

    An implementation is a frozen dataclass whose fields are the options of `[optimizer] options`
    (see `campaigns.options.build`). Everything else comes in by argument: the same campaign,
    history prefix and generator state give the same answer, bit for bit.
    """

    def propose(
        self, campaign: Campaign, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Exactly n distinct feasible settings to try next, pending trials taken into account.

        A setting is given again only while `history.asked(setting)` plus its occurrences in this
        answer stays below `campaign.optimizer.replicates` (with replicates > 1 one answer may hold
        a setting several times), and never when `history.infeasible(setting)`.
        Raises Exhausted(reason, partial) where fewer than n exist.
        """

    def recommend(self, campaign: Campaign, history: History) -> Recommendation:
        """The best setting by the model's posterior mean, among those `campaign.recommend.among`.

        Raises NothingToRecommend while no trial has an outcome, or where every tried setting breaks
        an outcome constraint.
        """
