"""Every figure of docs/simulated_cycler.md: `python -m benchmarks.cycler_calibration WHAT`.

WHAT is one of lives, nine, spread, early, refit, cpu, all (default). The folder of recorded data
may follow it; else it is LEYDEN_DATA, else ../shared/data beside the repository.
"""

import csv
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import pearsonr, spearmanr

from instruments.cycler.cell import CellParameters, Spread
from instruments.cycler.charging import ChargeProtocol
from instruments.cycler.cohort import Specimen
from instruments.cycler.half_cell import Array
from instruments.cycler.life import CellLife, extend
from instruments.cycler.noise import Noise, Stream, stream
from instruments.cycler.truth import average_lives

CELL = CellParameters()
CC1 = (3.6, 4.0, 4.4, 4.8, 5.2, 5.6, 6.0, 7.0, 8.0)
CC2, CC3 = CC1[:8], CC1[:6]


def four(cc1: float, cc2: float, cc3: float) -> tuple[float, float, float, float]:
    """The protocol with the fourth rate that makes ten minutes."""
    return cc1, cc2, cc3, 0.2 / (1 / 6 - (0.2 / cc1 + 0.2 / cc2 + 0.2 / cc3))


def all_protocols() -> list[tuple[float, float, float, float]]:
    """The 224 protocols of the campaign, by its rule."""
    grid = (four(*rates) for rates in product(CC1, CC2, CC3) if rates != (4.8, 4.8, 4.8))
    return [rates for rates in grid if 0.1 <= rates[3] <= 4.81]


def lives_of(rates: Sequence[Sequence[float]], cell: CellParameters = CELL) -> Array:
    """Lives of the average cell."""
    return average_lives([ChargeProtocol.four_step(one) for one in rates], cell)


def cells(protocols: Sequence[ChargeProtocol], campaign: int, noise: Noise) -> list[CellLife]:
    """One fresh cell under each protocol, as a job of that campaign seed would draw it."""
    seeds = [(campaign, number, 1) for number in range(1, len(protocols) + 1)]
    return [
        CellLife(Specimen(p, Spread().draw(stream(s, Stream.CELL))), s, noise, CELL)
        for p, s in zip(protocols, seeds, strict=True)
    ]


def measured_nine(folder: Path) -> tuple[list[tuple[float, ...]], Array]:
    """The nine validated protocols and their measured lives, ``9 x 5``."""
    text = (folder / "attia2020/validation_cycle_lives.csv").read_text(encoding="utf-8-sig")
    rows = np.array([[float(value) for value in row] for row in csv.reader(text.splitlines()[1:])])
    return [four(*row) for row in rows[:, :3].tolist()], rows[:, 3:]


def predicted(folder: Path) -> dict[tuple[float, ...], float]:
    """Mean early prediction of every protocol of the recorded campaign."""
    found: dict[tuple[float, ...], list[float]] = {}
    for number in range(4):
        lines = (folder / f"attia2020/pred/{number}.csv").read_text(encoding="utf-8-sig")
        for row in csv.reader(lines.splitlines()):
            found.setdefault(four(*map(float, row[:3])), []).append(float(row[4]))
    return {rates: float(np.mean(lives)) for rates, lives in found.items()}


def show_lives(folder: Path) -> None:
    rates = all_protocols()
    lives = lives_of(rates)
    low, five, middle, high, top = np.percentile(lives, [0, 5, 50, 95, 100])
    print(f"{len(rates)} protocols: {low:.0f}, {five:.0f}, {middle:.0f}, {high:.0f}, {top:.0f}")
    for name, index in (("best", lives.argmax()), ("worst", lives.argmin())):
        print(name, [round(rate, 2) for rate in rates[index]], f"{lives[index]:.0f}")
    for ambient in (293.15, 303.15, 313.15):
        one = average_lives([ChargeProtocol.four_step(four(4.8, 5.2, 5.2))], CELL, ambient)
        print(f"4.8-5.2-5.2 at {ambient - 273.15:.0f} C: {one[0]:.0f}")


def show_nine(folder: Path) -> None:
    rates, real = measured_nine(folder)
    lives, means = lives_of(rates), real.mean(axis=1)
    print("simulated", lives.round(0), "measured", means.round(0))
    error = np.abs(lives / means - 1).mean()
    print(f"in sample: {agreement(lives, means)}, MAPE {100 * error:.1f} %")
    known = predicted(folder)
    print("107 early predictions:", agreement(lives_of(list(known)), np.array([*known.values()])))


def show_spread(folder: Path) -> None:
    rates, real = measured_nine(folder)
    repeated = [ChargeProtocol.four_step(one) for one in rates for _ in range(30)]
    tests = cells(repeated, 1, Noise())
    extend(tests, [5000] * len(tests))
    lives = np.array([test.cycle_life for test in tests], dtype=float).reshape(9, 30)
    print("simulated CV", (lives.std(axis=1, ddof=1) / lives.mean(axis=1)).round(3))
    print("measured CV ", (real.std(axis=1, ddof=1) / real.mean(axis=1)).round(3))
    everything = all_protocols()
    tests = cells([ChargeProtocol.four_step(one) for one in everything * 3], 2, Noise())
    extend(tests, [5000] * len(tests))
    found = np.array([test.cycle_life for test in tests], dtype=float).reshape(3, -1)
    print(f"three cells of each of the 224: {found.min():.0f} to {found.max():.0f}")
    print(f"scatter about the average cell: sd {(found - lives_of(everything)).std():.0f} cycles")


def two_step(count: int, rng: np.random.Generator) -> list[ChargeProtocol]:
    """Random two-step protocols to 80 % in 9 to 14 minutes, as in Severson et al. (2019)."""
    found: list[ChargeProtocol] = []
    while len(found) < count:
        first, change, second = rng.uniform(3.6, 8), rng.uniform(0.1, 0.75), rng.uniform(2.5, 6)
        if 9 <= 60 * (change / first + (0.8 - change) / second) <= 14:
            found.append(ChargeProtocol((first, second, 1.0), (change, 0.8, 0.97)))
    return found


def show_early(folder: Path) -> None:
    fast = [ChargeProtocol.four_step(one) for one in all_protocols()]
    for kelvin in (0.0, 0.15, 0.22, 0.30):
        for name, protocols in (
            ("224 fast", fast),
            ("124 two-step", two_step(124, np.random.default_rng(5))),
        ):
            tests = cells(protocols, 3, replace(Noise(), temperature_k=kelvin))
            extend(tests, [5000] * len(tests))
            life = np.log10([test.cycle_life or 5000 for test in tests])
            variance = np.log10([np.var(t.curves(100, 100) - t.curves(10, 10)) for t in tests])
            slope, offset = np.polyfit(variance, life, 1)
            wide = (life - slope * variance - offset).std()
            r = pearsonr(variance, life)[0]
            print(f"{kelvin:.2f} K, {name}: r {r:.3f}, slope {slope:.3f}, residual {wide:.3f} dex")


def agreement(left: Array, right: Array) -> str:
    """Both correlations in words."""
    return f"Pearson {pearsonr(left, right)[0]:.3f}, Spearman {spearmanr(left, right)[0]:.3f}"


# The start is deliberately far from the values in use, so that a fit owes nothing to them.
START = {"lam_rate": 8e-4, "lam_rate_exponent": 2.0, "lam_activation_j_mol": 35e3}


def refitted(
    rates: Sequence[Sequence[float]], lives: Array, offset: bool = False
) -> CellParameters:
    """Refit the three values of the graphite loss to log lives, with a free offset or without."""

    def cell_of(log_factors: Array) -> CellParameters:
        factors = np.exp(log_factors).tolist()
        return replace(CELL, **{k: v * f for (k, v), f in zip(START.items(), factors, strict=True)})

    def miss(log_factors: Array) -> Array:
        off = np.log(lives_of(rates, cell_of(log_factors))) - np.log(lives)
        return np.append(off - off.mean() if offset else off, 0.01 * log_factors)

    fit = least_squares(miss, np.zeros(len(START)), diff_step=0.02, xtol=1e-3, ftol=1e-3)
    return cell_of(fit.x)


def show_refit(folder: Path) -> None:
    rates, real = measured_nine(folder)
    means = real.mean(axis=1)
    print("fitted to all nine:", agreement(lives_of(rates, refitted(rates, means)), means))
    print("leave one out:", left_out(rates, means, [[k] for k in range(9)]))
    order = np.random.default_rng(0).permutation(9)
    print("leave three out:", left_out(rates, means, order.reshape(3, 3).tolist()))
    known = {rate: life for rate, life in predicted(folder).items() if rate not in rates}
    cell = refitted(list(known), np.array([*known.values()]), offset=True)
    print(
        f"fitted to {len(known)} early-predicted others:", agreement(lives_of(rates, cell), means)
    )


def left_out(rates: Sequence[Sequence[float]], means: Array, folds: list[list[int]]) -> str:
    """Agreement of lives predicted for each fold by a fit to the others."""
    lives = np.empty(len(means))
    for fold in folds:
        rest = [k for k in range(len(means)) if k not in fold]
        cell = refitted([rates[k] for k in rest], means[rest])
        lives[fold] = lives_of([rates[k] for k in fold], cell)
    return f"{agreement(lives, means)}, MAPE {100 * np.abs(lives / means - 1).mean():.1f} %"


def show_cpu(folder: Path) -> None:
    protocols = [ChargeProtocol.four_step(one) for one in all_protocols()[:224:4][:48]]
    extend(cells(protocols[:1], 4, Noise()), [20])  # import what is imported on first use
    start = time.process_time()
    batch = cells(protocols, 4, Noise())
    extend(batch, [100] * 48)
    states = time.process_time()
    for test in batch:
        test.curves(2, 100)
    curves = time.process_time()
    extend(cells(protocols[:1], 4, Noise()), [5000])
    single = time.process_time()
    extend(batch, [5000] * 48)
    whole = time.process_time()
    print(
        f"48 cells to cycle 100: {states - start:.2f} s, their 4752 curves {curves - states:.2f} s"
    )
    print(f"one whole life: {single - curves:.2f} s; the rest of 48 lives {whole - single:.2f} s")


SHOWN = {
    "lives": show_lives,
    "nine": show_nine,
    "spread": show_spread,
    "early": show_early,
    "refit": show_refit,
    "cpu": show_cpu,
}


def main(arguments: Sequence[str]) -> None:
    what = arguments[0] if arguments else "all"
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(arguments[1] if len(arguments) > 1 else os.environ.get("LEYDEN_DATA", beside))
    for name in SHOWN if what == "all" else [what]:
        print(f"== {name}")
        SHOWN[name](folder)


if __name__ == "__main__":
    main(sys.argv[1:])
