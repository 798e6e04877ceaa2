"""How offspring come about: survival, tournaments, crossover and mutation by pymoo."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loop.optimizers.gaussian_process import Array

if TYPE_CHECKING:
    from campaigns.space import Space
    from loop.optimizers.measured import Measured

LARGEST_ETA = 1000.0  # beyond it children differ from their parents by rounding only


@dataclass(frozen=True, eq=False)
class Child:
    """A point that two parents gave. parents: their places among the measured settings; start: the
    one it takes after, target: itself, both in the unit cube (d,)."""

    parents: tuple[int, int]
    start: Array
    target: Array


@dataclass(frozen=True)
class Variation:
    """The operators of NSGA-II (Deb et al. 2002), in the unit cube of the space's coding.

    Numbers and ordered choices are crossed by simulated binary crossover (Deb & Agrawal 1995) and
    mutated polynomially (Deb & Goyal 1996); other choices are crossed uniformly and mutated to an
    option drawn at random.

    Attributes:
        population: how many settings survive to be parents, and how many spread over the space
            before the first offspring.
        crossover_eta, mutation_eta: distribution indices; the larger, the closer offspring are to
            their parents.
        crossover_probability: that two parents are crossed at all.
        mutation_probability: of every parameter; default one over the number of parameters.
    """

    population: int = 12
    crossover_eta: float = 15.0
    crossover_probability: float = 0.9
    mutation_eta: float = 20.0
    mutation_probability: float | None = None

    def __post_init__(self) -> None:
        if self.population < 2:
            raise ValueError(f"population: must be at least 2, not {self.population}")
        for name in ("crossover_eta", "mutation_eta"):
            value = getattr(self, name)
            if not 1.0 <= value <= LARGEST_ETA:
                raise ValueError(f"{name}: must be from 1 to {LARGEST_ETA:g}, not {value:g}")
        for name in ("crossover_probability", "mutation_probability"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise ValueError(f"{name}: must be from 0 to 1, not {value:g}")

    def survivors(self, measured: Measured, rng: np.random.Generator) -> list[int]:
        """Places of the up to `population` settings that survive, ranked as NSGA-II does it."""
        chosen: list[int] = self._survived(measured, rng).get("place").tolist()
        return chosen

    def children(
        self, space: Space, measured: Measured, count: int, rng: np.random.Generator
    ) -> list[Child]:
        """`count` children of the settings that survive; their targets may break rules."""
        survived = self._survived(measured, rng)
        pairs = _paired(survived, math.ceil(count / 2), rng)
        chosen = survived.get("place")[pairs]
        x = np.clip(space.encode(measured.settings), 0.0, 1.0)  # recorded ones may lie outside
        targets = self._crossed(space, x[chosen], rng)
        found = []
        for row, target in enumerate(targets[:count]):
            first, second = chosen[row % len(chosen)].tolist()
            start = x[(first, second)[row // len(chosen)]]
            found.append(Child((first, second), start, target))
        return found

    def _survived(self, measured: Measured, rng: np.random.Generator) -> Any:
        from pymoo.core.population import Population
        from pymoo.core.problem import Problem
        from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

        everyone = Population.new(
            "F", -measured.utility, "G", measured.excess[:, None],
            "place", np.arange(len(measured.settings)),
        )  # fmt: skip
        problem = Problem(n_obj=measured.utility.shape[1], n_ieq_constr=1)
        return RankAndCrowding().do(problem, everyone, n_survive=self.population, random_state=rng)

    def _crossed(self, space: Space, parents: Array, rng: np.random.Generator) -> Array:
        """From pairs (k x 2 x d) to their children (2k x d): the first of every pair, then the
        second of every pair."""
        edges = np.cumsum([0, *(parameter.columns for parameter in space.parameters)]).tolist()
        spans = list(itertools.pairwise(edges))
        axes = [low for low, high in spans if high == low + 1]
        blocks = [(low, high) for low, high in spans if high > low + 1]
        probability = self.mutation_probability
        if probability is None:
            probability = 1.0 / len(spans)
        found = np.zeros((2 * len(parents), parents.shape[-1]))
        if axes:
            found[:, axes] = self._numbers(parents[:, :, axes], probability, rng)
        if blocks:
            options = [parents[:, :, low:high].argmax(axis=-1) for low, high in blocks]
            sizes = [high - low for low, high in blocks]
            chosen = self._choices(np.stack(options, axis=-1), sizes, probability, rng)
            for (low, _), column in zip(blocks, chosen.T, strict=True):
                found[np.arange(len(found)), low + column] = 1.0
        return found

    def _numbers(self, parents: Array, probability: float, rng: np.random.Generator) -> Array:
        from pymoo.core.problem import Problem
        from pymoo.operators.crossover.sbx import SBX
        from pymoo.operators.mutation.pm import PM

        problem = Problem(n_var=parents.shape[-1], xl=0.0, xu=1.0)
        cross = SBX(prob=self.crossover_probability, eta=self.crossover_eta)
        mutate = PM(prob=1.0, prob_var=probability, eta=self.mutation_eta)
        return np.asarray(_bred(problem, cross, mutate, parents, rng), dtype=np.float64)

    def _choices(
        self,
        parents: NDArray[np.intp],
        sizes: Sequence[int],
        probability: float,
        rng: np.random.Generator,
    ) -> NDArray[np.intp]:
        from pymoo.core.problem import Problem
        from pymoo.core.variable import Choice
        from pymoo.operators.crossover.ux import UX
        from pymoo.operators.mutation.rm import ChoiceRandomMutation

        names = {f"c{i}": Choice(options=list(range(size))) for i, size in enumerate(sizes)}
        problem = Problem(vars=names)
        cross = UX(prob=self.crossover_probability)
        mutate = ChoiceRandomMutation(prob=1.0, prob_var=probability)
        return np.asarray(_bred(problem, cross, mutate, parents, rng), dtype=np.intp)


def _paired(survived: Any, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """`count` pairs of survivors (count x 2), each the winner of a tournament of two."""
    from pymoo.algorithms.moo.nsga2 import binary_tournament
    from pymoo.operators.selection.tournament import TournamentSelection

    rules = SimpleNamespace(tournament_type="comp_by_dom_and_crowding", random_state=rng)
    selection = TournamentSelection(func_comp=binary_tournament)
    pairs = selection.do(
        None, survived, count, n_parents=2, to_pop=False, algorithm=rules, random_state=rng
    )
    return np.asarray(pairs, dtype=np.intp)


def _bred(
    problem: Any, cross: Any, mutate: Any, parents: NDArray[Any], rng: np.random.Generator
) -> Any:
    from pymoo.core.population import Population

    genes = parents.shape[-1]
    everyone = Population.new("X", parents.reshape(-1, genes))
    pairs = np.arange(len(everyone)).reshape(-1, 2)
    offspring = cross.do(problem, everyone, pairs, random_state=rng)
    return mutate.do(problem, offspring, random_state=rng).get("X")
