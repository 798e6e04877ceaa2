"""The first phase: settings spread over the feasible space before any model is trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from loop.optimizers.bo_data import Array, encoded
from loop.optimizers.bo_openings import MOST_SCANNED, Openings, listing

if TYPE_CHECKING:
    from campaigns.records import Setting
    from campaigns.space import Space

SMALLEST_BLOCK, LARGEST_BLOCK = 64, 4096  # Sobol points tried; powers of two keep their balance
DRAWS_A_SETTING = 16  # candidates a setting in best-candidate sampling
FRUITLESS_DRAWS = 2048  # random feasible settings none of which is new: the space counts as used up


def spread(openings: Openings, n: int, rng: np.random.Generator) -> list[Setting]:
    """Up to n settings that may be asked, spread out; marks them taken.

    One scrambled Sobol sequence a campaign (Owen 1998; scrambled by its seed) is read from its
    start in every call, and what was asked before is passed over: successive calls continue one
    low-discrepancy design. Countable spaces take the candidate nearest to each point. Where sums
    hold, or the sequence hits too few feasible settings, best-candidate sampling from uniform
    feasible draws stands in (Mitchell 1991).
    """
    space = openings.campaign.space
    known = listing(space)
    if known is not None:
        return _nearest(openings, openings.open(known), n)
    found = [] if space.sums else _along_sobol(openings, n)
    return found + best_candidates(openings, n - len(found), rng)


def best_candidates(openings: Openings, n: int, rng: np.random.Generator) -> list[Setting]:
    """Up to n settings drawn uniformly from what is open, each far from all asked so far."""
    space = openings.campaign.space
    asked = [trial.parameters for trial in openings.history.trials.values()]
    taken: Array = encoded(openings.campaign, asked)
    chosen: list[Setting] = []
    while len(chosen) < n:
        draws = openings.open(drawn(space, DRAWS_A_SETTING, rng))
        draws = draws or openings.open(drawn(space, FRUITLESS_DRAWS, rng))
        draws = draws or openings.open(listing(space, MOST_SCANNED) or ())[:FRUITLESS_DRAWS]
        if not draws:
            break
        x = encoded(openings.campaign, draws)
        if len(taken):
            distance = ((x[:, None, :] - taken[None, :, :]) ** 2).sum(-1).min(axis=1)
        else:
            distance = np.zeros(len(x))
        pick = int(distance.argmax())
        openings.take(draws[pick])
        chosen.append(draws[pick])
        taken = np.concatenate([taken, x[pick : pick + 1]])
    return chosen


def drawn(space: Space, n: int, rng: np.random.Generator) -> list[Setting]:
    """n uniform feasible settings; none where the space finds nothing feasible."""
    try:
        return list(space.sample(n, rng))
    except ValueError:
        return []


def _along_sobol(openings: Openings, n: int) -> list[Setting]:
    campaign = openings.campaign
    points = _sobol(campaign.space.dimension, campaign.seed)
    chosen: list[Setting] = []
    start, stop = 0, SMALLEST_BLOCK
    while len(chosen) < n and start < LARGEST_BLOCK:
        for setting in campaign.space.decode(points[start:stop]):
            if len(chosen) < n and openings.usable([setting]):
                openings.take(setting)
                chosen.append(setting)
        start, stop = stop, 2 * stop
    return chosen


def _nearest(openings: Openings, candidates: list[Setting], n: int) -> list[Setting]:
    campaign = openings.campaign
    if not candidates:
        return []
    x = encoded(campaign, candidates)
    free = np.ones(len(candidates), dtype=bool)
    chosen: list[Setting] = []
    asked = len(openings.history.trials)
    points = _sobol(campaign.space.dimension, campaign.seed)
    for i in range(n):
        if not free.any():  # each once: now second places, where replicates are allowed
            free = np.array([openings.room(candidate) for candidate in candidates])
            if not free.any():
                break
        distance = ((x - points[(asked + i) % len(points)]) ** 2).sum(-1)
        pick = int(np.where(free, distance, np.inf).argmin())
        free[pick] = False
        openings.take(candidates[pick])
        chosen.append(candidates[pick])
    return chosen


def _sobol(dimension: int, seed: int) -> Array:
    """The first points of the campaign's sequence, LARGEST_BLOCK x dimension."""
    from scipy.stats import qmc

    engine = qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng([seed, 0]))
    points: Array = engine.random(LARGEST_BLOCK)
    return points
