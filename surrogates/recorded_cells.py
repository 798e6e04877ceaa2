"""Read recorded cells in the public layout of Severson et al. (2019)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surrogates.cells import Cell

FIRST_CYCLE, LAST_CYCLE = 2, 100
HIGHEST_VOLTAGE, LOWEST_VOLTAGE, N_VOLTAGES = 3.6, 2.0, 1000

OnFault = Callable[[str, ValueError], None]


class MissingCellData(FileNotFoundError, ValueError):
    """A folder or file of recorded cells is not there."""


def read_cells(
    folder: str | Path,
    splits: str | Iterable[str] = ("train", "test1"),
    *,
    on_fault: OnFault | None = None,
) -> list[Cell]:
    """Cells of the named splits, in file order cell1, cell2, …, with ids like ``train/cell2``.

    The layout is that of github.com/petermattia/revisit-severson-et-al: ``SPLIT/cellN.csv`` holds
    discharge capacity in Ah, 1000 voltages (3.6 to 2.0 V) x 99 cycles (2 to 100), without a
    header; ``cycle_lives/SPLIT_cycle_lives.csv`` holds one life a line, in the same order.
    Corrupt cycles are repaired and reported in each cell's ``repairs``. A cell that cannot be read
    is an error; with ``on_fault``, that is told its id and the error, and the others are read.

    Raises MissingCellData (a ValueError and a FileNotFoundError) when the folder or a file is
    missing, and ValueError for an unknown split, a file that cannot be read, a wrong grid, a
    missing life or too many corrupt cycles. The message names the file or the cell.
    """
    root = Path(folder)
    if not root.is_dir():
        raise MissingCellData(f"there is no folder {root}")
    names = (splits,) if isinstance(splits, str) else tuple(splits)
    if not names:
        raise ValueError("no split is asked for")
    return [cell for name in names for cell in _read_split(root, name, on_fault)]


def _read_split(root: Path, split: str, on_fault: OnFault | None) -> list[Cell]:
    if split not in (known := _splits(root)):
        raise ValueError(f"unknown split {split!r} in {root}: there are {known or 'none'}")
    life_file = root / "cycle_lives" / f"{split}_cycle_lives.csv"
    lives = _read_lives(life_file)
    n_files = len(list((root / split).glob("cell*.csv")))
    if n_files > len(lives):
        raise ValueError(
            f"{root / split} holds {n_files} cells, but {life_file} holds {len(lives)} lives"
        )
    voltage = np.linspace(HIGHEST_VOLTAGE, LOWEST_VOLTAGE, N_VOLTAGES)
    cycles = np.arange(FIRST_CYCLE, LAST_CYCLE + 1)
    cells = []
    for k, life in enumerate(lives, start=1):
        name, file = f"{split}/cell{k}", root / split / f"cell{k}.csv"
        try:
            cells.append(Cell(name, life, _read_curves(file), voltage, cycles))
        except ValueError as error:
            if on_fault is None:
                raise
            on_fault(name, error)
    return cells


def _splits(root: Path) -> list[str]:
    """Names of the sub-folders that hold cells."""
    return sorted(path.name for path in root.iterdir() if any(path.glob("cell*.csv")))


def _read_lives(path: Path) -> list[float]:
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except FileNotFoundError as error:
        raise MissingCellData(f"the file of cycle lives {path} is missing") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    lives = []
    for number, line in enumerate(lines, start=1):
        try:
            life = float(line)
        except ValueError:
            life = math.nan
        if not math.isfinite(life) or life <= 0.0:
            raise ValueError(f"{path}, line {number}: the life of cell{number} is {line!r}")
        lives.append(life)
    return lives


def _read_curves(path: Path) -> NDArray[np.float64]:
    """``n_voltages x n_cycles`` capacities in Ah; blank values become NaN."""
    import pandas as pd

    if not path.is_file():
        raise MissingCellData(f"the file {path} is missing, though a life is given for it")
    try:
        q = pd.read_csv(path, header=None, dtype=np.float64).to_numpy()
    except (OSError, ValueError) as error:  # pandas raises subclasses of ValueError for bad text
        raise ValueError(f"{path} cannot be read: {str(error).strip()}") from error
    expected = (N_VOLTAGES, LAST_CYCLE - FIRST_CYCLE + 1)
    if q.shape != expected:
        raise ValueError(
            f"{path} has the wrong grid: {q.shape[0]} voltages x {q.shape[1]} cycles, "
            f"expected {expected[0]} x {expected[1]}"
        )
    return np.asarray(q, dtype=np.float64)
