"""How far predictions are off, in the loop, as measured cells take their bias away.

    PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/bias_correction.py --seeds 30
    PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/bias_correction.py --part recorded

In the loop: the predictor of a campaign `fast-charging` on the simulated cycler is trained on cells
of other protocols (`--training`), then a third of the cells that are searched run on to their end,
predicted on the way. The error of a prediction is its relative distance from the measured life.

two_step: 40 cells under two constant currents, 3.6 to 8 C and 1 to 4.8 C, not held to ten minutes.
shorter: cells of the campaign's own protocols, held to another end of life: lives a fifth shorter.
recorded: the 41 real cells of the split `train` of Severson et al. (2019), other cells altogether.

On recorded data (`--part recorded`): the predictions and measured lives of Attia et al. (2020),
nine protocols of five cells, met in random order.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from campaigns.records import Bound, Observation
from loop import launch
from loop.correcting import BIAS_SD_ELSEWHERE
from loop.events import Observed, Predicted
from loop.restoring import restore
from loop.store.store import Store
from surrogates.online_bias import OnlineBias

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("LEYDEN_DATA") or ROOT.parent / "shared" / "data")
SHORTER = 0.8
COUNTS = (0, 1, 2, 5, 10, 15)
PREDICTION_SD = 0.1  # of the recorded predictions, which state none: 9.1 %, Severson et al. (2019)
TWO_STEP = {
    "space": {
        "parameters": {
            "cc1": {"low": 3.6, "high": 8.0, "unit": "1/h"},
            "cc3": {"low": 1.0, "high": 4.8, "unit": "1/h"},
        },
        "derived": {
            "cc2": {"expression": "cc1", "low": 0.1, "high": 10.0, "unit": "1/h"},
            "cc4": {"expression": "cc3", "low": 0.1, "high": 10.0, "unit": "1/h"},
        },
    },
}


@dataclass(frozen=True)
class Seen:
    """One cell that was predicted, then measured: how many had been measured when it was predicted,
    and the relative errors of what the model said and of what the campaign took."""

    measured_before: int
    raw: float
    corrected: float


def trained(store: Store, kind: str, seed: int, folder: Path) -> dict[str, Any]:
    """The `training` of a campaign, made where it must be."""
    if kind == "recorded":
        return {"folder": str(DATA / "severson2019"), "splits": ["train"]}
    changes: dict[str, Any] = {
        "seed": seed + 10_000,
        "execution.kind": "inline",
        "budget.trials": 1,
        "early_prediction.training.simulate": 40,
    }
    if kind == "two_step":
        changes |= TWO_STEP
    earlier = launch.create(store, launch.read("fast-charging", changes))
    with launch.engine(store, earlier) as engine:
        engine.run()
    if kind == "two_step":
        return {"campaign": earlier}
    return {"folder": str(_folder(store, earlier, folder)), "splits": ["train"]}


def _folder(store: Store, campaign: str, folder: Path) -> Path:
    """The training cells in the public layout, their lives shortened."""
    (folder / "train").mkdir(parents=True)
    (folder / "cycle_lives").mkdir()
    lives = []
    for trial in restore(store, campaign).history.training.values():
        if not isinstance(trial.outcomes.get("cycle_life"), Observation):
            continue
        series = store.series(campaign, trial.number, trial.attempt, until=100)
        lives.append(trial.outcomes["cycle_life"].mean * SHORTER)
        path = folder / "train" / f"cell{len(lives)}.csv"
        np.savetxt(path, series.curves.T, fmt="%.7g", delimiter=",")
    text = "".join(f"{life}\n" for life in lives)
    (folder / "cycle_lives" / "train_cycle_lives.csv").write_text(text)
    return folder


def followed(kind: str, seed: int, trials: int) -> list[Seen]:
    """One campaign: every cell that was predicted and then measured."""
    with TemporaryDirectory() as folder, Store.open(f"sqlite:///{folder}/store.db") as store:
        changes = {
            "seed": seed,
            "execution.kind": "inline",
            "early_prediction.training": trained(store, kind, seed, Path(folder) / "cells"),
            "early_prediction.run_on": 0.35,
            "budget.trials": trials,
        }
        campaign = launch.create(store, launch.read("fast-charging", changes))
        with launch.engine(store, campaign) as engine:
            engine.run()
        events = store.events(campaign)
    first: dict[int, tuple[int, Predicted]] = {}
    found, measured = [], 0
    for event in events:
        match event.body:
            case Predicted() as body:
                first[body.trial] = measured, body
            case Observed() as body if body.trial in first and _life(body):
                known, told = first[body.trial]
                life = body.observation.mean
                said = told.prediction
                found.append(Seen(known, said.uncorrected.mean / life - 1, said.mean / life - 1))
                measured += 1
            case _:
                pass
    return found


def _life(body: Observed) -> bool:
    exact = body.observation.bound is Bound.EXACT
    return exact and body.observation.metric == "cycle_life"


def in_the_loop(kind: str, seeds: int, trials: int) -> None:
    seen = [one for seed in range(seeds) for one in followed(kind, seed, trials)]
    say(f"\n## Trained on {kind}: {seeds} seeds, {len(seen)} cells predicted, then measured\n")
    say("| measured before | cells | as the model said | corrected |")
    say("|---|---|---|---|")
    for low, high in zip(COUNTS, (*COUNTS[1:], 10**6), strict=True):
        here = [one for one in seen if low <= one.measured_before < high]
        if here:
            name = (
                f"{low}"
                if high == low + 1
                else f"{low} to {high - 1}"
                if high < 10**6
                else f"{low} on"
            )
            raw = np.array([one.raw for one in here])
            said = np.array([one.corrected for one in here])
            say(f"| {name} | {len(here)} | {_mean(raw)} | {_mean(said)} |")
    later = [one for one in seen if one.measured_before >= 10]
    raw = np.array([one.raw for one in later])
    said = np.array([one.corrected for one in later])
    say(f"\nafter ten cells: {_mean(raw)} as the model said, {_mean(said)} corrected")


def recorded(orders: int) -> None:
    """Attia's validation cells, met in random order."""
    lives, said = (
        _table(DATA / "attia2020" / f"validation_{name}.csv")
        for name in ("cycle_lives", "predictions")
    )
    pairs = [(y, p) for y, p in zip(lives.ravel(), said.ravel(), strict=True) if y > 0 and p > 0]
    rng = np.random.default_rng(0)
    errors: dict[int, list[tuple[float, float]]] = {}
    for _ in range(orders):
        logs = [float(np.log(pairs[i][0] / pairs[i][1])) for i in rng.permutation(len(pairs))]
        for n, log in enumerate(logs):
            bias = OnlineBias.of(logs[:n], [PREDICTION_SD] * n, BIAS_SD_ELSEWHERE)
            errors.setdefault(n, []).append((np.expm1(-log), np.expm1(bias.shift - log)))
    say(f"\n## Recorded cells of Attia et al.: {len(pairs)} with both, {orders} orders\n")
    say("| measured before | as predicted | corrected | root mean square before | after |")
    say("|---|---|---|---|---|")
    for n in (0, 1, 2, 5, 10, 20):
        rows = np.array(errors[n])
        means = [f"{100 * value:+.1f} %" for value in rows.mean(axis=0)]
        spread = [f"{100 * value:.1f} %" for value in np.sqrt((rows**2).mean(axis=0))]
        say(f"| {n} | " + " | ".join([*means, *spread]) + " |")


def _table(path: Path) -> NDArray[np.float64]:
    rows = csv.reader(path.read_text(encoding="utf-8-sig").splitlines())
    cells = [[float(cell) if _number(cell) else np.nan for cell in row] for row in rows]
    wide = [row[-5:] for row in cells if sum(np.isfinite(row)) >= 4]
    return np.array(wide, dtype=np.float64)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _mean(values: NDArray[np.float64]) -> str:
    if len(values) < 2:
        return "–"
    error = values.std(ddof=1) / np.sqrt(len(values))
    return f"{100 * values.mean():+.1f} ± {100 * error:.1f} %"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("loop", "recorded", "all"), default="all")
    parser.add_argument("--training", action="append", help="two_step, shorter, recorded")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--trials", type=int, default=60)
    given = parser.parse_args()
    if given.part in ("recorded", "all"):
        recorded(200)
    if given.part in ("loop", "all"):
        for kind in given.training or ("two_step", "shorter", "recorded"):
            in_the_loop(kind, given.seeds, given.trials)


if __name__ == "__main__":
    main()
