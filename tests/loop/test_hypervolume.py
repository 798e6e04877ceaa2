"""Hypervolumes and fronts: areas known by hand, and the laws both must keep."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from loop.optimizers.front import knee, non_dominated, scaled
from loop.optimizers.hypervolume import hypervolume

ZERO2, ZERO3 = np.zeros(2), np.zeros(3)


def sets(least: int = 1) -> st.SearchStrategy[np.ndarray]:
    """Up to eight points of two to four objectives on a coarse grid, so that ties are met."""
    grid = st.integers(-2, 6).map(lambda i: i / 2.0)
    shapes = st.tuples(st.integers(least, 8), st.integers(2, 4))
    return shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=grid))


def by_cells(points: np.ndarray) -> float:
    """The volume above the origin, cell by cell of the grid that the points span."""
    edges = [np.unique([0.0, *np.maximum(column, 0.0)]) for column in points.T]
    total = 0.0
    for cell in np.ndindex(*(len(edge) - 1 for edge in edges)):
        top = np.array([edge[i + 1] for edge, i in zip(edges, cell, strict=True)])
        low = np.array([edge[i] for edge, i in zip(edges, cell, strict=True)])
        if (points >= top).all(axis=1).any():
            total += float(np.prod(top - low))
    return total


def test_areas_known_by_hand() -> None:
    assert hypervolume(np.array([[1.0, 2.0], [2.0, 1.0]]), ZERO2) == pytest.approx(3.0)
    assert hypervolume(np.array([[1.0, 2.0, 1.0], [2.0, 1.0, 3.0]]), ZERO3) == pytest.approx(7.0)
    assert hypervolume(np.array([[3.0], [1.0]]), np.zeros(1)) == pytest.approx(3.0)
    assert hypervolume(np.array([[-1.0, -2.0]]), np.array([-3.0, -3.0])) == pytest.approx(2.0)


def test_of_nothing_and_of_what_is_not_above_the_reference_it_is_zero() -> None:
    assert hypervolume(np.empty((0, 2)), ZERO2) == 0.0
    assert hypervolume(np.array([[5.0, 0.0], [-1.0, 9.0]]), ZERO2) == 0.0


@pytest.mark.parametrize(
    ("points", "reference", "why"),
    [
        (np.array([[np.nan, 1.0]]), ZERO2, "finite"),
        (np.array([[1.0, 1.0]]), np.array([0.0, -np.inf]), "finite"),
        (np.ones((2, 3)), ZERO2, "n x 2"),
        (np.ones(2), ZERO2, "n x 2"),
        (np.ones((2, 2)), np.empty(0), "reference"),
    ],
)
def test_what_is_no_set_of_points_is_told(
    points: np.ndarray, reference: np.ndarray, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        hypervolume(points, reference)


@given(sets())
def test_it_is_the_volume_of_the_dominated_cells(points: np.ndarray) -> None:
    found = hypervolume(points, np.zeros(points.shape[1]))
    assert found == pytest.approx(by_cells(points))


@given(sets(), st.randoms(use_true_random=False))
def test_no_order_of_the_points_changes_it(points: np.ndarray, random: object) -> None:
    reference = np.full(points.shape[1], -0.25)
    order = list(range(len(points)))
    random.shuffle(order)  # type: ignore[attr-defined]
    found = hypervolume(points, reference)
    assert hypervolume(points[order], reference) == pytest.approx(found)
    assert hypervolume(points[:, ::-1], reference) == pytest.approx(found)


@given(sets(least=2))
def test_a_point_more_never_lowers_it(points: np.ndarray) -> None:
    reference = np.full(points.shape[1], -0.25)
    fewer = hypervolume(points[:-1], reference)
    assert hypervolume(points, reference) >= fewer - 1e-9


@given(sets())
def test_the_front_alone_has_all_of_it(points: np.ndarray) -> None:
    reference = np.full(points.shape[1], -0.25)
    front = points[non_dominated(points)]
    assert hypervolume(front, reference) == pytest.approx(hypervolume(points, reference))


@given(sets())
def test_the_front_is_of_those_that_none_dominates(points: np.ndarray) -> None:
    kept = non_dominated(points)
    assert kept.any()
    for row, keep in zip(points, kept, strict=True):
        above = ((points >= row).all(axis=1) & (points > row).any(axis=1)).any()
        assert keep == (not above)
    assert non_dominated(points[kept]).all()


@given(sets())
def test_the_knee_is_on_the_front_and_no_unit_moves_it(points: np.ndarray) -> None:
    chosen = knee(points)
    assert non_dominated(points)[chosen]
    assert knee(4.0 * points - 1.0) == chosen
    assert ((scaled(points) >= 0.0) & (scaled(points) <= 1.0)).all()


def test_the_knee_of_a_bent_front_is_its_corner() -> None:
    assert knee(np.array([[0.0, 10.0], [0.9, 9.0], [1.0, 0.0]])) == 1


@settings(max_examples=5)
@given(st.integers(0, 100))
def test_three_objectives_agree_with_a_sampled_volume(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, draws = rng.random((12, 3)), rng.random((20_000, 3))
    inside = (points[:, None, :] >= draws[None, :, :]).all(axis=-1).any(axis=0).mean()
    assert hypervolume(points, ZERO3) == pytest.approx(inside, abs=0.02)


def test_the_module_is_light() -> None:
    script = (
        "import sys, loop.optimizers.hypervolume, loop.optimizers.front\n"
        "sys.exit(bool({'torch', 'moocore', 'pymoo', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
