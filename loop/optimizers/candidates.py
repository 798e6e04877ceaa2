"""Which settings an optimiser may still ask for, and where else it may look in an endless space."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from campaigns.records import NOTHING, Proposal, Setting
from campaigns.space import Choice, Continuous
from loop.optimizers.base import Exhausted

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.space import Space
    from loop.history import History, Key

MOST_DRAWS = 2048  # draws without a new setting after which an endless space counts as used up
LISTABLE = 100_000  # settings of whole numbers and choices that are gone through one by one
MOST_CANDIDATES = 10_000  # of a finite space that a model looks at one by one
LOCAL_SHARE = 4  # one in so many sampled candidates lies near a good setting
LOCAL_STEPS = (0.03, 0.1, 0.3)  # of the way from it to a random setting


class Answer:
    """A list of proposals in the making, which no setting enters more often than allowed.

    A setting is allowed while it was proposed less than `replicates` times, counting this answer,
    and no trial showed it to be infeasible.
    """

    def __init__(self, campaign: Campaign, history: History, wanted: int) -> None:
        self._history = history
        self._author = campaign.optimizer.kind
        self._replicates = campaign.optimizer.replicates
        self._taken: Counter[Key] = Counter()
        self.proposals: list[Proposal] = []
        self.wanted = wanted

    @property
    def missing(self) -> int:
        """How many proposals are still wanted."""
        return self.wanted - len(self.proposals)

    def room(self, setting: Setting) -> int:
        """How often the setting may be asked for beyond this answer."""
        if self._history.infeasible(setting):
            return 0
        asked = self._history.asked(setting)
        if self._taken:
            asked += self._taken[self._history.key(setting)]
        return max(0, self._replicates - asked)

    def allows(self, setting: Setting) -> bool:
        """Whether the setting may be asked for once more."""
        return self.room(setting) > 0

    def holds(self, setting: Setting) -> bool:
        """Whether the answer has the setting already."""
        return self._taken[self._history.key(setting)] > 0

    def take(self, setting: Setting, meta: dict[str, Any] | None = None) -> None:
        """Add a setting. Raises ValueError where it is not allowed."""
        if not self.allows(setting):
            raise ValueError(f"the setting {dict(setting)} may not be asked for again")
        self._taken[self._history.key(setting)] += 1
        self.proposals.append(Proposal(dict(setting), self._author, meta or NOTHING))

    def complete(self, space: Space) -> list[Proposal]:
        """The proposals. Raises Exhausted, with those there are, where fewer than wanted exist."""
        if not self.missing:
            return self.proposals
        times = "" if self._replicates == 1 else f" {self._replicates} times"
        if space.finite:
            reason = f"all {len(space.candidates)} candidates have been asked for{times}"
        else:
            reason = f"no setting that has not been asked for{times} was found"
        raise Exhausted(reason, self.proposals)


def fill(answer: Answer, space: Space, draw: Callable[[], Setting]) -> None:
    """Take drawn settings until the answer is full or nothing new turns up.

    Costs O(1) a proposal while most draws are allowed; where many in a row are not, the settings
    of a listable space are gone through in order.
    """
    misses = 0
    while answer.missing and misses < MOST_DRAWS:
        setting = draw()
        if answer.allows(setting):
            answer.take(setting)
            misses = 0
        else:
            misses += 1
    if answer.missing:
        sweep(answer, space)


def sweep(answer: Answer, space: Space) -> None:
    """Take what is allowed of a listable space, in its order, until the answer is full."""
    for setting in listing(space):
        while answer.missing and answer.allows(setting):
            answer.take(setting)
        if not answer.missing:
            return


def listing(space: Space) -> Iterator[Setting]:
    """Every feasible setting where they can be counted (up to LISTABLE), else nothing."""
    if space.finite:
        yield from space.candidates
        return
    axes: list[Sequence[Any]] = []
    count = 1
    for parameter in space.parameters:
        if isinstance(parameter, Continuous):
            return
        if isinstance(parameter, Choice):
            axes.append(parameter.options)
        else:
            axes.append(range(int(parameter.low), int(parameter.high) + 1))
        count *= len(axes[-1])
    if count > LISTABLE:
        return
    for values in itertools.product(*axes):
        setting = space.complete(dict(zip(space.names, values, strict=True)))
        if space.feasible(setting):
            yield setting


def pool(
    space: Space, n: int, near: Sequence[Setting], rng: np.random.Generator
) -> Sequence[Setting]:
    """The settings to choose among: all of a finite space, else about n different sampled ones.

    One in four samples lies on the way from one of the settings `near` to a random one, which
    keeps every convex rule; `near` itself is included, so that good settings can be repeated. A
    finite space of more than MOST_CANDIDATES settings is sampled too.
    """
    if space.finite and len(space.candidates) <= MOST_CANDIDATES:
        return space.candidates
    spread = space.sample(n, rng)
    if not near:
        return _different(space, spread)
    count = max(1, n // LOCAL_SHARE)
    start = space.encode([near[i % len(near)] for i in range(count)])
    steps = rng.choice(LOCAL_STEPS, size=(count, 1))
    local = space.landed(start + steps * (space.encode(spread[:count]) - start))
    found = [*near, *(s for s in local if space.feasible(s)), *spread[count:]]
    return _different(space, found)


def _different(space: Space, settings: Sequence[Setting]) -> list[Setting]:
    """Each setting once, at its first place."""
    return list({space.key(setting): setting for setting in reversed(settings)}.values())[::-1]
