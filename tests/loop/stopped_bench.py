"""Lives with a known truth, of which tests stopped at a fixed cycle tell only a bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from campaigns.campaign import Campaign, parse
from campaigns.records import Bound, Observation, Purpose, Setting, TrialState
from loop.events import Ended, Observed, Proposed, ProposedTrial
from loop.history import History
from loop.optimizers.gaussian_process import Array, Prior

TOML = """
name = "stopped"
seed = 1
[space.parameters]
x = {{ low = 0.0, high = 1.0 }}
y = {{ low = 0.0, high = 1.0 }}
[[objectives]]
metric = "{metric}"
goal = "{goal}"
[optimizer]
kind = "{kind}"
[instrument]
kind = "table"
[budget]
trials = 1000
"""
SCATTER = 80.0
Z90 = 1.6448536269514722


def campaign(kind: str = "gp_ucb", goal: str = "maximize", metric: str = "life") -> Campaign:
    return parse(TOML.format(kind=kind, goal=goal, metric=metric))


@dataclass(frozen=True)
class Stopped:
    """Tests over two parameters: what is true, what a whole test gives, and where it is cut off."""

    settings: list[Setting]
    truth: Array
    measured: Array
    limit: float

    @classmethod
    def drawn(cls, seed: int, tests: int = 40, share: float = 0.4) -> Stopped:
        """Lives from a Gaussian process; `share` of the tests outlive the limit."""
        rng = np.random.default_rng([seed, 23])
        points = rng.uniform(size=(tests, 2))
        covariance = Prior(900.0, 250.0, 0.35, "matern52").covariance(points, points)
        factor = np.linalg.cholesky(covariance + 1e-6 * np.eye(tests))
        truth = 900.0 + factor @ rng.standard_normal(tests)
        measured = truth + SCATTER * rng.standard_normal(tests)
        settings: list[Setting] = [{"x": float(x), "y": float(y)} for x, y in points]
        return cls(settings, truth, measured, float(np.quantile(measured, 1.0 - share)))

    @property
    def over(self) -> np.ndarray:
        """Which tests were stopped."""
        return self.measured > self.limit

    def told(self, way: str, sign: float = 1.0, sem: float | None = SCATTER) -> History:
        """The history where stopped tests are "dropped", "truncated" or "bounds"; sign -1 turns
        all values, and the bounds, round."""
        history = History(["x", "y"])
        for setting, value, over in zip(self.settings, self.measured, self.over, strict=True):
            bound = Bound.AT_LEAST if sign > 0 else Bound.AT_MOST
            kept = not over or way != "dropped"
            mean = sign * float(min(value, self.limit))
            limited = bound if over and way == "bounds" else Bound.EXACT
            add(history, setting, *[Observation("life", mean, sem, "1", limited)] * kept)
        return history


def add(history: History, setting: Setting, *told: Observation, fidelity: str = "") -> int:
    """Enter one trial with what it told; its number."""
    number = history.next_number
    trials = (ProposedTrial(dict(setting), "x", fidelity=fidelity),)
    proposed = Proposed(0.0, history.seen, 1, number, "x", Purpose.SEARCH, trials)
    history.apply(history.seen + 1, proposed)
    for one in told:
        history.apply(history.seen + 1, Observed(0.0, number, 1, one))
    state = TrialState.COMPLETED if told else TrialState.STOPPED
    history.apply(history.seen + 1, Ended(0.0, number, 1, state, 1.0))
    return number
