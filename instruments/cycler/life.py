"""The life of one simulated cell, computed in blocks of twenty cycles, many cells together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instruments.cycler.cell import END_OF_LIFE_CAPACITY_AH, CellParameters
from instruments.cycler.cohort import LANES, Cohort, Specimen
from instruments.cycler.degradation import (
    CYCLES_PER_STEP,
    advance,
    charge_temperature_k,
    electrodes,
    fresh,
    mean_over_charge,
)
from instruments.cycler.discharge import CURVE_POINTS, Discharge, capacity_ah, curves_ah
from instruments.cycler.half_cell import Array
from instruments.cycler.noise import Noise

BLOCK: Final = 20
_STEPS: Final = BLOCK // CYCLES_PER_STEP

# The response to a cell temperature off by a fraction of a kelvin is a parabola through these.
_WARMER_K: Final = (-1.0, 0.0, 1.0)

# Curves are computed at the ends and the middle of a block, and a parabola in the cycle number
# joins them. Close to the knee (graphite nearly full) they move too fast: there, every cycle.
_CURVE_CYCLES: Final = (0, BLOCK // 2, BLOCK)
_FULLEST_SMOOTH: Final = 0.95
_LANES_AT_ONCE: Final = 16 * LANES


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Noise-free facts of one block at its steps (``s = 5``), both ends included.

    states: ``s x 4``; capacity_ah: ``s x 3``, at each of the temperatures about the nominal one;
    resistance_ohm, temperature_k: ``s``; fullest: largest lithium content of the graphite
    """

    states: Array
    capacity_ah: Array
    resistance_ohm: Array
    temperature_k: Array
    fullest: float


@dataclass(slots=True, eq=False)
class CellLife:
    """One cell from new on: what is known so far, measured cycle by cycle.

    cycle_life is the first cycle measured below 0.88 Ah, None until the cell gets there. All data
    are functions of the specimen, the seed and the noise alone, however they were asked for.
    """

    specimen: Specimen
    seed: tuple[int, ...]
    noise: Noise
    cell: CellParameters
    blocks: list[Block] = field(default_factory=list)
    capacity_ah: Array = field(default_factory=lambda: np.empty(0))
    resistance_ohm: Array = field(default_factory=lambda: np.empty(0))
    temperature_k: Array = field(default_factory=lambda: np.empty(0))
    cycle_life: int | None = None

    @property
    def cycles(self) -> int:
        """Cycles simulated so far."""
        return BLOCK * len(self.blocks)

    def _append(self, block: Block) -> None:
        number = len(self.blocks)
        noise = self.noise.cycles(self.seed, number, BLOCK)
        parabola = _parabola(noise.warmer_k)
        measured = noise.gain * sum(
            weight * _per_cycle(block.capacity_ah[:, k]) for k, weight in enumerate(parabola)
        )
        resistance = _per_cycle(block.resistance_ohm) * noise.resistance
        temperature = _per_cycle(block.temperature_k) + noise.warmer_k + noise.thermometer_k
        self.blocks.append(block)
        self.capacity_ah = np.concatenate([self.capacity_ah, measured])
        self.resistance_ohm = np.concatenate([self.resistance_ohm, resistance])
        self.temperature_k = np.concatenate([self.temperature_k, temperature])
        dead = np.flatnonzero(measured < END_OF_LIFE_CAPACITY_AH)
        if self.cycle_life is None and len(dead):
            self.cycle_life = BLOCK * number + int(dead[0]) + 1

    def curves(self, first: int, last: int) -> NDArray[np.float32]:
        """Measured Q(V) of cycles ``first`` to ``last``, ``(last - first + 1) x 1000``, in Ah.

        Raises ValueError unless ``1 <= first <= last`` have been simulated.
        """
        if not 1 <= first <= last <= self.cycles:
            raise ValueError(f"cycles {first} to {last} are not among 1 to {self.cycles}")
        numbers = range((first - 1) // BLOCK, (last - 1) // BLOCK + 1)
        pure = _curve_nodes(self, numbers)
        rows = [self._measured_curves(number, pure[number]) for number in numbers]
        offset = BLOCK * numbers.start
        return np.concatenate(rows)[first - 1 - offset : last - offset]

    def _measured_curves(self, number: int, nodes: Array) -> NDArray[np.float32]:
        """Curves of one block from its nodes (``nodes x temperatures x 1000``)."""
        noise = self.noise.cycles(self.seed, number, BLOCK)
        white = self.noise.white(self.seed, number, (BLOCK, CURVE_POINTS))
        shares = _shares_in_block(self._nodes(number))
        curves = np.zeros((BLOCK, CURVE_POINTS))
        for k, warm in enumerate(_parabola(noise.warmer_k)):
            weights = shares * (warm * noise.gain)
            for node in range(len(weights)):
                used = np.flatnonzero(weights[node])
                curves[used] += weights[node][used, np.newaxis] * nodes[node, k]
        return curves.astype(np.float32) + white

    def _nodes(self, number: int) -> tuple[int, ...]:
        """Cycles of a block, from its start, at which the curve is computed outright."""
        leaks = self.specimen.leak_cycle < BLOCK * (number + 1)
        smooth = self.blocks[number].fullest < _FULLEST_SMOOTH and not leaks
        return _CURVE_CYCLES if smooth else tuple(range(1, BLOCK + 1))


def extend(lives: Sequence[CellLife], cycles: Sequence[int]) -> None:
    """Simulate each life to at least so many cycles, or to its end, all of them together.

    The order, the company and the pieces in which lives are extended change no bit of any.
    """
    goals = list(zip(lives, cycles, strict=True))
    behind = [life for life, goal in goals if _behind(life, goal)]
    while behind:
        cohort = Cohort.of([life.specimen for life in behind], behind[0].cell)
        state = _last_states(behind, cohort)
        company = behind
        while company == behind:
            cycle = _lanes([float(life.cycles) for life in behind], cohort.lanes)
            state = _extend_block(company, cohort, state, cycle)
            behind = [life for life, goal in goals if _behind(life, goal)]


def _behind(life: CellLife, goal: int) -> bool:
    return life.cycle_life is None and life.cycles < goal


def _last_states(lives: Sequence[CellLife], cohort: Cohort) -> Array:
    state = fresh(cohort)
    for lane, life in enumerate(lives):
        if life.blocks:
            state[:, lane] = life.blocks[-1].states[-1]
    state[:, len(lives) :] = state[:, len(lives) - 1 : len(lives)]
    return state


def _lanes(values: Sequence[float], lanes: int) -> Array:
    return np.array([*values, *[values[-1]] * (lanes - len(values))])


def _extend_block(lives: Sequence[CellLife], cohort: Cohort, state: Array, cycle: Array) -> Array:
    """Append one block to every life and return the state at its end, ``4 x n``."""
    states = [state]
    for step in range(_STEPS):
        states.append(advance(cohort, states[-1], cycle + float(CYCLES_PER_STEP * step)))
    facts = [_facts(cohort, one) for one in states]
    for lane, life in enumerate(lives):
        life._append(
            Block(
                states=np.array([one[:, lane] for one in states]),
                capacity_ah=np.array([fact.capacity_ah[:, lane] for fact in facts]),
                resistance_ohm=np.array([fact.resistance_ohm[lane] for fact in facts]),
                temperature_k=np.array([fact.temperature_k[lane] for fact in facts]),
                fullest=max(float(fact.content[lane]) for fact in facts),
            )
        )
    return states[-1]


@dataclass(frozen=True, slots=True, eq=False)
class _Facts:
    capacity_ah: Array
    resistance_ohm: Array
    temperature_k: Array
    content: Array


def _facts(cohort: Cohort, state: Array) -> _Facts:
    now = electrodes(cohort, state)
    temperature = charge_temperature_k(cohort, now.resistance_ohm)
    return _Facts(
        capacity_ah(Discharge.of(cohort, state, np.array(_WARMER_K)[:, np.newaxis])),
        now.resistance_ohm,
        mean_over_charge(cohort, temperature),
        now.full_ah / now.negative_ah,
    )


def _per_cycle(steps: Array) -> Array:
    """Values at a block's steps (``s``) made linear in between, at its twenty cycles."""
    at = np.arange(0, BLOCK + 1, CYCLES_PER_STEP, dtype=np.float64)
    return np.asarray(np.interp(np.arange(1.0, BLOCK + 1.0), at, steps))


def _parabola(warmer_k: Array) -> Array:
    """Weights ``3 x cycles`` of the three temperatures at which the response is known."""
    return np.stack(
        [0.5 * warmer_k * (warmer_k - 1.0), 1.0 - warmer_k**2, 0.5 * warmer_k * (warmer_k + 1.0)]
    )


def _shares_in_block(nodes: tuple[int, ...]) -> Array:
    """Weights ``nodes x 20`` of a block's nodes for each of its cycles."""
    if len(nodes) == BLOCK:
        return np.eye(BLOCK)
    return _parabola(np.arange(1.0, BLOCK + 1.0) / (BLOCK / 2) - 1.0)


def _curve_nodes(life: CellLife, numbers: range) -> dict[int, Array]:
    """Noise-free curves at the nodes of some blocks: ``nodes x temperatures x 1000`` each."""
    wanted = sorted({BLOCK * n + node for n in numbers for node in life._nodes(n)})
    states = np.repeat([_state_at(life, cycle) for cycle in wanted], len(_WARMER_K), axis=0)
    warmer = np.tile(_WARMER_K, len(wanted))
    single = Cohort.of([life.specimen], life.cell)
    curves = np.concatenate(
        [
            _pure_curves(single, states[start : start + _LANES_AT_ONCE], warmer[start:])
            for start in range(0, len(states), _LANES_AT_ONCE)
        ]
    ).reshape(len(wanted), len(_WARMER_K), CURVE_POINTS)
    at = {cycle: row for row, cycle in enumerate(wanted)}
    return {n: curves[[at[BLOCK * n + node] for node in life._nodes(n)]] for n in numbers}


def _pure_curves(single: Cohort, states: Array, warmer_k: Array) -> Array:
    count = len(states)
    cohort = single.take(np.zeros(count, dtype=np.intp))
    filled = np.concatenate([states, np.repeat(states[-1:], cohort.lanes - count, axis=0)])
    warmer = _lanes(warmer_k[:count].tolist(), cohort.lanes)
    discharge = Discharge.of(cohort, np.ascontiguousarray(filled.T), warmer)
    return curves_ah(discharge, count)


def _state_at(life: CellLife, cycle: int) -> Array:
    """State after ``cycle`` cycles, linear between the steps, shape ``(4,)``."""
    number = max(cycle - 1, 0) // BLOCK
    step, rest = divmod(cycle - BLOCK * number, CYCLES_PER_STEP)
    states = life.blocks[number].states
    if rest == 0:
        return np.asarray(states[step])
    share = rest / CYCLES_PER_STEP
    return np.asarray((1.0 - share) * states[step] + share * states[step + 1])
