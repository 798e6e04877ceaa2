"""NSGA-II on pymoo's operators, asynchronous and pure in the history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from campaigns.records import Proposal, Recommendation, TrialState
from loop.optimizers.candidates import Answer
from loop.optimizers.measured import Measured
from loop.optimizers.nsga2_variation import Child, Variation
from loop.optimizers.recommending_front import observed_front
from loop.optimizers.sobol import spread
from loop.optimizers.swarm_landing import Landing

if TYPE_CHECKING:
    import numpy as np

    from campaigns.campaign import Campaign
    from campaigns.records import Trial
    from loop.history import History

GENERATION, PARENTS = "generation", "parents"  # on a trial's meta
MATINGS = 10  # before a child that was asked for already is moved to a new setting beside it


@dataclass(frozen=True)
class Nsga2(Variation):
    """Offspring of the best trade-offs known; see `Variation` for how they come about.

    The population is worked out from the history in every call: of all settings measured those
    that survive by rank and crowding distance, settings that break an outcome constraint behind
    all that keep them (Deb et al. 2002). A trial's `meta` names its generation and parents.
    """

    def propose(
        self, campaign: Campaign, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Settings spread over the space up to `population`, then offspring; see `Optimizer`."""
        measured = Measured.of(campaign, history)
        answer = Answer(campaign, history, n)
        landing = Landing(campaign.space, answer, rng)
        first = n
        if len(measured.settings) >= 2:
            first = min(n, max(0, self.population - sum(map(_counts, history.trials.values()))))
        _spread(first, answer, landing, campaign, history)
        if len(measured.settings) >= 2:
            self._breed(answer, landing, measured, campaign, history)
        return answer.complete(campaign.space)

    def recommend(self, campaign: Campaign, history: History) -> Recommendation:
        """The knee of the front of mean outcomes, without a model; see `observed_front`."""
        return observed_front(campaign, history)

    def _breed(
        self,
        answer: Answer,
        landing: Landing,
        measured: Measured,
        campaign: Campaign,
        history: History,
    ) -> None:
        """Fill the answer with offspring. Children that were asked for already are mated anew;
        the last ones are moved to the nearest new setting."""
        space = campaign.space
        for mating in range(MATINGS + 1):
            if not answer.missing:
                return
            for child in self.children(space, measured, answer.missing, landing.rng):
                setting = space.landed(child.target[None, :])[0]
                known = space.feasible(setting) and not answer.allows(setting)
                if known and mating < MATINGS:
                    continue
                found = landing.at(child.start, child.target)
                if found is None:
                    return
                answer.take(found[0], _lineage(child, measured, campaign, history))


def _spread(
    count: int, answer: Answer, landing: Landing, campaign: Campaign, history: History
) -> None:
    """Up to `count` settings of generation 0, along the campaign's Sobol sequence."""
    if not count:
        return
    spread(answer, campaign, history, count)
    while len(answer.proposals) < count:
        setting = landing.anywhere()
        if setting is None:
            break
        answer.take(setting)
    for i, proposal in enumerate(answer.proposals):
        told = {**proposal.meta, GENERATION: 0, PARENTS: []}
        answer.proposals[i] = replace(proposal, meta=told)


def _counts(trial: Trial) -> bool:
    """Whether a trial is one of the first ones: failed ones are, what nobody ran is not."""
    ran = trial.state is not TrialState.REFUSED and not trial.excluded
    return ran and not trial.fidelity


def _lineage(
    child: Child, measured: Measured, campaign: Campaign, history: History
) -> dict[str, Any]:
    """What a trial remembers: its parents' trials, and one generation more than the later one."""
    parents = [measured.latest[place] for place in child.parents]
    generations = [_generation(history.trial(number), campaign) for number in parents]
    return {GENERATION: 1 + max(generations), PARENTS: parents}


def _generation(trial: Trial, campaign: Campaign) -> int:
    mine = trial.author == campaign.optimizer.kind
    return int(trial.meta[GENERATION]) if mine and GENERATION in trial.meta else 0
