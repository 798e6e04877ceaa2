"""Which runs a mixture design consists of, and which come next behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from loop.optimizers.mixture_exchange import Counts, Exchange, Optimality, farthest
from loop.optimizers.mixture_region import candidates, sampled
from loop.optimizers.mixture_terms import Basis, ModelName, coordinates

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.records import Setting, Trial
    from loop.history import History
    from loop.optimizers.candidates import Answer

Array: TypeAlias = NDArray[np.float64]
Criterion: TypeAlias = Literal["I", "D", "space-filling"]

SALT = 0x3D51  # keeps the design's generator apart from other uses of the campaign's seed
SPARE = 5  # runs beyond the terms of the model, to tell noise and lack of fit


@dataclass(frozen=True, eq=False)
class Ground:
    """What a design is chosen from and what there is already.

    Attributes:
        settings: the candidates, n of them.
        x: where they lie in the unit cube, n x d.
        given: trials that gave or may yet give an outcome, m x d.
        barred: settings known to be infeasible, b x d.
        basis: of the model.
        rng: the campaign's own: the same campaign and history give the same design.
    """

    campaign: Campaign
    settings: tuple[Setting, ...]
    x: Array
    given: Array
    barred: Array
    basis: Basis
    rng: np.random.Generator

    @classmethod
    def of(cls, campaign: Campaign, history: History, model: ModelName) -> Ground:
        """The ground of a campaign after a history."""
        space = campaign.space
        rng = np.random.default_rng([campaign.seed, SALT])
        sample = sampled(space, rng)
        settings = tuple(candidates(space, sample, rng))
        trials = history.trials.values()
        return cls(
            campaign=campaign,
            settings=settings,
            x=space.encode(settings),
            given=space.encode([t.parameters for t in trials if _tells(t)]),
            barred=space.encode([t.parameters for t in trials if history.infeasible(t.parameters)]),
            basis=Basis.of(space, model, space.encode(sample)),
            rng=rng,
        )

    def plan(self, answer: Answer, criterion: Criterion, runs: int | None) -> list[Setting]:
        """The design, in the order it is to be run: at random, so that drift is not taken for the
        effect of a parameter (Fisher 1935)."""
        wanted, room = runs or self._usual_runs(), self._room(answer)
        if criterion == "space-filling":
            picks = self._best(criterion, wanted, room)
        else:
            picks = self._exchange(criterion).design(wanted, room, self.rng)
        return [self.settings[i] for i in self.rng.permutation(picks).tolist()]

    def more(self, answer: Answer, criterion: Criterion) -> list[Setting]:
        """As many candidates as the answer misses and there are, each the best addition to what
        is given and in the answer; those nearest to infeasible settings come last."""
        ground = self._with([one.parameters for one in answer.proposals])
        room, hopeful = self._room(answer), self._hopeful()
        chosen: list[Setting] = []
        for open_ in (np.where(hopeful, room, 0), np.where(hopeful, 0, room)):
            picks = ground._best(criterion, answer.missing - len(chosen), open_)
            found = [self.settings[i] for i in picks]
            ground = ground._with(found)
            chosen += found
        return chosen

    def _usual_runs(self) -> int:
        most = len(self.basis.terms) + SPARE
        budget = self.campaign.budget.trials
        return max(1, (most if budget is None else min(most, budget)) - len(self.given))

    def _room(self, answer: Answer) -> Counts:
        """How often each candidate may still be asked for, n."""
        return np.array([answer.room(one) for one in self.settings], dtype=np.intp)

    def _with(self, settings: Sequence[Setting]) -> Ground:
        """The ground with more settings given."""
        given = np.concatenate([self.given, self.campaign.space.encode(settings)])
        return replace(self, given=given)

    def _best(self, criterion: Criterion, runs: int, room: Counts) -> list[int]:
        """Candidates for more runs, one after the other."""
        if criterion == "space-filling":
            space = self.campaign.space
            points, given = coordinates(space, self.x), coordinates(space, self.given)
            return farthest(points, given, runs, room)
        return self._exchange(criterion).added([], runs, room)

    def _exchange(self, optimality: Optimality) -> Exchange:
        return Exchange(self.basis.values(self.x), self.basis.values(self.given), optimality)

    def _hopeful(self) -> NDArray[np.bool_]:
        """Which candidates are not nearer to an infeasible setting than to any other, n."""
        from scipy.spatial.distance import cdist

        if not len(self.barred) or not len(self.given):
            return np.ones(len(self.x), dtype=bool)
        near, far = (cdist(self.x, one).min(axis=1) for one in (self.given, self.barred))
        return np.asarray(near <= far)


def _tells(trial: Trial) -> bool:
    """Whether the trial gave an outcome or may yet give one."""
    return not trial.excluded and (bool(trial.outcomes) or not trial.state.terminal)
