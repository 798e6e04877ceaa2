"""Read cells from a folder: the public layout of Severson et al. (2019), or cycler exports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from campaigns.problems import nearest
from surrogates.cells import Cell
from surrogates.life_file import read_lives
from surrogates.missing import MissingCellData

__all__ = ["MissingCellData", "read_cells"]

FIRST_CYCLE, LAST_CYCLE = 2, 100
HIGHEST_VOLTAGE, LOWEST_VOLTAGE, N_VOLTAGES = 3.6, 2.0, 1000
SPLITS = ("train", "test1")
LIVES, LIFE_FOLDER = "cycle_lives.csv", "cycle_lives"
EXPORTS = "cells.toml"

OnFault = Callable[[str, ValueError], None]


def read_cells(
    folder: str | Path,
    splits: str | Iterable[str] | None = None,
    *,
    on_fault: OnFault | None = None,
) -> list[Cell]:
    """Cells of a folder, in one of three layouts; corrupt cycles are repaired and reported.

    * **public**: ``SPLIT/cellN.csv`` and ``cycle_lives/SPLIT_cycle_lives.csv``, that of
      github.com/petermattia/revisit-severson-et-al; ids are ``train/cell2``. ``splits`` names
      those wanted, ``train`` and ``test1`` by default.
    * **single folder**: ``cellN.csv`` in the folder itself and ``cycle_lives.csv`` beside them; ids
      are ``cell2``. There are no splits.
    * **exports**: ``cells.toml`` describes cycler exports (`surrogates.cell_folder`); ``splits``
      takes those cells only whose entry names one of them.

    A ``cellN.csv`` holds discharge capacity in Ah, 1000 voltages (3.6 to 2.0 V) x 99 cycles (2 to
    100), without a header; a file of lives holds one life a line, in the order cell1, cell2, …;
    ``>400`` is a censored one. Each cell's ``repairs`` tells what was corrupt. A cell that cannot
    be read is an error; with ``on_fault``, that is told its id and the error, and the others are
    read.

    Raises MissingCellData (a ValueError and a FileNotFoundError) when the folder or a file is
    missing, and ValueError for an unknown split, a file that cannot be read, a wrong grid, a
    missing life or too many corrupt cycles. The message names the file or the cell.
    """
    root = Path(folder)
    if not root.exists():
        raise MissingCellData(f"there is no folder {root}")
    if not root.is_dir():
        raise ValueError(f"{root} is a file; a folder of cells is needed")
    names = (splits,) if isinstance(splits, str) else None if splits is None else tuple(splits)
    if names == ():
        raise ValueError("no split is asked for")
    if (root / EXPORTS).is_file():
        from surrogates.cell_folder import read_folder

        return read_folder(root / EXPORTS, names, on_fault)
    if _numbers(root):
        if names is not None:
            raise ValueError(f"{root} has no splits: its cells lie in the folder itself")
        return _read_group(root, root / LIVES, "", on_fault)
    return [cell for name in names or SPLITS for cell in _read_split(root, name, on_fault)]


def _read_split(root: Path, split: str, on_fault: OnFault | None) -> list[Cell]:
    if split not in (known := _splits(root)):
        if not known:
            raise MissingCellData(
                f"{root} holds no cells: neither {EXPORTS}, nor cell1.csv, nor a sub-folder "
                "with cell1.csv"
            )
        guess = nearest(split, known)
        hint = f"; did you mean {guess!r}?" if guess else ""
        raise ValueError(f"unknown split {split!r} in {root}: there are {known}{hint}")
    life_file = root / LIFE_FOLDER / f"{split}_{LIVES}"
    return _read_group(root / split, life_file, f"{split}/", on_fault)


def _read_group(folder: Path, life_file: Path, prefix: str, on_fault: OnFault | None) -> list[Cell]:
    """The cells of one folder, as many as there are lives."""
    lives = read_lives(life_file)
    found = _numbers(folder)
    if extra := [k for k in found if k > len(lives)]:
        raise ValueError(
            f"{folder} holds {len(found)} cells, but {life_file} holds {len(lives)} lives: "
            f"there is none for cell{extra[0]}.csv"
        )
    voltage = np.linspace(HIGHEST_VOLTAGE, LOWEST_VOLTAGE, N_VOLTAGES)
    cycles = np.arange(FIRST_CYCLE, LAST_CYCLE + 1)
    cells = []
    for k, life in enumerate(lives, start=1):
        name, file = f"{prefix}cell{k}", folder / f"cell{k}.csv"
        try:
            curves = _read_curves(file)
            cells.append(Cell(name, life.cycles, curves, voltage, cycles, censored=life.censored))
        except ValueError as error:
            if on_fault is None:
                raise
            on_fault(name, error)
    return cells


def _splits(root: Path) -> list[str]:
    """Names of the sub-folders that hold cells."""
    return sorted(path.name for path in root.iterdir() if path.is_dir() and _numbers(path))


def _numbers(folder: Path) -> list[int]:
    """The numbers N of the files cellN.csv in a folder, ascending."""
    names = (re.fullmatch(r"cell([1-9][0-9]*)\.csv", path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in names if match)


def _read_curves(path: Path) -> NDArray[np.float64]:
    """``n_voltages x n_cycles`` capacities in Ah; blank values become NaN."""
    import pandas as pd

    if not path.is_file():
        raise MissingCellData(f"the file {path} is missing, though a life is given for it")
    try:
        q = pd.read_csv(path, header=None, dtype=np.float64).to_numpy()
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"{path} cannot be read: it is empty") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # pandas raises subclasses of ValueError for bad text
        raise ValueError(f"{path} cannot be read: {_fault(path) or str(error).strip()}") from error
    expected = (N_VOLTAGES, LAST_CYCLE - FIRST_CYCLE + 1)
    if q.shape != expected:
        raise ValueError(
            f"{path} has the wrong grid: {q.shape[0]} voltages x {q.shape[1]} cycles, "
            f"expected {expected[0]} x {expected[1]}"
        )
    return np.asarray(q, dtype=np.float64)


def _fault(path: Path) -> str:
    """Where the first text stands that is no number; "" where there is none."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return "it is not UTF-8 text"
    for row, line in enumerate(lines, start=1):
        for column, text in enumerate(line.split(","), start=1):
            try:
                float(text or "nan")
            except ValueError:
                return f"line {row}, column {column} holds {text.strip()!r}, which is no number"
    return ""
