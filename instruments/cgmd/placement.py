"""Random starts: particles placed so that they overlap little, before forces take over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TRIES = 400  # for an active particle to find room
_CANDIDATES = 30  # for a bead


def place(
    diameters_um: NDArray[np.float64], large: int, edge_um: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Positions (n x 3) in a periodic cube.

    The first `large` particles, in descending size, are placed by random sequential addition (the
    widest of the places tried where none is free); each of the rest goes to the roomiest of a few
    random places.
    """
    radii = 0.5 * np.asarray(diameters_um, dtype=np.float64)
    positions = np.empty((len(radii), 3))
    order = np.concatenate(
        [np.argsort(-radii[:large], kind="stable"), np.arange(large, len(radii))]
    )
    for count, index in enumerate(order):
        taken = order[:count]
        tries = _TRIES // 20 if count < large else 1
        positions[index] = _roomiest(
            positions[taken], radii[taken] + radii[index], edge_um, tries, rng
        )
    return positions


def _roomiest(
    others: NDArray[np.float64],
    reach: NDArray[np.float64],
    edge_um: float,
    tries: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """The candidate with the widest gap to its nearest neighbour; stops at the first free round."""
    best: NDArray[np.float64] = np.zeros(3)
    widest = -np.inf
    for _ in range(tries):
        candidates = rng.uniform(0.0, edge_um, size=(_CANDIDATES, 3))
        if not len(others):
            best = candidates[0]
            break
        apart = candidates[:, None, :] - others[None, :, :]
        apart -= edge_um * np.round(apart / edge_um)
        gaps = (np.sqrt((apart**2).sum(axis=2)) - reach).min(axis=1)
        winner = int(gaps.argmax())
        if gaps[winner] > widest:
            best, widest = candidates[winner], float(gaps[winner])
        if widest > 0.0:
            break
    return best
