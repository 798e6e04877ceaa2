"""Which settings of a recommended front are measured once more where not all of them can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from campaigns.records import Estimate, Recommendation, Setting

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from loop.optimizers.gaussian_process import Array

MARGIN = 0.1  # of a front's range: how far behind its worst values the reference lies


def to_check(campaign: Campaign, winner: Recommendation) -> list[Setting]:
    """The recommended setting, then those of the front: the ones that add most hypervolume by
    what is believed of them, one after the other (greedy; Nemhauser et al. 1978 bound the loss)."""
    spec = campaign.recommend.check
    front = [(setting, told) for setting, told in winner.front if setting != winner.parameters]
    most = len(front) if spec is None or spec.most is None else spec.most - 1
    if most >= len(front):
        return [winner.parameters, *(setting for setting, _ in front)]
    first = (winner.parameters, winner.objectives)
    rows = _utilities(campaign, [told for _, told in (first, *front)])
    return [winner.parameters, *(front[place - 1][0] for place in _spanning(rows, most))]


def _utilities(campaign: Campaign, told: Sequence[Mapping[str, Estimate]]) -> Array:
    """n x objectives, all to be maximised, each scaled to the front's range."""
    import numpy as np

    from loop.state import goodness

    rows = np.array(
        [[goodness(one, t[one.metric].mean) for one in campaign.objectives] for t in told],
        dtype=np.float64,
    )
    low, span = rows.min(axis=0), np.ptp(rows, axis=0)
    return np.asarray((rows - low) / np.where(span > 0.0, span, 1.0))


def _spanning(rows: Array, count: int) -> list[int]:
    """The places of `count` rows beside the first that add most hypervolume, best first."""
    import numpy as np

    from loop.optimizers.hypervolume import hypervolume

    reference = np.full(rows.shape[1], -MARGIN)
    taken: list[int] = [0]
    for _ in range(count):
        left = [place for place in range(len(rows)) if place not in taken]
        gains = [hypervolume(rows[[*taken, place]], reference) for place in left]
        taken.append(left[int(np.argmax(gains))])
    return taken[1:]
