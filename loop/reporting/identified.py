"""Which parameters a target's values identify, by a surrogate of what all trials gave."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from campaigns.space import Continuous, Integer
from loop.reporting.repeats import towards_curve
from surrogates.identification import Marginal, compatible, marginals
from surrogates.outputs import OutputData

if TYPE_CHECKING:
    from campaigns.space import Space
    from campaigns.target import Target
    from loop.state import CampaignState
    from surrogates.outputs import Array, OutputModel

DRAWS = 1000  # settings of the sample
SALT = 0x1DE  # keeps its generator apart from all others
IDENTIFIED, NARROWED = 1 / 3, 2 / 3  # shares of the range below which a parameter is called so
TOGETHER = 0.6  # least correlation of two parameters that is told
LEAST_VARIANCE = 1e-12  # of a residual: where nothing is uncertain a density would be infinite
SPARE = 2  # trials needed beyond the number of dimensions
LEARNT = 80  # settings learnt from at most: the time it takes grows with their square


@dataclass(frozen=True, slots=True)
class Identified:
    """What the data allow of one parameter: the 90 % range in its unit, the share that it is of
    the range before any data, and where it lies in the allowed range (`start`, `width`: 0 to 1
    on the parameter's scale)."""

    parameter: Continuous | Integer
    low: float
    high: float
    share: float
    start: float
    width: float

    @property
    def verdict(self) -> str:
        """The share in plain words."""
        if self.share < IDENTIFIED:
            return "identified"
        return "narrowed" if self.share < NARROWED else "not identified"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two parameters that the data tell only together."""

    one: str
    other: str
    correlation: float


@dataclass(frozen=True, slots=True)
class Identification:
    """All numeric parameters; without rows there are too few trials to tell.

    trials: those that gave all values; needed: as many as it takes; left_out: settings far from
    the target that were not learnt from, where there are very many; enlarged: the factor (Birge
    1932) by which all uncertainties had to grow until the closest settings were compatible; 1
    where the surrogate believes that some setting reproduces all values within them.
    """

    trials: int
    needed: int
    rows: tuple[Identified, ...] = ()
    pairs: tuple[Pair, ...] = ()
    left_out: int = 0
    enlarged: float = 1.0


def identified(state: CampaignState) -> Identification | None:
    """What the campaign's data identify; None without a target of several values, or where no
    parameter is numeric. The same state gives the same answer."""
    objective = towards_curve(state)
    places = _places(state.campaign.space)
    if objective is None or objective.curve is None or not places:
        return None
    from loop.optimizers.output_evidence import OutputEvidence
    from surrogates.output_gp import GaussianOutputs

    campaign = replace(state.campaign, objectives=(objective,))
    evidence = OutputEvidence.of(campaign, state.history)
    trials, needed = len(evidence.settings), campaign.space.dimension + SPARE
    if trials < needed:
        return Identification(trials, needed)
    rng = np.random.default_rng([campaign.seed, SALT])
    data = merged(evidence.data)
    learnt = closest(data, evidence.score.loss(data.y))
    try:
        misfit = _Misfit(GaussianOutputs().fit(learnt, rng), objective.curve)
    except ValueError:  # data that no model fits tell nothing here; the report goes on without
        return None
    space = campaign.space
    before = space.encode(space.sample(DRAWS, rng))
    after = compatible(before, misfit.log_likelihood, lambda x: _settled(space, x), rng)
    enlarged = misfit.ratio(after)
    if enlarged > 1.0:
        misfit = replace(misfit, enlarged=enlarged)
        after = compatible(before, misfit.log_likelihood, lambda x: _settled(space, x), rng)
    rows = _rows(places, marginals(before, after))
    return Identification(
        trials=trials,
        needed=needed,
        rows=tuple(rows.values()),
        pairs=_pairs(rows, after),
        left_out=len(data.x) - len(learnt.x),
        enlarged=enlarged,
    )


def merged(data: OutputData) -> OutputData:
    """Repeats of a setting as one row, weighted by what each states of its error: a Gaussian
    process learns the same from it. As they are where some error is not known or 0."""
    if not (data.variance > 0).all():
        return data
    x, place = np.unique(data.x, axis=0, return_inverse=True)
    weight = np.zeros((len(x), data.y.shape[1]))
    total = np.zeros_like(weight)
    np.add.at(weight, place.ravel(), 1.0 / data.variance)
    np.add.at(total, place.ravel(), data.y / data.variance)
    return OutputData(x, total / weight, 1.0 / weight)


def closest(data: OutputData, loss: Array) -> OutputData:
    """The rows with the least loss (n,), as many as are learnt from at most."""
    kept = np.sort(np.argsort(loss, kind="stable")[:LEARNT])
    return OutputData(data.x[kept], data.y[kept], data.variance[kept])


@dataclass(frozen=True, slots=True, eq=False)
class _Misfit:
    """The density of the measured values at a setting, as the surrogate of the outputs knows it.

    Values of weight 0 are left out: the campaign does not want them reproduced.
    """

    model: OutputModel
    target: Target
    enlarged: float = 1.0

    def _terms(self, x: Array) -> tuple[Array, Array]:
        """Squared standardised residuals (m x k) and their variances (m x k)."""
        counted = [aim.weight > 0 for aim in self.target.aims]
        own = np.array([aim.spread(aim.value, aim.sd) for aim in self.target.aims])
        mean, sd = self.model.moments(x)
        variance = self.enlarged**2 * np.maximum(sd**2 + own**2, LEAST_VARIANCE)[:, counted]
        return mean[:, counted] ** 2 / variance, variance

    def log_likelihood(self, x: Array) -> Array:
        """Logarithm of the density (m,) up to a constant, for settings in the unit cube (m x d)."""
        squares, variance = self._terms(x)
        return np.asarray(-0.5 * (squares + np.log(variance)).sum(axis=1))

    def ratio(self, x: Array) -> float:
        """Root of the least chi-squared of the settings over the k values; 1 where it lies within
        two standard deviations of a chi-squared variable (mean k, variance 2 k)."""
        squares, _ = self._terms(x)
        least, k = float(squares.sum(axis=1).min()), squares.shape[1]
        return math.sqrt(least / k) if least > k + 2.0 * math.sqrt(2.0 * k) else 1.0


def _settled(space: Space, x: Array) -> tuple[Array, NDArray[np.bool_]]:
    """The settings nearest to points (m x d) as the space codes them, and which are feasible."""
    settings = space.landed(x)
    allowed = np.ones(len(x), dtype=bool)
    if space.derived or space.constraints or space.sums or space.exclude:  # bounds hold already
        allowed = np.array([space.feasible(setting) for setting in settings], dtype=bool)
    return space.encode(settings), allowed


def _places(space: Space) -> dict[int, Continuous | Integer]:
    """The column of every parameter that has a range."""
    found: dict[int, Continuous | Integer] = {}
    column = 0
    for parameter in space.parameters:
        if isinstance(parameter, Continuous | Integer):
            found[column] = parameter
        column += parameter.columns
    return found


def _rows(places: dict[int, Continuous | Integer], found: list[Marginal]) -> dict[int, Identified]:
    rows = {}
    for column, parameter in places.items():
        one = found[column]
        low, high = map(float, parameter.decode(np.array([[one.low], [one.high]])))
        start, end = (min(max(x, 0.0), 1.0) for x in (one.low, one.high))
        rows[column] = Identified(parameter, low, high, one.share, start, end - start)
    return rows


def _pairs(rows: dict[int, Identified], sample: Array) -> tuple[Pair, ...]:
    """Pairs that the sample (m x d) ties to each other, the closest first. A parameter that is
    identified by itself needs no other."""
    open_ = [column for column, row in rows.items() if row.verdict != "identified"]
    columns = [column for column in open_ if sample[:, column].std() > 0]
    pairs = []
    for i, a in enumerate(columns):
        for b in columns[i + 1 :]:
            r = float(np.corrcoef(sample[:, a], sample[:, b])[0, 1])
            if abs(r) > TOGETHER:
                pairs.append(Pair(rows[a].parameter.name, rows[b].parameter.name, r))
    return tuple(sorted(pairs, key=lambda pair: -abs(pair.correlation)))
