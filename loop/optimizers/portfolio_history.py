"""A history that already holds proposals which are still being put together."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from campaigns.records import Proposal, Purpose
from loop.events import Proposed, ProposedTrial
from loop.history import History


def foreseen(history: History, proposals: Sequence[Proposal]) -> History:
    """The history with the proposals as pending trials; itself where there are none.

    The given history stays as it is. Costs O(number of trials), as trials are shared.
    """
    if not proposals:
        return history
    ahead = copy(history)
    vars(ahead).update({name: copy(value) for name, value in vars(history).items()})
    trials = tuple(ProposedTrial(dict(p.parameters), p.author, dict(p.meta)) for p in proposals)
    ahead.apply(
        history.seen,
        Proposed(
            time=0.0,
            seen=history.seen,
            n=len(trials),
            first=history.next_number,
            optimizer=proposals[0].author,
            purpose=Purpose.SEARCH,
            trials=trials,
        ),
    )
    return ahead
