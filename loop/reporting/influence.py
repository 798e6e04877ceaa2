"""What each parameter does to an objective, by a Gaussian process of all outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from campaigns.space import Choice, Integer
from loop.reporting.identified import merged
from surrogates.outputs import OutputData
from surrogates.sensitivity import Effect, Index, effect, explained, indices, relevance

if TYPE_CHECKING:
    from campaigns.objective import Objective
    from campaigns.parameter import Parameter
    from campaigns.records import Outcome, Trial
    from campaigns.space import Space
    from loop.state import CampaignState
    from surrogates.outputs import OutputModel

Array: TypeAlias = NDArray[np.float64]

TRIALS = 8  # with an outcome, below which nothing is told
NUMERIC = 2  # parameters that are numbers, as many as it takes for a comparison
LEARNT = 200  # settings learnt from at most: the time it takes grows with their cube
DRAWS = 24  # functions drawn from the posterior, for the intervals
SAMPLE = 4096  # feasible settings that main effects are averages over
SALT = 0x1F1  # keeps its generator apart from all others


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """One parameter: its Sobol indices, its length scale in the unit cube, the relevance that
    follows from it (1 for the most relevant), and its main effect in the objective's unit."""

    parameter: Parameter
    first: Index
    total: Index
    length_scale: float
    relevance: float
    effect: Effect


@dataclass(frozen=True, slots=True, eq=False)
class Influence:
    """All parameters of one objective, the most influential first.

    trials: those with an outcome; explained: the share of their outcomes' variance that the model
    predicts of trials it does not know; points: the trials with their outcomes.
    """

    objective: Objective
    trials: int
    explained: float
    shares: tuple[Share, ...]
    points: tuple[tuple[Trial, Outcome], ...]


def influences(state: CampaignState) -> list[Influence]:
    """The influence on each objective that enough is known of; the same state gives the same.

    Sobol indices are those of the posterior mean, for parameters that vary independently and
    uniformly over their ranges (on their own scales). Where sums or listed candidates allow no such
    settings, the nearest that do stand for them: a component that is raised lowers the others of
    its composition. Main effects are averages over the feasible settings as they are.
    """
    parameters = state.campaign.space.parameters
    if sum(parameter.kind == "number" for parameter in parameters) < NUMERIC:
        return []
    found = [_influence(state, place) for place in range(len(state.campaign.objectives))]
    return [one for one in found if one is not None]


def _influence(state: CampaignState, place: int) -> Influence | None:
    """The influence on one objective; None where too little is known or nothing differs."""
    from surrogates.output_gp import GaussianOutputs

    space, objective = state.campaign.space, state.campaign.objectives[place]
    points = state.history.outcomes(objective.metric)
    if len(points) < TRIALS or len({outcome.mean for _, outcome in points}) == 1:
        return None
    rng = np.random.default_rng([state.campaign.seed, SALT, place])
    data = _data(space, points, rng)
    try:
        model = GaussianOutputs().fit(data, rng)
    except ValueError:  # data that no model fits tell nothing here; the report goes on without
        return None
    relevant, scales = _relevance(space, model.length_scales()[0])
    found = indices(lambda u: _outputs(model, _landed(space, u)), len(space.parameters), rng)
    shares = [
        Share(parameter, first, total, scale, score, curve)
        for parameter, first, total, scale, score, curve in zip(
            space.parameters, found.first, found.total, scales, relevant,
            _effects(space, model, rng), strict=True,
        )
    ]  # fmt: skip
    return Influence(
        objective=objective,
        trials=len(points),
        explained=explained(data.y[:, 0], model.left_out()[:, 0]),
        shares=tuple(sorted(shares, key=lambda one: -one.total.value)),
        points=tuple(points),
    )


def _data(
    space: Space, points: Sequence[tuple[Trial, Outcome]], rng: np.random.Generator
) -> OutputData:
    """What the model learns from: repeats as one row, some settings left out where there are very
    many."""
    sems = [np.nan if outcome.sem is None else outcome.sem for _, outcome in points]
    data = merged(
        OutputData(
            space.encode([trial.parameters for trial, _ in points]),
            np.array([[outcome.mean] for _, outcome in points]),
            np.array(sems)[:, None] ** 2,
        )
    )
    if len(data.x) <= LEARNT:
        return data
    kept = np.sort(rng.choice(len(data.x), LEARNT, replace=False))
    return OutputData(data.x[kept], data.y[kept], data.variance[kept])


def _outputs(model: OutputModel, x: Array) -> Array:
    """The posterior mean and functions drawn from the posterior (1 + DRAWS x m) at x (m x d)."""
    return np.concatenate([model.moments(x)[0].T, model.draws(x, DRAWS)[:, :, 0]])


def _landed(space: Space, u: Array) -> Array:
    """Settings (m x d) that independent uniform numbers (m x number of parameters) stand for, each
    choice as likely as any other."""
    columns = []
    for value, p in zip(u.T, space.parameters, strict=True):
        if isinstance(p, Choice):
            places = np.minimum((value * len(p.options)).astype(int), len(p.options) - 1)
            columns.append(p.encode([p.options[i] for i in places.tolist()]))
        else:
            columns.append(value[:, None])
    return _allowed(space, np.hstack(columns))


def _allowed(space: Space, x: Array) -> Array:
    """Points (m x d) moved to the nearest settings, each different combination of the columns that
    this can change once: points of a sensitivity sample share most of their coordinates."""
    tied = {name for total in space.sums for name in total.of}
    moved = [
        space.rows is not None or p.name in tied or isinstance(p, Integer)
        for p in space.parameters
        for _ in range(p.columns)
    ]
    if not any(moved):
        return x  # every point of the cube is a setting
    _, first, place = np.unique(x[:, moved], axis=0, return_index=True, return_inverse=True)
    settled = space.encode(space.landed(x[first]))[place.ravel()]
    return np.where(moved, settled, x)


def _relevance(space: Space, length_scales: Array) -> tuple[list[float], list[float]]:
    """Relevance and length scale of each parameter: of the shortest of its columns."""
    edges = np.cumsum([0, *(p.columns for p in space.parameters)])
    scales = np.array([length_scales[a:b].min() for a, b in pairwise(edges)])
    return relevance(scales).tolist(), scales.tolist()


def _effects(space: Space, model: OutputModel, rng: np.random.Generator) -> list[Effect]:
    """The main effect of each parameter, at its own values; at the number of the option where
    these are texts or truth values."""
    settings = space.sample(SAMPLE, rng)
    outputs = _outputs(model, space.encode(settings))
    effects = []
    for p in space.parameters:
        if p.kind == "number":
            values = [float(setting[p.name]) for setting in settings]
        else:
            assert isinstance(p, Choice)
            values = [float(p.options.index(setting[p.name])) for setting in settings]
        effects.append(effect(np.array(values), outputs))
    return effects
