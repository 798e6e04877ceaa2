"""The rule by which corrupt discharge curves of a cell are found and replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A 1.1 Ah cell never delivers 1.5 Ah, nor noticeably less than nothing. Both limits are kept as
# multiples of the cell's own median capacity, so the rule holds for cells of any size.
HIGHEST_OF_TYPICAL = 1.5 / 1.1
LOWEST_OF_TYPICAL = -0.05
# Sound neighbouring curves of the Severson 2019 cells differ by 0.5 to 20 mAh, by temperature. A
# single curve is corrupt when it is off by more than 3 % of capacity and five typical differences.
JUMP_OF_TYPICAL = 0.03
JUMP_OF_JITTER = 5.0
# Fade is close to linear over this many cycles, so interpolation is safe; beyond it, it is a guess.
LONGEST_GAP_CYCLES = 15
LONGEST_EDGE_GAP_CYCLES = 5
LARGEST_CORRUPT_SHARE = 0.25


@dataclass(frozen=True)
class Repair:
    """One curve that was replaced.

    ``cycle`` is the cycle number, ``reason`` says what was wrong, and ``recorded`` keeps the
    curve as it came (``n_voltages``, Ah), so that a repair can be undone.
    """

    cycle: int
    reason: str
    recorded: FloatArray = field(repr=False, compare=False)


def find_corrupt(q: FloatArray) -> dict[int, str]:
    """Columns of ``q`` (``n_voltages x n_cycles``, Ah) that are corrupt, each with its reason.

    A column is corrupt if it holds a non-finite value, a capacity outside -0.05 to 1.36 times the
    cell's median capacity, or if it alone jumps off the median of its neighbours (Hampel 1974).
    A lasting step is not a jump. Raises ValueError if no column is finite or capacity is not
    positive.
    """
    highest, lowest = q.max(axis=0), q.min(axis=0)
    finite = np.isfinite(highest) & np.isfinite(lowest)
    if not finite.any():
        raise ValueError("no cycle has a complete curve")
    typical = float(np.median(highest[finite]))
    if typical <= 0.0:
        raise ValueError(f"the median capacity is {typical:g} Ah, it must be positive")
    corrupt = {int(j): "non-finite value" for j in np.flatnonzero(~finite)}
    with np.errstate(invalid="ignore"):
        too_high = finite & (highest > HIGHEST_OF_TYPICAL * typical)
        too_low = finite & (lowest < LOWEST_OF_TYPICAL * typical)
    for j in np.flatnonzero(too_high):
        corrupt[int(j)] = f"capacity {highest[j]:.3g} Ah out of range"
    for j in np.flatnonzero(too_low & ~too_high):
        corrupt[int(j)] = f"capacity {lowest[j]:.3g} Ah out of range"
    corrupt.update(_find_jumps(q, [j for j in range(q.shape[1]) if j not in corrupt], typical))
    return dict(sorted(corrupt.items()))


def _find_jumps(q: FloatArray, sound: list[int], typical: float) -> dict[int, str]:
    """Single columns that lie off the median of their (up to five) sound neighbours."""
    n = len(sound)
    if n < 5:
        return {}
    curves = q if n == q.shape[1] else q[:, sound]
    bend = curves[:, :-2] + curves[:, 2:]
    bend *= -0.5
    bend += curves[:, 1:-1]
    jitter = np.abs(bend, out=bend).max(axis=0)
    limit = max(JUMP_OF_TYPICAL * typical, JUMP_OF_JITTER * float(np.median(jitter)))
    # A lone jump of size d bends the sequence by d, so half the limit screens without misses.
    suspects = [0, *(int(k) + 1 for k in np.flatnonzero(jitter > 0.5 * limit)), n - 1]
    jumps = {}
    for k in suspects:
        half = min(2, k, n - 1 - k)  # at an end, the window is the outermost three curves
        first = min(k - half, n - 3)
        window = curves[:, first : first + max(2 * half + 1, 3)]
        jump = float(np.abs(curves[:, k] - np.median(window, axis=1)).max())
        if jump > limit:
            jumps[sound[k]] = f"jumps {jump:.3g} Ah off its neighbours"
    return jumps


def check_gaps(cycles: IntArray, corrupt: Mapping[int, str]) -> None:
    """Raise ValueError when too many cycles are corrupt to be replaced by interpolation."""
    n = len(cycles)
    if len(corrupt) > LARGEST_CORRUPT_SHARE * n:
        raise ValueError(
            f"{len(corrupt)} of {n} cycles are missing or corrupt, "
            f"at most {LARGEST_CORRUPT_SHARE:.0%} can be repaired"
        )
    for first, last in _runs(sorted(corrupt)):
        edge = first == 0 or last == n - 1
        before = cycles[first] - 1 if first == 0 else cycles[first - 1]
        after = cycles[last] + 1 if last == n - 1 else cycles[last + 1]
        allowed = LONGEST_EDGE_GAP_CYCLES if edge else LONGEST_GAP_CYCLES
        if after - before - 1 > allowed:
            raise ValueError(
                f"cycles {before + 1} to {after - 1} are missing or corrupt, "
                f"at most {allowed} in a row can be repaired {'at an end' if edge else 'inside'}"
            )


def _runs(columns: list[int]) -> list[tuple[int, int]]:
    """First and last column of each unbroken run in a sorted list."""
    runs: list[tuple[int, int]] = []
    for j in columns:
        if runs and j == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], j)
        else:
            runs.append((j, j))
    return runs


def interpolate(q: FloatArray, cycles: IntArray, corrupt: Mapping[int, str]) -> None:
    """Replace corrupt columns of ``q`` in place, linearly in cycle number between sound ones.

    At either end, where there is a neighbour on one side only, its curve is held.
    """
    sound = np.array([j for j in range(len(cycles)) if j not in corrupt])
    for j in corrupt:
        k = int(np.searchsorted(sound, j))
        left, right = sound[max(k - 1, 0)], sound[min(k, len(sound) - 1)]
        if k in (0, len(sound)):
            q[:, j] = q[:, left]
            continue
        share = float(cycles[j] - cycles[left]) / float(cycles[right] - cycles[left])
        q[:, j] = (1.0 - share) * q[:, left] + share * q[:, right]
