"""The bias of a predictor from cells that reached their end: against theory, and as laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surrogates.online_bias import DOUBT_WORTH_CELLS, OnlineBias

PRIOR_SD = 0.15
ERRORS = st.lists(st.floats(-0.5, 0.5), max_size=12)


def test_before_any_cell_only_the_doubt_is_known() -> None:
    bias = OnlineBias.of([], [], PRIOR_SD)
    assert (bias.shift, bias.scatter) == (0.0, 1.0)
    assert bias.sd == pytest.approx(PRIOR_SD)
    assert bias.spread(0.1) == pytest.approx(math.hypot(0.1, PRIOR_SD))


def test_one_cell_is_the_normal_posterior() -> None:
    """With k^2 = (8 + z^2)/9 of its own residual z, mean and variance are those of the textbook."""
    bias = OnlineBias.of([0.2], [0.1], PRIOR_SD)
    noise = (bias.scatter * 0.1) ** 2
    assert bias.shift == pytest.approx(0.2 * PRIOR_SD**2 / (PRIOR_SD**2 + noise))
    assert bias.sd**2 == pytest.approx(PRIOR_SD**2 * noise / (PRIOR_SD**2 + noise))
    z = (0.2 - bias.shift) / 0.1
    expected = (DOUBT_WORTH_CELLS + z * z) / (DOUBT_WORTH_CELLS + 1.0)
    assert bias.scatter**2 == pytest.approx(expected)


@given(ERRORS)
def test_the_shift_lies_between_nothing_and_the_mean_error(errors: list[float]) -> None:
    bias = OnlineBias.of(errors, [0.1] * len(errors), PRIOR_SD)
    mean = sum(errors) / len(errors) if errors else 0.0
    assert min(0.0, mean) - 1e-12 <= bias.shift <= max(0.0, mean) + 1e-12
    assert 0.0 < bias.sd <= PRIOR_SD * (1 + 1e-12)


@given(ERRORS)
def test_errors_turned_round_turn_the_shift_round(errors: list[float]) -> None:
    sds = [0.05 + 0.01 * i for i in range(len(errors))]
    bias, mirrored = (OnlineBias.of(e, sds, PRIOR_SD) for e in (errors, [-e for e in errors]))
    assert mirrored.shift == pytest.approx(-bias.shift, abs=1e-12)
    assert mirrored.sd == pytest.approx(bias.sd)


def test_intervals_cover_while_the_bias_is_learnt() -> None:
    """Predictors of a random bias, cells with the stated scatter: at every count of measured cells
    the next error lies inside the 90 % interval about as often as it should."""
    rng = np.random.default_rng(3)
    inside: dict[int, list[bool]] = {n: [] for n in (0, 2, 5, 10)}
    for _ in range(400):
        truth = rng.normal(0.0, PRIOR_SD)
        errors = (truth + rng.normal(0.0, 0.1, 11)).tolist()
        for n, found in inside.items():
            bias = OnlineBias.of(errors[:n], [0.1] * n, PRIOR_SD)
            found.append(abs(errors[n] - bias.shift) <= 1.645 * bias.spread(0.1))
    for found in inside.values():
        assert 0.86 <= np.mean(found) <= 0.95


def test_a_model_that_is_too_sure_of_itself_gets_wider_intervals() -> None:
    rng = np.random.default_rng(4)
    errors = rng.normal(0.0, 0.2, 40).tolist()
    assert OnlineBias.of(errors, [0.1] * 40, PRIOR_SD).scatter == pytest.approx(2.0, abs=0.35)


@pytest.mark.parametrize(
    ("errors", "sds", "prior"), [([0.1], [], 0.1), ([0.1], [0.0], 0.1), ([], [], 0.0)]
)
def test_what_cannot_be_weighed_is_refused(
    errors: list[float], sds: list[float], prior: float
) -> None:
    with pytest.raises(ValueError, match="standard deviation above 0"):
        OnlineBias.of(errors, sds, prior)
