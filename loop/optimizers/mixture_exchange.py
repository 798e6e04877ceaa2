"""Optimal experimental designs: which settings tell most about a polynomial, by point exchange."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.intp]
Optimality: TypeAlias = Literal["D", "I"]

# Prior information on every function of the basis (DuMouchel and Jones 1994): fewer runs than terms
# still have a best design, and a millionth of one run changes none that is not degenerate.
PRIOR = 1e-6
MOST_PASSES = 20
STARTS = 3
GAIN = 1e-9  # an exchange that gains less is rounding


@dataclass(frozen=True, eq=False)
class Exchange:
    """One search for a design.

    Attributes:
        functions: an orthonormal basis at the candidates, n x p.
        given: the same at what is run in any case, m x p.
        optimality: "D" makes log det(F'F) large, "I" makes trace((F'F)^-1) small, which is the
            variance of the predicted mean averaged over the region, in units of the noise
            variance, because the basis is orthonormal there.
    """

    functions: Array
    given: Array
    optimality: Optimality

    def gains(self, information: Array) -> Array:
        """By how much each candidate, added to the runs behind `information` (p x p), improves the
        criterion, n: log(1 + f'Af), or f'AAf / (1 + f'Af), with A its inverse."""
        turned = self.functions @ np.linalg.inv(information)
        variance = np.einsum("ij,ij->i", turned, self.functions)
        if self.optimality == "D":
            return np.asarray(np.log1p(variance))
        return np.asarray(np.einsum("ij,ij->i", turned, turned) / (1.0 + variance))

    def score(self, information: Array) -> float:
        """The criterion, larger being better."""
        if self.optimality == "D":
            return float(np.linalg.slogdet(information)[1])
        return -float(np.trace(np.linalg.inv(information)))

    def information(self, picks: Sequence[int]) -> Array:
        """F'F of what is given and of the picks, with the prior."""
        rows = self.functions[np.asarray(picks, dtype=np.intp)]
        prior = PRIOR * np.eye(self.functions.shape[1])
        return np.asarray(self.given.T @ self.given + rows.T @ rows + prior)

    def added(self, picks: Sequence[int], runs: int, room: Counts) -> list[int]:
        """The picks and up to `runs` more, each the best addition to those before it; no candidate
        oftener than it has `room` (n)."""
        chosen = list(picks)
        used = np.bincount(np.asarray(chosen, dtype=np.intp), minlength=len(room))
        information = self.information(chosen)
        for _ in range(runs):
            if not (used < room).any():
                break
            best = int(np.where(used < room, self.gains(information), -np.inf).argmax())
            chosen.append(best)
            used[best] += 1
            information += np.outer(self.functions[best], self.functions[best])
        return chosen

    def design(self, runs: int, room: Counts, rng: np.random.Generator) -> list[int]:
        """Candidates for up to `runs` runs: the best of several exchanges (Fedorov 1972; one run at
        a time as in Cook and Nachtsheim 1980), from the greedy design and from random starts."""
        runs = min(runs, int(room.sum()))
        greedy = self.added([], runs, room)
        places = np.repeat(np.arange(len(room)), room)
        starts = [greedy, *(rng.permutation(places)[:runs].tolist() for _ in range(STARTS - 1))]
        ends = [self._exchanged(start, room) for start in starts]
        return max(ends, key=lambda picks: self.score(self.information(picks)))

    def _exchanged(self, start: Sequence[int], room: Counts) -> list[int]:
        """The picks, each replaced by the best candidate until none of them moves."""
        picks = list(start)
        used = np.bincount(np.asarray(picks, dtype=np.intp), minlength=len(room))
        for _ in range(MOST_PASSES):
            moved = False
            for place, pick in enumerate(picks):
                used[pick] -= 1
                others = self.information([*picks[:place], *picks[place + 1 :]])
                gains = np.where(used < room, self.gains(others), -np.inf)
                best = int(gains.argmax())
                if gains[best] > gains[pick] + GAIN * max(1.0, abs(float(gains[pick]))):
                    picks[place], moved = best, True
                used[picks[place]] += 1
            if not moved:
                break
        return picks


def farthest(x: Array, given: Array, runs: int, room: Counts) -> list[int]:
    """Up to `runs` candidates (of n x d), each the farthest from all before it and from what is
    given (m x d): its least distance is at least half the largest possible (Gonzalez 1985; as a
    design Kennard and Stone 1969). The first is the one nearest to the middle."""
    used = np.zeros(len(room), dtype=np.intp)
    distance = np.full(len(x), np.inf)
    for row in given:
        distance = np.minimum(distance, ((x - row) ** 2).sum(axis=1))
    chosen: list[int] = []
    for _ in range(min(runs, int(room.sum()))):
        alone = bool(np.isinf(distance).all())
        worth = -((x - x.mean(axis=0)) ** 2).sum(axis=1) if alone else distance
        best = int(np.where(used < room, worth, -np.inf).argmax())
        chosen.append(best)
        used[best] += 1
        distance = np.minimum(distance, ((x - x[best]) ** 2).sum(axis=1))
    return chosen
