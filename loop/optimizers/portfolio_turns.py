"""Whose turn it is among the members of a portfolio, told from the history alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from campaigns.records import Bound, Purpose, Trial
from loop.optimizers.evidence import Evidence

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from loop.history import History

QUARTER = 4  # one in so many outcomes counts as a success


@dataclass(frozen=True)
class Record:
    """What each member has had so far, by its name, in the order of the members.

    turns: trials it asked for, under way or over; successes, failures: those judged so far.
    """

    turns: dict[str, int]
    successes: dict[str, int]
    failures: dict[str, int]

    @classmethod
    def of(
        cls, campaign: Campaign, history: History, members: Sequence[str], *, judged: bool
    ) -> Record:
        """The members' records; trials are judged only where `judged` (for one objective).

        A trial succeeds while its outcome is among the best quarter of all outcomes of the
        campaign (at least one), and keeps the outcome constraints. It fails with any other
        outcome, and where it ended without one. Trials that are under way, excluded, or whose
        outcome is only a bound count neither way.
        """
        mine = [
            trial
            for trial in history.trials.values()
            if trial.purpose is Purpose.SEARCH and trial.author in members
        ]
        turns = Counter(trial.author for trial in mine)
        good: Counter[str] = Counter()
        bad: Counter[str] = Counter()
        if judged:
            judge = _Judge(campaign, history)
            for trial in mine:
                verdict = judge.verdict(trial)
                if verdict is not None:
                    (good if verdict else bad)[trial.author] += 1
        return cls(
            {name: turns[name] for name in members},
            {name: good[name] for name in members},
            {name: bad[name] for name in members},
        )


def in_turn(record: Record, count: int) -> dict[str, int]:
    """`count` turns, each to the member that had the fewest so far, the first one among equals."""
    had, given = dict(record.turns), Counter[str]()
    for _ in range(count):
        name = min(had, key=had.__getitem__)
        had[name] += 1
        given[name] += 1
    return {name: given[name] for name in had if given[name]}


def by_credit(
    record: Record, count: int, minimum_share: float, rng: np.random.Generator
) -> dict[str, int]:
    """`count` turns by Thompson sampling (Thompson 1933; Chapelle & Li 2011).

    A member's chance of success has the belief Beta(1 + successes, 1 + failures). Each turn goes
    to the member with the largest draw, unless one would fall below `minimum_share` of all turns:
    then to the one with the fewest.
    """
    had, given = dict(record.turns), Counter[str]()
    for _ in range(count):
        draws = {
            name: float(rng.beta(1 + record.successes[name], 1 + record.failures[name]))
            for name in had
        }
        fewest = min(had, key=had.__getitem__)
        short = had[fewest] < minimum_share * (sum(had.values()) + 1)
        name = fewest if short else max(draws, key=draws.__getitem__)
        had[name] += 1
        given[name] += 1
    return {name: given[name] for name in had if given[name]}


class _Judge:
    """Tells a trial's success; see `Record.of`."""

    def __init__(self, campaign: Campaign, history: History) -> None:
        evidence = Evidence.of(campaign, history)
        self._history, self._barred = history, evidence.barred
        self._metric, self._sign = evidence.objective.metric, evidence.objective.sign
        known = np.sort(evidence.y)[::-1]
        self._bar = float(known[math.ceil(len(known) / QUARTER) - 1]) if len(known) else math.inf

    def verdict(self, trial: Trial) -> bool | None:
        outcome = trial.outcomes.get(self._metric)
        if trial.excluded or (outcome is not None and outcome.bound is not Bound.EXACT):
            return None
        if outcome is None:
            return False if trial.state.terminal else None
        kept = self._history.key(trial.parameters) not in self._barred
        return kept and outcome.mean * self._sign >= self._bar
