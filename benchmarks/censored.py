"""What stopped tests do to the models of `gp_ucb` and `bo`: left out, taken as exact, or as bounds.

    python benchmarks/censored.py [--seeds N] [--model gp_ucb|bo]

Lives over two parameters are drawn from a Gaussian process (mean 900, sd 250 cycles, Matérn 5/2,
length scale 0.35); 40 settings are tested, with a scatter of 80 cycles, and tests are stopped at a
cycle that two in five of them reach. Errors are those of the posterior mean at the stopped settings,
in cycles; coverage is that of the 90 % interval there.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from campaigns.campaign import Campaign, parse
from campaigns.records import Bound, Observation, Purpose, Setting, TrialState
from loop.events import Ended, Observed, Proposed, ProposedTrial
from loop.history import History

Array = NDArray[np.float64]

CAMPAIGN = """
name = "stopped"
seed = 1
[space.parameters]
x = { low = 0.0, high = 1.0 }
y = { low = 0.0, high = 1.0 }
[[objectives]]
metric = "life"
goal = "maximize"
[optimizer]
kind = "gp_ucb"
[instrument]
kind = "table"
[budget]
trials = 1000
"""
MEAN, SD, LENGTH, SCATTER, TESTS, STOPPED = 900.0, 250.0, 0.35, 80.0, 40, 0.4
Z90 = 1.6448536269514722
WAYS = ("left out", "taken as exact", "as bounds", "all run on")


def drawn(seed: int) -> tuple[list[Setting], Array, Array]:
    """Settings, their true mean lives, and what a test of each would measure."""
    from loop.optimizers.gaussian_process import Prior

    rng = np.random.default_rng([seed, 17])
    points = rng.uniform(size=(TESTS, 2))
    covariance = Prior(MEAN, SD, LENGTH, "matern52").covariance(points, points)
    factor = np.linalg.cholesky(covariance + 1e-6 * np.eye(TESTS))
    truth = MEAN + factor @ rng.standard_normal(TESTS)
    settings: list[Setting] = [{"x": float(x), "y": float(y)} for x, y in points]
    return settings, truth, truth + SCATTER * rng.standard_normal(TESTS)


def told(settings: list[Setting], measured: Array, limit: float, way: str) -> History:
    """The history in which tests that outlive the limit are told in one of the WAYS."""
    history = History(["x", "y"])
    for setting, value in zip(settings, measured.tolist(), strict=True):
        outcome = Observation("life", value, SCATTER, "1")
        if value > limit and way != "all run on":
            bound = Bound.AT_LEAST if way == "as bounds" else Bound.EXACT
            outcome = replace(outcome, mean=limit, bound=bound)
        number = history.next_number
        trial = ProposedTrial(dict(setting), "x")
        events = [Proposed(0.0, 0, 1, number, "x", Purpose.SEARCH, (trial,))]
        history.apply(history.seen + 1, events[0])
        if not (value > limit and way == "left out"):
            history.apply(history.seen + 1, Observed(0.0, number, 1, outcome))
        history.apply(history.seen + 1, Ended(0.0, number, 1, TrialState.COMPLETED, 1.0))
    return history


def by_gp_ucb(campaign: Campaign, history: History, at: list[Setting]) -> tuple[Array, Array]:
    from loop.optimizers.evidence import Evidence
    from loop.optimizers.gaussian_model import GaussianModel

    belief = GaussianModel().posterior(campaign.space, Evidence.of(campaign, history), at)
    return belief.mean, belief.sd


def by_bo(campaign: Campaign, history: History, at: list[Setting]) -> tuple[Array, Array]:
    from loop.optimizers.bo_censored import with_bounds
    from loop.optimizers.bo_data import encoded, gather
    from loop.optimizers.bo_model import fit
    from surrogates.fence import fenced

    with fenced(1):
        evidence = with_bounds(gather(campaign, history, "observed"), campaign, history)
        mean, sd = fit(evidence).moments(encoded(campaign, at))
    one = evidence.series[0]
    return one.offset + one.scale * mean[:, 0], one.scale * sd[:, 0]


MODELS = {"gp_ucb": by_gp_ucb, "bo": by_bo}


def compare(name: str, seeds: int) -> None:
    """Print the table of one model."""
    campaign = parse(CAMPAIGN)
    errors: dict[str, list[Array]] = {way: [] for way in WAYS}
    inside: dict[str, list[Array]] = {way: [] for way in WAYS}
    lost: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(seeds):
        settings, truth, measured = drawn(seed)
        limit = float(np.quantile(measured, 1.0 - STOPPED))
        stopped = measured > limit
        for way in WAYS:
            history = told(settings, measured, limit, way)
            mean, sd = MODELS[name](campaign, history, settings)
            errors[way].append((mean - truth)[stopped])
            inside[way].append((np.abs(mean - truth) <= Z90 * sd)[stopped])
            lost[way].append(float(truth.max() - truth[np.argmax(mean)]))
    print(
        f"\n{name}, {seeds} seeds\n\n| stopped tests | bias | RMSE | coverage, % | best missed by |"
    )
    print("|---|---|---|---|---|")
    for way in WAYS:
        means = np.array([e.mean() for e in errors[way]])
        all_ = np.concatenate(errors[way])
        rmse = float(np.sqrt(np.mean(all_**2)))
        covered = 100.0 * float(np.mean(np.concatenate(inside[way])))
        print(
            f"| {way} | {means.mean():.0f} ± {_se(means):.0f} | {rmse:.0f} | {covered:.0f} "
            f"| {np.mean(lost[way]):.0f} ± {_se(np.array(lost[way])):.0f} |"
        )


def _se(values: Array) -> float:
    return float(np.std(values, ddof=1)) / float(np.sqrt(len(values)))


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python {Path(__file__).name}")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--model", choices=sorted(MODELS), action="append")
    asked = parser.parse_args()
    for name in asked.model or MODELS:
        compare(name, asked.seeds)


if __name__ == "__main__":
    main()
