"""Several named optimisers in one campaign: they share its history and take turns."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from campaigns.findings import path
from campaigns.options import build
from campaigns.problems import CampaignError, listed, unknown
from campaigns.records import NOTHING, Proposal, Recommendation
from campaigns.schema import OptimizerSpec
from loop.optimizers import registry
from loop.optimizers.base import Exhausted, NothingToRecommend, Optimizer
from loop.optimizers.gaussian_model import GaussianModel
from loop.optimizers.portfolio_history import foreseen
from loop.optimizers.portfolio_turns import Record, by_credit, in_turn
from loop.optimizers.recommending import by_posterior_mean

if TYPE_CHECKING:
    import numpy as np

    from campaigns.campaign import Campaign
    from loop.history import History

OPTIONS = "optimizer.options"
NAMED_ELSEWHERE = ("start", "training", "confirm")  # authors of trials that no optimiser asked for


@dataclass(frozen=True)
class Member:
    """One optimiser of a portfolio: its kind and the options of that kind."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


def _swarm_and_model() -> Mapping[str, Member]:
    return MappingProxyType({"swarm": Member("pso"), "bo": Member("bo")})


@dataclass(frozen=True)
class Portfolio:
    """Members take turns; each proposal names the member as its author.

    A member sees every trial of the campaign, those asked for by others as well, and within one
    answer also what the members before it ask for. Where one has nothing left, the others go on.

    Attributes:
        members: the optimisers by name, at least two; the order decides who begins.
        policy: "round_robin", the same number of trials for all, or "credit", more trials for
            those whose trials are among the best quarter (see `by_credit`).
        minimum_share: of all trials, that "credit" leaves to every member.
        recommender: the member that recommends; without one it is the posterior mean of a Gaussian
            process with its defaults, which takes one objective.
    """

    members: Mapping[str, Member] = field(default_factory=_swarm_and_model)
    policy: Literal["round_robin", "credit"] = "round_robin"
    minimum_share: float = 0.1
    recommender: str | None = None
    _made: Mapping[str, Optimizer] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = list(self.members)
        if len(names) < 2:
            raise ValueError(f"members: at least two are needed, not {len(names)}")
        if not 0.0 <= self.minimum_share * len(names) <= 1.0:
            raise ValueError(
                f"minimum_share: must be from 0 to {1 / len(names):.3g} with {len(names)} members, "
                f"not {self.minimum_share:g}"
            )
        if self.recommender is not None and self.recommender not in self.members:
            what = unknown("member", self.recommender, names)
            raise ValueError(f"recommender: '{self.recommender}': {what}")
        object.__setattr__(self, "_made", _created(self.members))

    def propose(
        self, campaign: Campaign, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Exactly n settings, member by member in their order; see `Optimizer.propose`.

        Raises Exhausted only where every member is, and CampaignError for several objectives
        where `recommender` or the policy allows one.
        """
        self._check(campaign)
        generators = dict(zip(self.members, rng.spawn(len(self.members)), strict=True))
        proposals: list[Proposal] = []
        reasons: dict[str, str] = {}
        while len(proposals) < n and len(reasons) < len(self.members):
            able = [name for name in self.members if name not in reasons]
            shared = foreseen(history, proposals)
            for name, count in self._turns(campaign, shared, able, n - len(proposals), rng).items():
                found, reason = self._ask(
                    name, campaign, foreseen(history, proposals), count, generators[name]
                )
                proposals += found
                if reason:
                    reasons[name] = reason
        if len(proposals) < n:
            raise Exhausted("; ".join(f"{k}: {v}" for k, v in reasons.items()), proposals)
        return proposals

    def recommend(self, campaign: Campaign, history: History) -> Recommendation:
        """What the recommender or the shared model believes best; see `Optimizer.recommend`.

        Raises CampaignError where a member cannot serve the campaign.
        """
        self._check(campaign)
        if not history.trials:  # said before anything runs: each member tells what it cannot serve
            for name in self.members:
                self._doubts(name, campaign, history)
        if self.recommender is None:
            return by_posterior_mean(campaign, history, GaussianModel())
        named = _as_member(campaign, self.recommender, self.members[self.recommender])
        return self._made[self.recommender].recommend(named, history)

    def _check(self, campaign: Campaign) -> None:
        if len(campaign.objectives) == 1:
            return
        if self.recommender is None:
            raise CampaignError(
                [f"{OPTIONS}.recommender: is needed where there are several objectives; allowed: "
                 f"{listed(self.members)}"]
            )  # fmt: skip
        if self.policy == "credit":
            raise CampaignError(
                [f"{OPTIONS}.policy: 'credit' takes one objective, not "
                 f"{len(campaign.objectives)}; allowed: 'round_robin'"]
            )  # fmt: skip

    def _turns(
        self,
        campaign: Campaign,
        history: History,
        able: list[str],
        count: int,
        rng: np.random.Generator,
    ) -> dict[str, int]:
        """How many of `count` trials each member that is able to asks for, in their order."""
        record = Record.of(campaign, history, able, judged=self.policy == "credit")
        if self.policy == "credit":
            return by_credit(record, count, self.minimum_share, rng)
        return in_turn(record, count)

    def _ask(
        self,
        name: str,
        campaign: Campaign,
        history: History,
        count: int,
        rng: np.random.Generator,
    ) -> tuple[list[Proposal], str]:
        """The member's proposals under its name, and why they are too few where they are."""
        named = _as_member(campaign, name, self.members[name])
        reason = ""
        try:
            found = list(self._made[name].propose(named, history, count, rng))
        except Exhausted as error:
            found, reason = list(error.partial), error.reason or "no further settings"
        return [replace(proposal, author=name) for proposal in found], reason

    def _doubts(self, name: str, campaign: Campaign, history: History) -> None:
        named = _as_member(campaign, name, self.members[name])
        with suppress(NothingToRecommend):  # the right answer to an empty history
            self._made[name].recommend(named, history)


def _created(members: Mapping[str, Member]) -> Mapping[str, Optimizer]:
    """The members' optimisers. Raises CampaignError with every mistake, each by its path."""
    made: dict[str, Optimizer] = {}
    mistakes: list[str] = []
    for name, member in members.items():
        where = f"{OPTIONS}.members.{path([name])}"
        if not name.strip() or name in NAMED_ELSEWHERE:
            mistakes.append(f"{where}: '{name}' names other trials; choose another name")
        elif member.kind == "portfolio":
            mistakes.append(f"{where}.kind: a portfolio cannot be a member of a portfolio")
        elif member.kind not in registry.known():
            what = unknown("optimizer", member.kind, registry.known())
            mistakes.append(f"{where}.kind: '{member.kind}': {what}")
        else:
            try:
                made[name] = build(registry.load(member.kind), member.options, f"{where}.options")
            except CampaignError as error:
                mistakes += error.problems
    if mistakes:
        raise CampaignError(mistakes)
    return MappingProxyType(made)


def _as_member(campaign: Campaign, name: str, member: Member) -> Campaign:
    """The campaign as a member sees it: the optimiser goes by the member's name."""
    spec = OptimizerSpec(
        kind=name,
        rounds=campaign.optimizer.rounds,
        replicates=campaign.optimizer.replicates,
        options=dict(member.options),
    )
    return replace(campaign, optimizer=spec)
