"""A Gaussian process fitted to all that a campaign recorded, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from campaigns.problems import CampaignError
from campaigns.records import Bound, Setting
from campaigns.space import Space
from loop.optimizers.gaussian_process import Array, Data, Posterior, Prior, cholesky
from loop.optimizers.hyperparameters import Fixed, fitted
from loop.whatif_record import Record

FEWEST = 8  # different settings; with fewer the cross-validated error says nothing
POOR = 0.5  # share of the reachable R² below which a warning is due
REACH = 0.95  # share of the recorded settings that lie in the region their neighbours make up
Z90 = 1.6448536269514722  # standard normal quantile at 0.95


@dataclass(frozen=True)
class Validation:
    """Leave-one-setting-out: each setting predicted from all others, the prior staying as fitted.

    rmse: of the settings' mean outcomes, in the metric's unit; r2: 1 - squared error over their
    variance; reachable: the r2 that the noise of those means leaves possible; within: share of
    them inside their 90 % intervals; settings: how many; reach: the posterior sd, without noise,
    that 95 % of the settings had when they were left out: errors were looked at up to there.
    """

    settings: int
    rmse: float
    r2: float
    reachable: float
    within: float
    reach: float

    def __str__(self) -> str:
        return (
            f"cross-validated over {self.settings} settings: RMSE {self.rmse:.4g}, "
            f"R² {self.r2:.2f} (the stated noise leaves {self.reachable:.2f}), "
            f"{self.within:.0%} within 90 % intervals"
        )

    @property
    def refusal(self) -> str:
        """Why nothing may be built on it; "" where something may."""
        if self.settings < FEWEST:
            return f"only {self.settings} settings are recorded, an emulator needs {FEWEST}"
        if self.r2 <= 0.0:
            return f"the emulator predicts no better than the mean of the record ({self})"
        return ""

    @property
    def warning(self) -> str:
        """What a reader must know before trusting it; "" where nothing."""
        if self.r2 < POOR * self.reachable:
            return (
                f"the emulator explains R² {self.r2:.2f}, where noise leaves "
                f"{self.reachable:.2f}; take differences of emulated values as hints."
            )
        return ""


@dataclass(frozen=True, eq=False)
class Emulator:
    """Belief about one metric over the space, from its exact recorded outcomes."""

    prior: Prior
    data: Data
    validation: Validation

    @classmethod
    def fit(cls, space: Space, record: Record, metric: str) -> Emulator:
        """Raises CampaignError where nothing exact was recorded of the metric."""
        settings: list[Setting] = []
        place: list[int] = []
        y: list[float] = []
        sem: list[float] = []
        for key, tests in record.tests.items():
            found = [test.outcomes[metric] for test in tests if metric in test.outcomes]
            exact = [one for one in found if one.bound is Bound.EXACT]
            if not exact:
                continue
            place += [len(settings)] * len(exact)
            settings.append(record.settings[key])
            y += [one.mean for one in exact]
            sem += [np.nan if one.sem is None else one.sem for one in exact]
        if not settings:
            raise CampaignError([f"no exact value of {metric} was recorded"])
        data = Data(space.encode(settings), np.array(place), np.array(y), np.array(sem))
        prior = fitted(data, Fixed())
        return cls(prior, data, validated(prior, data))

    def at(self, space: Space, settings: Sequence[Setting]) -> tuple[Array, Array]:
        """Mean and standard deviation of the noise-free metric at the settings: (n,), (n,)."""
        belief = Posterior(self.prior, self.data, space.encode(settings))
        return belief.mean, belief.sd

    def near(self, sd: Array) -> Array:
        """Whether settings with these posterior sds lie in the recorded region, as near to others
        as recorded settings are: (n,) of bool."""
        return np.asarray(sd <= self.validation.reach)

    @cached_property
    def scatter_sd(self) -> float:
        """What recorded outcomes scatter by around the belief: the noise of emulated ones. It is
        measured, so that a stated standard error that is too large does not make it larger."""
        belief = Posterior(self.prior, self.data, self.data.points)
        return float(np.sqrt(np.mean((self.data.y - belief.mean[self.data.place]) ** 2)))

    @property
    def stated_sem(self) -> float | None:
        """The standard error to tell with an emulated value: the usual one, if any was stated."""
        return self.data.stated_sem or None


def validated(prior: Prior, data: Data) -> Validation:
    """Leave-one-setting-out errors in closed form (Rasmussen and Williams 2006, eq. 5.12): with K
    the covariance of the settings' pooled outcomes, mean_i = y_i - [K⁻¹y]_i / [K⁻¹]_ii and
    variance_i = 1 / [K⁻¹]_ii, which holds the noise of y_i."""
    pooled, variances = data.pooled(prior.noise(data))
    factor = cholesky(prior.covariance(data.points, data.points), variances)
    half = np.linalg.inv(factor)
    inverse = half.T @ half
    error = inverse @ (pooled - prior.mean) / np.diag(inverse)
    sd = np.sqrt(1.0 / np.diag(inverse))
    spread = float(np.var(pooled)) or 1.0
    return Validation(
        settings=len(pooled),
        rmse=float(np.sqrt(np.mean(error**2))),
        r2=float(1.0 - np.mean(error**2) / spread),
        reachable=float(np.clip(1.0 - np.mean(variances) / spread, 0.0, 1.0)),
        within=float(np.mean(np.abs(error) <= Z90 * sd)),
        reach=float(np.quantile(np.sqrt(np.maximum(sd**2 - variances, 0.0)), REACH)),
    )
