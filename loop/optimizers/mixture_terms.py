"""The polynomials of a mixture design, made orthonormal over the feasible settings."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from campaigns.problems import CampaignError
from campaigns.space import Choice, Continuous

if TYPE_CHECKING:
    from campaigns.space import Space

Array: TypeAlias = NDArray[np.float64]
ModelName: TypeAlias = Literal["linear", "quadratic", "special_cubic"]
Term: TypeAlias = tuple[int, ...]  # columns that are multiplied; () is the constant

# Of a term's own size: what must be left of it once all earlier terms are taken out. Sums hold to
# 1e-9, so that a term they make redundant leaves less.
INDEPENDENT = 1e-6


@dataclass(frozen=True, eq=False)
class Basis:
    """Functions that span the polynomials of a model on the feasible settings.

    Attributes:
        space: what may be varied.
        terms: the products of columns that are left, p of them, the constant first.
        transform: from these to functions of mean square 1, mutually orthogonal over the feasible
            settings, p x p. Each function is free of all that stand before it: linear terms are
            free of the mean, products of linear terms.

    The terms are 1, every column, the products of columns of two parameters and the squares, for a
    special cubic also the products of three components of one composition. Terms that the rules of
    the space make a combination of earlier ones are left out. Where components x_i add up to a
    total, what is left spans Scheffé's canonical polynomials (Scheffé 1958) with the process
    variables z_k as in Kowalski, Cornell and Vining 2000:
    sum b_i x_i + sum b_ij x_i x_j + sum g_ik x_i z_k + sum a_kl z_k z_l + sum a_kk z_k^2.
    """

    space: Space
    terms: tuple[Term, ...]
    transform: Array

    @classmethod
    def of(cls, space: Space, model: ModelName, sample: Array) -> Basis:
        """The basis over a uniform sample of the feasible settings (N x d in the unit cube)."""
        columns = coordinates(space, sample)
        kept: list[Term] = []
        ones: list[Array] = []
        for term in _terms(space, model):
            column = _product(columns, term)
            left = column
            for _ in range(2):  # once more for the rounding of the first time
                left = left - sum((one * (one @ left) for one in ones), np.zeros_like(left))
            size = float(np.linalg.norm(left))
            if size > INDEPENDENT * float(np.linalg.norm(column)):
                kept.append(term)
                ones.append(left / size)
        matrix = np.column_stack([_product(columns, term) for term in kept])
        triangle = np.linalg.qr(matrix, mode="r")
        return cls(space, tuple(kept), np.linalg.inv(triangle) * math.sqrt(len(sample)))

    def values(self, x: Array) -> Array:
        """The functions at settings in the unit cube: n x d -> n x p."""
        columns = coordinates(self.space, x)
        plain = np.column_stack([_product(columns, term) for term in self.terms])
        return np.asarray(plain @ self.transform)


def check(space: Space, model: ModelName) -> None:
    """Raises CampaignError for a special cubic where no composition has three components."""
    if model == "special_cubic" and not any(len(total.of) > 2 for total in space.sums):
        raise CampaignError(
            ["optimizer.options.model: 'special_cubic' needs a composition of three or more "
             "parameters ([[space.sums]]); allowed without one: 'linear', 'quadratic'"]
        )  # fmt: skip


def coordinates(space: Space, x: Array) -> Array:
    """The columns that terms are made of (n x d), from the coding of the unit cube.

    They are that coding, but for the components of sums, which are linear whatever their scale:
    shares of a whole blend by their amounts.
    """
    found = np.array(x, dtype=np.float64)
    components = {name for total in space.sums for name in total.of}
    column = 0
    for p in space.parameters:
        if isinstance(p, Continuous) and p.scale == "log" and p.name in components:
            amounts = p.low * np.exp(found[:, column] * math.log(p.high / p.low))
            found[:, column] = (amounts - p.low) / (p.high - p.low)
        column += p.columns
    return found


def _terms(space: Space, model: ModelName) -> Iterator[Term]:
    """All terms of the model, none of them left out yet, simple ones first."""
    owner = [i for i, p in enumerate(space.parameters) for _ in range(p.columns)]
    columns = range(len(owner))
    yield ()
    yield from ((j,) for j in columns)
    if model == "linear":
        return
    yield from ((j, k) for j, k in itertools.combinations(columns, 2) if owner[j] != owner[k])
    for j in columns:
        parameter = space.parameters[owner[j]]
        if not isinstance(parameter, Choice) or parameter.ordered:
            yield (j, j)
    if model == "special_cubic":
        yield from _blends_of_three(space, owner)


def _blends_of_three(space: Space, owner: list[int]) -> Iterator[Term]:
    for total in space.sums:
        places = [owner.index(space.names.index(name)) for name in total.of]
        yield from itertools.combinations(places, 3)


def _product(columns: Array, term: Term) -> Array:
    found = np.ones(len(columns))
    for column in term:
        found = found * columns[:, column]
    return found
