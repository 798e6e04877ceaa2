"""Which settings may still be asked for, and the whole list of them where a space is countable."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.parameter import Parameter
    from campaigns.records import Setting, Value
    from campaigns.space import Space
    from loop.history import History, Key

MOST_SCORED = 10_000  # settings of a countable space that are worth scoring one by one
MOST_SCANNED = 1_000_000  # settings of a countable space looked through before it counts as used up


@dataclass
class Candidates:
    """Settings that may be named at all: feasible, and not known to have failed as infeasible.

    fidelity: what would measure them; "" is the campaign's instrument
    """

    campaign: Campaign
    history: History
    fidelity: str = ""

    def room(self, setting: Setting) -> bool:
        """True where a feasible setting may be named."""
        return not self.history.infeasible(setting, self.fidelity)

    def open(self, settings: Iterable[Setting]) -> list[Setting]:
        """Those of the settings, known to be feasible, with room; in order, none twice."""
        found: dict[Key, Setting] = {}
        for setting in settings:
            key = self.history.key(setting)
            if key not in found and self.room(setting):
                found[key] = setting
        return list(found.values())

    def usable(self, settings: Iterable[Setting]) -> list[Setting]:
        """Those of the settings that are feasible and have room; in order, none twice."""
        return [one for one in self.open(settings) if self.campaign.space.feasible(one)]


@dataclass
class Openings(Candidates):
    """What is left to ask, given the history and what this answer holds already (`taken`)."""

    taken: Counter[Key] = field(default_factory=Counter)

    def room(self, setting: Setting) -> bool:
        """True where a feasible setting may be asked once more."""
        if not super().room(setting):
            return False
        before = self.history.asked(setting, self.fidelity)
        asked = before + self.taken[self.history.key(setting)]
        return asked < self.campaign.optimizer.replicates

    def take(self, setting: Setting) -> None:
        """The setting is part of this answer."""
        self.taken[self.history.key(setting)] += 1


def listing(space: Space, most: int = MOST_SCORED) -> list[Setting] | None:
    """Every feasible setting of a space of at most `most` combinations, else None."""
    if space.rows is not None:
        return list(space.candidates) if len(space.rows) <= most else None
    levels = [_levels(parameter) for parameter in space.parameters]
    if any(level is None for level in levels):
        return None
    known = [level for level in levels if level is not None]
    if math.prod(len(level) for level in known) > most:
        return None
    if space.finite:
        return list(space.candidates)
    products = (dict(zip(space.names, values, strict=True)) for values in itertools.product(*known))
    return [space.complete(setting) for setting in products if space.feasible(setting)]


def _levels(parameter: Parameter) -> range | tuple[Value, ...] | None:
    from campaigns.parameter import Choice, Integer

    match parameter:
        case Choice():
            return parameter.options
        case Integer():
            return range(parameter.low, parameter.high + 1)
        case _:
            return None
