"""Measure early prediction on the recorded cells of Severson et al. (2019) and print the tables.

    python benchmarks/early_prediction.py [FOLDER] [PART ...]

FOLDER holds the public layout; without it, LEYDEN_DATA/severson2019 or ../shared/data/severson2019.
PART is one of horizons, models, choice, resplits, batches, classes, censored, speed: all of them
unless some are named.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surrogates.cycle_life import KINDS, Cell, CycleLifeModel, LifePrediction, read_cells
from surrogates.features import FEATURES, Window, feature_table

HORIZONS = (100, 75, 50, 30, 20, 10, 5)
MODELS = ("variance", "elastic_net", "default")
N_SPLITS = 20
N_REPEATS, N_FOLDS = 5, 5  # of the cross-validation by which the default was chosen
LONG = 550  # cycles: Severson et al. (2019)
STOPPED = 600  # cycles: where the longer-lived training cells are taken off in `censored`
SHORT_LIVED = "test1/cell22"  # 148 cycles


@dataclass(frozen=True)
class Data:
    """The recorded cells and where they came from."""

    folder: Path
    train: list[Cell]
    test: list[Cell]


def data_folder(arguments: Sequence[str]) -> Path:
    for argument in arguments:
        if argument not in PARTS:
            return Path(argument)
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


def timed(action: Callable[[], object]) -> float:
    """CPU seconds, the median of five runs after one that pays for imports."""
    action()
    seconds = []
    for _ in range(5):
        start = time.process_time()
        action()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def of_models(horizons: Sequence[int], kinds: Sequence[str], data: Data) -> None:
    print("RMSE in cycles / mean absolute error in %; trained on train; excl = without cell22\n")
    print("| cycles | model | train | test1 | test1 excl | 90 % covers | median width |")
    print("|---|---|---|---|---|---|---|")
    others = [cell for cell in data.test if cell.id != SHORT_LIVED]
    for at_cycle in horizons:
        for kind in kinds:
            model = CycleLifeModel(at_cycle, kind, level=0.9).fit(data.train)
            errors = [(model.predict(cells), cells) for cells in (data.train, data.test, others)]
            cells = " | ".join(f"{rmse(*e):.1f} / {mape(*e):.1f}" for e in errors)
            on_test = errors[1][0]
            print(
                f"| {at_cycle} | {kind} | {cells} | "
                f"{coverage(on_test, data.test):.0f} % | {width(on_test):.2f} |"
            )


def horizons(data: Data) -> None:
    of_models(HORIZONS, MODELS, data)


def models(data: Data) -> None:
    of_models((100, 50), tuple(KINDS), data)


def choice(data: Data) -> None:
    """Repeated stratified cross-validation on the training cells alone."""
    print(f"\n{N_REPEATS} x {N_FOLDS}-fold cross-validation on train, mean (sd over repeats):\n")
    print("| cycles | model | RMSE | MAPE | rms error of log10 life |")
    print("|---|---|---|---|---|")
    y = np.log10(lives(data.train))
    for at_cycle in (100, 50):
        found = {kind: cross_validated(data.train, y, at_cycle, kind) for kind in KINDS}
        found["elastic_net + ridge + gp"] = [
            np.mean(each, axis=0)
            for each in zip(found["elastic_net"], found["ridge"], found["gp"], strict=True)
        ]
        for kind, repeats in found.items():
            rows = np.array([scores(predicted, y) for predicted in repeats])
            mean, sd = rows.mean(axis=0), rows.std(axis=0)
            print(
                f"| {at_cycle} | {kind} | {mean[0]:.0f} ({sd[0]:.0f}) | "
                f"{mean[1]:.1f} ({sd[1]:.1f}) | {mean[2]:.4f} ({sd[2]:.4f}) |"
            )


def cross_validated(
    cells: list[Cell], y: NDArray[np.float64], at_cycle: int, name: str
) -> list[NDArray[np.float64]]:
    """Log10 lives predicted out of fold, one array a repeat; settings are chosen in each fold."""
    kind = KINDS[name]
    x = feature_table(cells, kind.features, Window(at_cycle, kind.n_averaged))
    repeats = []
    for repeat in range(N_REPEATS):
        fold, predicted = stratified(y, repeat), np.empty(len(y))
        for f in range(N_FOLDS):
            kept = fold != f
            model = kind.choose(x[kept], y[kept])(x[kept], y[kept])
            predicted[~kept] = model.predict(x[~kept])[0]
        repeats.append(predicted)
    return repeats


def stratified(y: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Folds that hold one of each ``N_FOLDS`` neighbours in order of life, drawn at random."""
    rng, order = np.random.default_rng(seed), np.argsort(y, kind="stable")
    fold = np.empty(len(y), dtype=np.int64)
    for first in range(0, len(y), N_FOLDS):
        block = order[first : first + N_FOLDS]
        fold[block] = rng.permutation(N_FOLDS)[: len(block)]
    return fold


def scores(predicted: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float]:
    cycles, truth = 10**predicted, 10**y
    return (
        float(np.sqrt(np.mean((cycles - truth) ** 2))),
        float(100 * np.mean(np.abs(cycles / truth - 1))),
        float(np.sqrt(np.mean((predicted - y) ** 2))),
    )


def half(cells: list[Cell], seed: int) -> tuple[list[Cell], list[Cell]]:
    """One of each two neighbours in order of life to train on, the other to test on."""
    rng = np.random.default_rng(seed)
    ordered = sorted(cells, key=lambda cell: (cell.cycle_life or 0.0, cell.id))
    first = rng.integers(2, size=len(ordered) // 2)
    train = [ordered[2 * k + int(side)] for k, side in enumerate(first)]
    test = [ordered[2 * k + 1 - int(side)] for k, side in enumerate(first)]
    return train, test


def resplits(data: Data) -> None:
    cells = data.train + data.test
    print(f"\n{N_SPLITS} random half/half re-splits of all {len(cells)} cells, seeds 0 to 19:\n")
    print("| cycles | model | mean RMSE (sd) | largest | mean MAPE (sd) | ratio | covers | width |")
    print("|---|---|---|---|---|---|---|---|")
    for at_cycle in (100, 50):
        simple = 0.0
        for kind in ("variance", "elastic_net", "ridge", "gp", "default"):
            rows = []
            for seed in range(N_SPLITS):
                train, test = half(cells, seed)
                p = CycleLifeModel(at_cycle, kind, level=0.9).fit(train).predict(test)
                rows.append((rmse(p, test), mape(p, test), coverage(p, test), width(p)))
            mean, sd, largest = np.mean(rows, axis=0), np.std(rows, axis=0), np.max(rows, axis=0)
            simple = simple or mean[1]
            print(
                f"| {at_cycle} | {kind} | {mean[0]:.0f} ({sd[0]:.0f}) | {largest[0]:.0f} | "
                f"{mean[1]:.1f} ({sd[1]:.1f}) | {mean[1] / simple:.2f} | {mean[2]:.0f} % | "
                f"{mean[3]:.2f} |"
            )


def batches(data: Data) -> None:
    """Train on one batch of cells, test on the other: other protocols, other lives.

    The files are in the order of the experiment; cells 1 to 20 of train and 1 to 21 of test1 are
    taken for the first batch.
    """
    ends = {"train": 20, "test1": 21}
    first, second = [], []
    for cell in data.train + data.test:
        split, _, number = cell.id.partition("/cell")
        (first if int(number) <= ends[split] else second).append(cell)
    print("\nTrained on one batch, tested on the other, 100 cycles:\n")
    print("| model | trained on | RMSE | MAPE | mean error | 90 % covers | flagged |")
    print("|---|---|---|---|---|---|---|")
    for kind in KINDS:
        for name, one, other in (("first", first, second), ("second", second, first)):
            p = CycleLifeModel(100, kind).fit(one).predict(other)
            error = 100 * np.mean(p.mean / lives(other) - 1)
            print(
                f"| {kind} | {name} | {rmse(p, other):.0f} | {mape(p, other):.1f} | {error:+.1f} % "
                f"| {coverage(p, other):.0f} % | {p.extrapolates.sum()} of {len(other)} |"
            )


def classes(data: Data) -> None:
    """Long or short life: how often told wrongly, and how often what was said came true."""
    cells = data.train + data.test
    print(f"\nLonger than {LONG} cycles? test1 of train, and {N_SPLITS} re-splits:\n")
    print(
        "| cycles | model | test1 wrong | re-splits wrong | Brier | true at 0-20-40-60-80-100 % |"
    )
    print("|---|---|---|---|---|---|")
    for at_cycle in (100, 50, 20, 5):
        for kind in ("variance", "default"):
            said, true = [], []
            for seed in range(N_SPLITS):
                train, test = half(cells, seed)
                said.append(
                    CycleLifeModel(at_cycle, kind).fit(train).probability_longer(test, LONG)
                )
                true.append(lives(test) > LONG)
            p, t = np.concatenate(said), np.concatenate(true)
            known = (
                CycleLifeModel(at_cycle, kind).fit(data.train).probability_longer(data.test, LONG)
            )
            wrong = 100 * np.mean((known > 0.5) != (lives(data.test) > LONG))
            place = np.minimum((5 * p).astype(int), 4)
            came = " ".join(
                f"{100 * t[place == k].mean():.0f}" for k in range(5) if (place == k).any()
            )
            print(
                f"| {at_cycle} | {kind} | {wrong:.1f} % | {100 * np.mean((p > 0.5) != t):.1f} % | "
                f"{np.mean((p - t) ** 2):.3f} | {came} |"
            )


def censored(data: Data) -> None:
    """The longer-lived half of the training cells is taken off at ``STOPPED`` cycles."""
    over = [cell for cell in data.train if cell.cycle_life and cell.cycle_life > STOPPED]
    rest = [cell for cell in data.train if cell not in over]
    print(
        f"\n{len(over)} of {len(data.train)} training cells taken off at {STOPPED} cycles, alive:\n"
    )
    print("| model | trained on | test1 | mean error | of those beyond | 90 % covers |")
    print("|---|---|---|---|---|---|")
    for kind in MODELS:
        for name, cells in (
            ("all lives", data.train),
            ("bounds", rest + [cell.with_life(STOPPED, censored=True) for cell in over]),
            ("bounds dropped", rest),
            ("bounds as lives", rest + [cell.with_life(STOPPED) for cell in over]),
        ):
            p = CycleLifeModel(100, kind).fit(cells).predict(data.test)
            error = 100 * (p.mean / lives(data.test) - 1)
            print(
                f"| {kind} | {name} | {rmse(p, data.test):.0f} / {mape(p, data.test):.1f} | "
                f"{error.mean():+.1f} % | {error[lives(data.test) > STOPPED].mean():+.1f} % | "
                f"{coverage(p, data.test):.0f} % |"
            )


def notebook_features(cells: Sequence[Cell]) -> list[list[float]]:
    """The ten summary features as notebooks make them: a cell at a time, by pandas and scipy."""
    import pandas as pd
    from scipy.stats import kurtosis, skew

    rows = []
    for cell in cells:
        curves = pd.DataFrame(cell.q, columns=cell.cycles)
        change = curves.loc[:, 96:100].mean(axis=1) - curves.loc[:, 8:12].mean(axis=1)
        fade = pd.Series(cell.q[-1], index=cell.cycles)
        rows.append(
            [
                np.log10(change.var(ddof=0)),
                np.log10(abs(change.min())),
                np.log10(abs(change.mean())),
                skew(change),
                kurtosis(change),
                np.log10(abs(change.iloc[-1])),
                fade.iloc[:3].mean(),
                fade.max() - fade.iloc[0],
                np.polyfit(fade.index, fade, 1)[0],
                np.polyfit(fade.index[-25:], fade.iloc[-25:], 1)[0],
            ]
        )
    return rows


def speed(data: Data) -> None:
    cells = data.train + data.test
    names = tuple(name for name, feature in FEATURES.items() if feature.needs is None)
    print("\nCPU seconds without imports, median of 5 (one thread):")
    print(f"  read {len(cells)} cells {timed(lambda: read_cells(data.folder)):.2f}")
    for at_cycle in (100, 50):
        seconds = timed(partial(feature_table, cells, names, Window(at_cycle, 5)))
        print(f"  all {len(names)} features of {len(cells)} cells at {at_cycle}: {seconds:.4f}")
    seconds = timed(lambda: feature_table(cells, names[:10], Window(100, 5)))
    print(f"  ten summary features of {len(cells)} cells {seconds:.4f}")
    print(f"  the same, notebook style {timed(lambda: notebook_features(cells)):.4f}")
    for kind in KINDS:
        model = CycleLifeModel(100, kind)
        fitting = timed(partial(model.fit, data.train))
        predicting = timed(partial(model.predict, cells[:48]))
        size = len(model.to_json()) / 1000
        print(f"  {kind}: fit {fitting:.3f}, predict 48 cells {predicting:.4f}, {size:.0f} kB")


def main() -> None:
    folder = data_folder(sys.argv[1:])
    if not folder.is_dir():
        sys.exit(f"there is no folder {folder}: name the one that holds train/ and test1/")
    data = Data(folder, *(read_cells(folder, (split,)) for split in ("train", "test1")))
    named = [argument for argument in sys.argv[1:] if argument in PARTS]
    for name in named or PARTS:
        PARTS[name](data)


PARTS: dict[str, Callable[[Data], None]] = {
    "horizons": horizons,
    "models": models,
    "choice": choice,
    "resplits": resplits,
    "batches": batches,
    "classes": classes,
    "censored": censored,
    "speed": speed,
}


if __name__ == "__main__":
    main()
