"""Synthetic cells whose life is a known function of how their curves change."""

from collections.abc import Callable

import numpy as np
import pytest

from surrogates.cycle_life import Cell, read_cells

VOLTAGE_V = np.linspace(3.6, 2.0, 200)
SHAPE = 1.0 / (1.0 + np.exp((VOLTAGE_V - 3.1) / 0.08))
DENT = np.exp(-(((VOLTAGE_V - 2.9) / 0.2) ** 2))

MakeCells = Callable[..., list[Cell]]


def _cell(rng: np.random.Generator, name: str, life: float, noise: float, last_cycle: int) -> Cell:
    cycles = np.arange(2, last_cycle + 1)
    capacity_ah = rng.normal(1.07, 0.004)
    fade = 0.6 * cycles / life**1.5  # faster than 1 / life, as in recorded cells
    warmth = 1.0 + noise * rng.standard_normal(len(cycles))
    q = capacity_ah * SHAPE[:, None] * warmth - (DENT + 0.2 * SHAPE)[:, None] * fade
    return Cell(name, life, q + 1e-6 * rng.standard_normal(q.shape), VOLTAGE_V, cycles)


@pytest.fixture(scope="session")
def make_cells() -> MakeCells:
    """Make ``n`` cells with lives of 300 to 1500 cycles, the same for the same seed."""

    def make(n: int, seed: int, noise: float = 1e-3, last_cycle: int = 100) -> list[Cell]:
        rng = np.random.default_rng(seed)
        lives = 10 ** rng.uniform(2.48, 3.18, n)
        return [
            _cell(rng, f"made{seed}-{k:03d}", round(float(life)), noise, last_cycle)
            for k, life in enumerate(lives)
        ]

    return make


@pytest.fixture(scope="session")
def recorded_cells(recorded_data) -> list[Cell]:
    """The 84 cells of the splits `train` and `test1`."""
    return read_cells(recorded_data / "severson2019")
