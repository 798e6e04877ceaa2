"""Measure early prediction on the recorded cells of Severson et al. (2019) and print the tables.

    python benchmarks/early_prediction.py [FOLDER]

FOLDER holds the public layout; without it, LEYDEN_DATA/severson2019 or ../shared/data/severson2019.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from surrogates.cycle_life import Cell, CycleLifeModel, LifePrediction, read_cells

HORIZONS = (100, 75, 50, 30, 20)
MODELS = ("variance", "elastic_net")
N_SPLITS = 20
SHORT_LIVED = "test1/cell22"  # 148 cycles

T = TypeVar("T")


def data_folder(arguments: Sequence[str]) -> Path:
    if arguments:
        return Path(arguments[0])
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("LEYDEN_DATA", default)) / "severson2019"


def lives(cells: Sequence[Cell]) -> NDArray[np.float64]:
    return np.array([cell.cycle_life for cell in cells], dtype=np.float64)


def rmse(predicted: LifePrediction, cells: Sequence[Cell]) -> float:
    return float(np.sqrt(np.mean((predicted.mean - lives(cells)) ** 2)))


def mape(predicted: LifePrediction, cells: Sequence[Cell]) -> float:
    return float(100 * np.mean(np.abs(predicted.mean / lives(cells) - 1)))


def coverage(predicted: LifePrediction, cells: Sequence[Cell]) -> float:
    truth = lives(cells)
    return float(100 * np.mean((predicted.lower <= truth) & (truth <= predicted.upper)))


def width(predicted: LifePrediction) -> float:
    return float(np.median((predicted.upper - predicted.lower) / predicted.mean))


def timed(action: Callable[[], T]) -> tuple[T, float]:
    """Result and CPU seconds, the lesser of two runs: imports belong to neither."""
    action()
    start = time.process_time()
    result = action()
    return result, time.process_time() - start


def horizons(train: list[Cell], test: list[Cell]) -> None:
    others = [cell for cell in test if cell.id != SHORT_LIVED]
    print("| cycles | model | train | test1 | test1 excl | 90 % covers | median width |")
    print("|---|---|---|---|---|---|---|")
    for at_cycle in HORIZONS:
        for kind in MODELS:
            model = CycleLifeModel(at_cycle, kind, level=0.9).fit(train)
            errors = [(model.predict(cells), cells) for cells in (train, test, others)]
            cells = " | ".join(f"{rmse(*e):.1f} / {mape(*e):.1f}" for e in errors)
            on_test = errors[1][0]
            print(
                f"| {at_cycle} | {kind} | {cells} | "
                f"{coverage(on_test, test):.0f} % | {width(on_test):.2f} |"
            )


def half(cells: list[Cell], seed: int) -> tuple[list[Cell], list[Cell]]:
    """One of each two neighbours in order of life to train on, the other to test on."""
    rng = np.random.default_rng(seed)
    ordered = sorted(cells, key=lambda cell: (cell.cycle_life or 0.0, cell.id))
    first = rng.integers(2, size=len(ordered) // 2)
    train = [ordered[2 * k + int(side)] for k, side in enumerate(first)]
    test = [ordered[2 * k + 1 - int(side)] for k, side in enumerate(first)]
    return train, test


def resplits(cells: list[Cell]) -> None:
    print(f"\n{N_SPLITS} random half/half re-splits of all {len(cells)} cells, 100 cycles:\n")
    print("| model | mean RMSE | largest RMSE | mean MAPE | 90 % covers | median width |")
    print("|---|---|---|---|---|---|")
    for kind in MODELS:
        rows = []
        for seed in range(N_SPLITS):
            train, test = half(cells, seed)
            p = CycleLifeModel(100, kind, level=0.9).fit(train).predict(test)
            rows.append((rmse(p, test), mape(p, test), coverage(p, test), width(p)))
        mean, largest = np.mean(rows, axis=0), np.max(rows, axis=0)
        print(
            f"| {kind} | {mean[0]:.0f} | {largest[0]:.0f} | {mean[1]:.1f} | "
            f"{mean[2]:.0f} % | {mean[3]:.2f} |"
        )


def speed(folder: Path, train: list[Cell], test: list[Cell]) -> None:
    model, fitting = timed(lambda: CycleLifeModel(100).fit(train))
    batch = (train + test)[:48]
    reading = timed(lambda: read_cells(folder))[1]
    predicting = timed(lambda: model.predict(batch))[1]
    earlier = CycleLifeModel(50).fit(train)
    cutting = timed(lambda: earlier.predict(batch))[1]
    print("\nCPU seconds, elastic_net, without imports:")
    print(f"  read {len(train) + len(test)} cells            {reading:.2f}")
    print(f"  fit {len(train)} cells, with intervals {fitting:.2f}")
    print(f"  predict 48 cells         {predicting:.3f}")
    print(f"  predict 48 cells at 50 of their 100 cycles {cutting:.3f}")


def main() -> None:
    folder = data_folder(sys.argv[1:])
    if not folder.is_dir():
        sys.exit(f"there is no folder {folder}: name the one that holds train/ and test1/")
    train, test = (read_cells(folder, (split,)) for split in ("train", "test1"))
    print("RMSE in cycles / mean absolute error in %; trained on train; excl = without cell22\n")
    horizons(train, test)
    resplits(train + test)
    speed(folder, train, test)


if __name__ == "__main__":
    main()
