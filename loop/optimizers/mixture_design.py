"""Designed experiments over compositions and process variables, and their response surface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from campaigns.records import Proposal, Recommendation, Setting
from loop.optimizers.base import Exhausted, NothingToRecommend
from loop.optimizers.candidates import Answer, fill
from loop.optimizers.mixture_plan import Criterion, Ground
from loop.optimizers.mixture_region import sampled
from loop.optimizers.mixture_terms import Basis, ModelName, check

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from loop.history import History

PLAN = "plan"  # on the meta of the design's first trial: all runs, as values of the parameters
RUN = "run"  # on the meta of each of its trials: which run of the plan it is, from 0
BY = "by"  # on the meta of a trial behind the design
SALT = 0x3D52  # keeps the recommendation's generator apart from other uses of the seed
POOL, PARENTS = 512, 4  # of the search for the best setting of an endless space


@dataclass(frozen=True)
class MixtureDesign:
    """A design of experiments for a polynomial model (as Rynne et al. 2019 for electrodes).

    The design is worked out once, from the campaign's seed, round the trials there are already. It
    is written on the meta of its first trial, in random order, and followed from there. What comes
    after it is added one by one, each run the best addition to all that gave or may yet give an
    outcome.

    Attributes:
        criterion: "I" makes the variance of predictions small on average over the feasible space,
            "D" that of the coefficients, "space-filling" spreads the runs whatever the model.
        model: "linear", "quadratic" or "special_cubic"; see `mixture_terms.Basis`.
        runs: of the design; default: terms of the model + 5, within the budget of trials; with a
            budget below the number of terms the design is the best that prior information allows.
        augment: go on behind the design; else it is the end of the campaign.
    """

    criterion: Criterion = "I"
    model: ModelName = "quadratic"
    runs: int | None = None
    augment: bool = True

    def __post_init__(self) -> None:
        if self.runs is not None and self.runs < 1:
            raise ValueError(f"runs: must be at least 1, not {self.runs}")

    def propose(
        self, campaign: Campaign, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """The next n runs; see `loop.optimizers.base.Optimizer`.

        Raises CampaignError where the space has no composition for a special cubic.
        """
        check(campaign.space, self.model)
        answer = Answer(campaign, history, n)
        plan, following = _followed(campaign, history)
        meta: dict[str, Any] = {}
        if plan is None:
            plan = Ground.of(campaign, history, self.model).plan(answer, self.criterion, self.runs)
            meta = {PLAN: [list(campaign.space.key(one)) for one in plan]}
        for run in range(following, len(plan)):
            if answer.missing and answer.allows(plan[run]):
                answer.take(plan[run], {RUN: run, **meta})
                meta = {}
        if answer.missing and not self.augment:
            raise Exhausted(f"the design of {len(plan)} runs is complete", answer.proposals)
        if answer.missing:
            ground = Ground.of(campaign, history, self.model)
            for setting in ground.more(answer, self.criterion):
                answer.take(setting, {BY: self.criterion})
            fill(answer, campaign.space, lambda: campaign.space.sample(1, rng)[0])
        return answer.complete(campaign.space)

    def recommend(self, campaign: Campaign, history: History) -> Recommendation:
        """The best setting by the fitted response surfaces; see `loop.optimizers.base.Optimizer`.

        Several objectives and outcome constraints are weighed as by `bo`.
        """
        from loop.optimizers.bo_data import gather, outcomes_known
        from loop.optimizers.bo_recommend import by_model
        from loop.optimizers.mixture_surface import Surface

        space = campaign.space
        check(space, self.model)
        if outcomes_known(campaign, history) == 0:
            raise NothingToRecommend("an objective has no measured or predicted value yet")
        rng = np.random.default_rng([campaign.seed, history.seen, SALT])
        basis = Basis.of(space, self.model, space.encode(sampled(space, rng)))
        surface = Surface.of(gather(campaign, history, "inferred"), basis)
        return by_model(surface, campaign, history, rng, POOL, PARENTS)


def _followed(campaign: Campaign, history: History) -> tuple[list[Setting] | None, int]:
    """The design that an earlier call wrote down, and the run that comes next."""
    mine = [t for t in history.trials.values() if t.author == campaign.optimizer.kind]
    planned = next((trial.meta[PLAN] for trial in mine if PLAN in trial.meta), None)
    if planned is None:
        return None, 0
    space = campaign.space
    plan = [space.complete(dict(zip(space.names, row, strict=True))) for row in planned]
    return plan, 1 + max(int(trial.meta[RUN]) for trial in mine if RUN in trial.meta)
