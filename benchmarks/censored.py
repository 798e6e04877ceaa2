"""What stopped tests do to the models of `gp_ucb` and `bo`: left out, taken as exact, or as bounds.

    python benchmarks/censored.py [--seeds N] [--only gp_ucb|bo|search]

Lives over two parameters are drawn from a Gaussian process (mean 900, sd 250 cycles, Matérn 5/2,
length scale 0.35); 40 settings are tested, with a scatter of 80 cycles, and tests are stopped at a
cycle that two in five of them reach. Errors are those of the posterior mean at the stopped
settings, in cycles; coverage is that of the 90 % interval there. `search` has `gp_ucb` find the
longest life in six batches of six, where every test is stopped at a cycle of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
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
FEATURES = 500
BATCHES, BATCH, LIMITS = 6, 6, (500.0, 1400.0)  # cycles that tests of the search are stopped at
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
        tell(history, setting, value, limit, way)
    return history


def tell(history: History, setting: Setting, life: float, limit: float, way: str) -> None:
    """Enter a test of a setting, stopped at the limit."""
    outcome = Observation("life", life, SCATTER, "1")
    if life > limit and way != "all run on":
        bound = Bound.AT_LEAST if way == "as bounds" else Bound.EXACT
        outcome = replace(outcome, mean=limit, bound=bound)
    number = history.next_number
    trials = (ProposedTrial(dict(setting), "x"),)
    history.apply(history.seen + 1, Proposed(0.0, 0, 1, number, "x", Purpose.SEARCH, trials))
    if not (life > limit and way == "left out"):
        history.apply(history.seen + 1, Observed(0.0, number, 1, outcome))
    history.apply(history.seen + 1, Ended(0.0, number, 1, TrialState.COMPLETED, 1.0))


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
    inside: dict[str, list[NDArray[np.bool_]]] = {way: [] for way in WAYS}
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


def landscape(rng: np.random.Generator) -> Callable[[Array], Array]:
    """A draw of the same process as a function of n x 2 settings: random Fourier features of the
    Matérn 5/2 kernel (Rahimi and Recht 2007)."""
    normal, chi = rng.standard_normal((FEATURES, 2)), rng.chisquare(5.0, (FEATURES, 1))
    waves = normal / np.sqrt(chi / 5.0) / LENGTH
    phase = rng.uniform(0.0, 2.0 * np.pi, FEATURES)
    weights = SD * np.sqrt(2.0 / FEATURES) * rng.standard_normal(FEATURES)
    return lambda points: np.asarray(MEAN + np.cos(points @ waves.T + phase) @ weights)


def search(seeds: int) -> None:
    """Print what `gp_ucb` finds where tests are stopped, in each of the WAYS."""
    campaign = parse(CAMPAIGN)
    lost: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(seeds):
        life = landscape(np.random.default_rng([seed, 18]))
        best = float(life(np.random.default_rng(0).uniform(size=(20_000, 2))).max())
        for way in WAYS:
            found = searched(campaign, life, seed, way)
            lost[way].append(best - float(life(_point(found))[0]))
    print(f"\nsearch by gp_ucb, {seeds} seeds\n\n| stopped tests | best missed by |\n|---|---|")
    for way in WAYS:
        print(f"| {way} | {np.mean(lost[way]):.0f} ± {_se(np.array(lost[way])):.0f} |")


def searched(campaign: Campaign, life: Callable[[Array], Array], seed: int, way: str) -> Setting:
    """The setting recommended after six batches."""
    from loop.optimizers.gp_ucb import GpUcb

    rng, history = np.random.default_rng([seed, 19]), History(["x", "y"])
    for _ in range(BATCHES):
        asked = np.random.default_rng([seed, history.seen])
        for proposal in GpUcb().propose(campaign, history, BATCH, asked):
            setting = proposal.parameters
            measured = float(life(_point(setting))[0]) + SCATTER * float(rng.standard_normal())
            tell(history, setting, measured, float(rng.uniform(*LIMITS)), way)
    return GpUcb().recommend(campaign, history).parameters


def _point(setting: Setting) -> Array:
    return np.array([[setting["x"], setting["y"]]], dtype=np.float64)


def _se(values: Array) -> float:
    return float(np.std(values, ddof=1)) / float(np.sqrt(len(values)))


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python {Path(__file__).name}")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--only", choices=[*MODELS, "search"], action="append")
    asked = parser.parse_args()
    for name in asked.only or [*MODELS, "search"]:
        if name == "search":
            search(asked.seeds)
        else:
            compare(name, asked.seeds)


if __name__ == "__main__":
    main()
