"""How particles move: the options of a swarm's motion and one step of it by pyswarms operators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from loop.optimizers.gaussian_process import Array
from loop.optimizers.pyswarms_fence import fenced

if TYPE_CHECKING:
    from loop.optimizers.swarm import Particle, Swarm

SMALL = 0.1  # most of the unit cube that a fresh velocity covers along one axis
STRONGEST = 10.0  # attraction; beyond it a particle only jumps from wall to wall


@dataclass(frozen=True)
class Motion:
    """v' = inertia v + cognitive r1 (personal best - x) + social r2 (social best - x); x' = x + v'.

    r1 and r2 are uniform in [0, 1), anew for every coordinate (Kennedy & Eberhart 1995, with the
    inertia of Shi & Eberhart 1998). All lengths are in the unit cube of the space's coding.

    Attributes:
        inertia, cognitive, social: w, c1 and c2 of pyswarms.
        topology: whose best attracts a particle: "star", the best of all (GlobalBestPSO), or
            "ring", the best of its neighbours (LocalBestPSO).
        neighbours, norm: of the ring, pyswarms' k and p: how many of the nearest particles, itself
            included, and by which distance, 1 (sum of differences) or 2 (Euclidean).
        velocity_clamp: least and most velocity along an axis.
        velocity: what a particle that would have left the cube keeps of its velocity: all of it
            ("unmodified"), the step really made ("adjust"), half of it backwards ("invert") or
            nothing ("zero").
        boundary: where such a particle is put: the nearest point of the cube ("nearest"), in again
            on the other side ("periodic"), mirrored ("reflective"), where its path meets the wall
            ("shrink"), half-way to the wall ("intermediate"), anywhere ("random").
    """

    inertia: float = 0.7
    cognitive: float = 1.5
    social: float = 1.5
    topology: Literal["star", "ring"] = "star"
    neighbours: int = 3
    norm: Literal[1, 2] = 2
    velocity_clamp: tuple[float, float] | None = None
    velocity: Literal["unmodified", "adjust", "invert", "zero"] = "unmodified"
    boundary: Literal["nearest", "periodic", "random", "reflective", "shrink", "intermediate"] = (
        "nearest"
    )

    def __post_init__(self) -> None:
        if not 0.0 <= self.inertia <= 1.0:
            raise ValueError(f"inertia: must be from 0 to 1, not {self.inertia:g}")
        for name in ("cognitive", "social"):
            value = getattr(self, name)
            if not 0.0 <= value <= STRONGEST:
                raise ValueError(f"{name}: must be from 0 to {STRONGEST:g}, not {value:g}")
        if self.neighbours < 1:
            raise ValueError(f"neighbours: must be at least 1, not {self.neighbours}")
        if self.velocity_clamp is not None:
            low, high = self.velocity_clamp
            if not -math.inf < low < 0.0 < high < math.inf:
                raise ValueError(
                    f"velocity_clamp: must be a number below 0 and one above, not [{low:g}, "
                    f"{high:g}]"
                )

    def fresh_velocities(self, count: int, dimension: int, rng: np.random.Generator) -> Array:
        """Small velocities (count x dimension) of particles that start, or start again."""
        low, high = self.velocity_clamp or (-SMALL, SMALL)
        low, high = max(low, -SMALL), min(high, SMALL)
        return rng.uniform(low, high, size=(count, dimension))

    def clamped(self, velocity: Array) -> Array:
        """The velocity within the clamp."""
        return velocity if self.velocity_clamp is None else np.clip(velocity, *self.velocity_clamp)

    def step(self, swarm: Swarm, movers: Sequence[Particle], seed: int) -> tuple[Array, Array]:
        """New positions and velocities (m x d) of m particles, each of which has a personal best.

        The bests are those of the whole swarm as it stands, and all movers share one draw: where
        every particle moves, this is one iteration of pyswarms' GlobalBestPSO or LocalBestPSO.
        `seed` (below 2^32) is NumPy's legacy seed of that draw.
        """
        with fenced(seed):
            from pyswarms.backend.handlers import VelocityHandler
            from pyswarms.backend.swarms import Swarm as Group

            topology = self._topology()
            group = Group(
                position=np.array([p.position for p in movers]),
                velocity=np.array([p.velocity for p in movers]),
                pbest_pos=np.array([_personal_best(swarm, p) for p in movers]),
                best_pos=self._social_bests(topology, swarm, movers),
                options={"w": self.inertia, "c1": self.cognitive, "c2": self.social},
            )
            group.velocity = topology.compute_velocity(
                group, self.velocity_clamp, VelocityHandler("unmodified"), _cube(group.dimensions)
            )
            positions = self._bounded(topology, group)
            return positions, self._kept(group, positions)

    def _topology(self) -> Any:
        from pyswarms.backend.topology import Ring, Star

        return Star() if self.topology == "star" else Ring(static=False)

    def _social_bests(self, topology: Any, swarm: Swarm, movers: Sequence[Particle]) -> Array:
        """The point that attracts each mover (m x d); ranks serve as costs, so nothing is made up
        for a setting that breaks a constraint."""
        from pyswarms.backend.swarms import Swarm as Group

        points, rank = swarm.shown(self.norm)
        positions = np.array([p.position for p in swarm.particles])
        group = Group(positions, np.zeros_like(positions), pbest_pos=points, pbest_cost=rank)
        near = min(self.neighbours, len(positions))
        best, _ = topology.compute_gbest(group, p=self.norm, k=near)
        rows = {p.number: row for row, p in enumerate(swarm.particles)}
        everyone = np.broadcast_to(best, positions.shape)
        return np.array(everyone[[rows[p.number] for p in movers]])

    def _bounded(self, topology: Any, group: Any) -> Array:
        """Positions after the step, put back into the cube.

        One particle at a time, because "random" would send all that left to one place; "shrink"
        and "intermediate" need to be told where it came from.
        """
        from pyswarms.backend.handlers import BoundaryHandler
        from pyswarms.backend.swarms import Swarm as Group

        handler = BoundaryHandler(self.boundary)
        found = []
        for x, v in zip(group.position, group.velocity, strict=True):
            one = Group(x[None, :], v[None, :])
            handler.memory = x[None, :].copy()
            found.append(topology.compute_position(one, _cube(len(x)), handler)[0])
        # what rounding left outside
        return np.clip(np.array(found, dtype=np.float64), 0.0, 1.0)

    def _kept(self, group: Any, positions: Array) -> Array:
        """Velocities after the strategy; `group` still stands where it was.

        GlobalBestPSO applies the strategy to positions already put back, where "invert" and "zero"
        never act and "adjust" stops the swarm for good; here they get what they were meant for.
        """
        if self.velocity == "unmodified":
            return np.asarray(group.velocity)
        from pyswarms.backend.handlers import VelocityHandler

        handler = VelocityHandler(self.velocity)
        handler.memory = group.position
        reached = positions if self.velocity == "adjust" else group.position + group.velocity
        bounds = _cube(group.dimensions)
        kept = handler(group.velocity.copy(), self.velocity_clamp, position=reached, bounds=bounds)
        return np.asarray(kept)


def _personal_best(swarm: Swarm, particle: Particle) -> Array:
    if particle.best is None:
        raise ValueError(f"particle {particle.number} has no personal best to move from")
    best: Array = swarm.points[particle.best]
    return best


def _cube(dimension: int) -> tuple[Array, Array]:
    return np.zeros(dimension), np.ones(dimension)
