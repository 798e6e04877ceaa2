"""The swarm as the history tells it: where every particle is, and what it and the others found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from campaigns.records import Bound, Purpose, Trial
from loop.optimizers.evidence import Evidence
from loop.optimizers.gaussian_process import Array

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from loop.history import History

PARTICLE, STEP, VELOCITY = "particle", "step", "velocity"  # on a trial's meta

LearnFrom: TypeAlias = Literal["all", "own"]


@dataclass(frozen=True, eq=False)
class Particle:
    """One particle as of its latest trial.

    position and velocity are in the unit cube (d,), the position being that of the setting as run.
    resting: its latest trial is over, or has an outcome or a prediction. told: that trial has an
    outcome of the objective. best: the place of its personal best among `Swarm.points`, or None.
    """

    number: int
    step: int
    trial: int
    position: Array
    velocity: Array
    resting: bool
    told: bool
    best: int | None


@dataclass(frozen=True, eq=False)
class Swarm:
    """All particles, by number, and the settings with an outcome (s of them).

    points: where the settings lie in the unit cube (s x d); rank: 0 for the best of them (s,), by
    the mean of a setting's repeats; those that break an outcome constraint come behind all that
    keep them, equal ones in the order they were proposed. outside: places of settings that no
    particle measured but that the swarm learns from.
    """

    particles: tuple[Particle, ...]
    points: Array
    rank: Array
    outside: tuple[int, ...]

    @classmethod
    def of(cls, campaign: Campaign, history: History, learn_from: LearnFrom) -> Swarm:
        """The swarm of the optimiser that the campaign names, known by its author and meta.

        Raises CampaignError unless the campaign has one objective.
        """
        evidence = Evidence.of(campaign, history)
        places = {history.key(setting): i for i, setting in enumerate(evidence.settings)}
        paths = _paths(campaign, history)
        rank = _ranked(evidence, history)
        metric = evidence.objective.metric
        visited = {
            number: [places[history.key(t.parameters)] for t in path if _told(t, metric)]
            for number, path in paths.items()
        }
        own = {place for found in visited.values() for place in found}
        outside = [i for i in range(len(rank)) if i not in own] if learn_from == "all" else []
        ends = campaign.space.encode([path[-1].parameters for path in paths.values()])
        particles = [
            _particle(number, paths[number], position, metric, rank, visited[number])
            for number, position in zip(paths, ends, strict=True)
        ]
        points = campaign.space.encode(evidence.settings)
        return cls(tuple(particles), points, rank, tuple(outside))

    @property
    def unborn(self) -> int:
        """The number of the next new particle."""
        return self.particles[-1].number + 1 if self.particles else 0

    def resting(self) -> list[Particle]:
        """The particles that may move, those whose latest trial is the oldest first."""
        return sorted((p for p in self.particles if p.resting), key=lambda p: p.trial)

    def shown(self, norm: int) -> tuple[Array, Array]:
        """What each particle shows the others: a point (n x d) and its rank (n,), best first.

        It is the personal best, or the best of the outside settings that lie nearest to the
        particle by the p-norm. Where there is neither, its own position with an infinite rank.
        """
        shown = np.array([-1 if p.best is None else p.best for p in self.particles], dtype=np.intp)
        positions = np.array([p.position for p in self.particles])
        for place in self.outside:
            distance = np.linalg.norm(positions - self.points[place], ord=norm, axis=1)
            near = int(distance.argmin())
            if shown[near] < 0 or self.rank[place] < self.rank[shown[near]]:
                shown[near] = place
        known = shown >= 0
        points, rank = positions.copy(), np.full(len(shown), np.inf)
        points[known] = self.points[shown[known]]
        rank[known] = self.rank[shown[known]]
        return points, rank


def meta(particle: int, step: int, velocity: Array) -> dict[str, Any]:
    """What a trial remembers of its particle, as plain JSON."""
    return {PARTICLE: particle, STEP: step, VELOCITY: velocity.tolist()}


def _paths(campaign: Campaign, history: History) -> dict[int, list[Trial]]:
    """Every particle's trials in order, by the particle's number."""
    paths: defaultdict[int, list[Trial]] = defaultdict(list)
    for trial in history.trials.values():
        mine = trial.author == campaign.optimizer.kind and trial.purpose is Purpose.SEARCH
        if mine and PARTICLE in trial.meta:
            paths[int(trial.meta[PARTICLE])].append(trial)
    return dict(sorted(paths.items()))


def _told(trial: Trial, metric: str) -> bool:
    """Whether the trial teaches a value of the metric: `History.outcomes` would list it."""
    outcome = trial.outcomes.get(metric)
    return outcome is not None and not trial.excluded and outcome.bound is Bound.EXACT


def _ranked(evidence: Evidence, history: History) -> Array:
    barred = [
        history.key(setting) in evidence.barred or history.infeasible(setting)
        for setting in evidence.settings
    ]
    order = np.lexsort((-evidence.means(), np.array(barred, dtype=bool)))  # stable
    rank = np.empty(len(order))
    rank[order] = np.arange(len(order))
    return rank


def _particle(
    number: int,
    path: Sequence[Trial],
    position: Array,
    metric: str,
    rank: Array,
    visited: Sequence[int],
) -> Particle:
    last = path[-1]
    return Particle(
        number=number,
        step=int(last.meta[STEP]),
        trial=last.number,
        position=position,
        velocity=np.array(last.meta[VELOCITY], dtype=np.float64),
        resting=not last.pending,
        told=_told(last, metric),
        best=min(visited, key=lambda place: float(rank[place]), default=None),
    )
