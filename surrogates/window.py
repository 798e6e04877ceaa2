"""Which cycles early prediction looks at, from five cycles on."""

from __future__ import annotations

from dataclasses import dataclass

# Below five there are not two pairs of curves to compare from cycle 2 on.
SHORTEST_HORIZON_CYCLES = 5
# From here on five curves fit at either end, and the published choice of cycle 10 can be kept to.
SHORT_HORIZON_CYCLES = 12
FIRST_CYCLE = 2  # cycle 1 is formation, or missing


@dataclass(frozen=True)
class Window:
    """What is looked at: which cycles, and how many neighbouring curves are averaged.

    dQ(V) is the mean curve over the last cycles up to ``at_cycle`` minus that over as many cycles
    about ``reference_cycle``: ``n_averaged`` of them where there is room. No cycle after
    ``at_cycle`` is ever used. ``reference`` names another earlier cycle than the usual one.

    Raises ValueError for a reference that is not between cycle 2 and ``at_cycle``.
    """

    at_cycle: int
    n_averaged: int
    reference: int | None = None

    def __post_init__(self) -> None:
        if self.reference is not None and not FIRST_CYCLE <= self.reference < self.at_cycle:
            raise ValueError(
                f"the reference cycle is {self.reference}, "
                f"it must lie between {FIRST_CYCLE} and {self.at_cycle - 1}"
            )

    @property
    def n_curves(self) -> int:
        """How many curves are averaged at either end.

        ``n_averaged``, and for the shortest horizons half of the cycles from cycle 2 on: five
        from 11 cycles on, two at 5. The two windows never share a cycle.
        """
        return min(self.n_averaged, (self.at_cycle - FIRST_CYCLE + 1) // 2)

    @property
    def reference_cycle(self) -> int:
        """Cycle 10 (Severson et al. 2019), earlier for horizons below 50 cycles.

        A tenth of the way leaves too little ageing between the two curves when the horizon is
        short: a fifth, and not before cycle 4, keeps both windows apart down to 12 cycles, a
        third, and not before cycle 2, below.
        """
        if self.reference is not None:
            return self.reference
        if self.at_cycle < SHORT_HORIZON_CYCLES:
            return max(FIRST_CYCLE, self.at_cycle // 3)
        return min(10, max(4, self.at_cycle // 5))

    @property
    def late(self) -> tuple[int, int]:
        """First and last cycle of the later curve."""
        return self.at_cycle - self.n_curves + 1, self.at_cycle

    @property
    def early(self) -> tuple[int, int]:
        """First and last cycle of the earlier curve."""
        first = max(FIRST_CYCLE, self.reference_cycle - self.n_curves // 2)
        return first, first + self.n_curves - 1

    @property
    def tail_cycles(self) -> int:
        """Length of the last stretch on which the recent fade is measured."""
        if self.at_cycle < SHORT_HORIZON_CYCLES:
            return self.at_cycle // 2 + 1
        return max(8, self.at_cycle // 4)
