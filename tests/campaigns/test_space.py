"""Spaces: coding round trips, feasibility of whatever they give, sums that hold."""

import csv
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.campaign import load
from campaigns.composition import Simplex
from campaigns.parameter import Parameter
from campaigns.problems import CampaignError
from campaigns.space import Choice, Continuous, Derived, Integer, Space, Sum

MIXED = Space(
    parameters=(
        Continuous("a", 0, 1),
        Continuous("b", 0, 0.5),
        Continuous("c", 0.1, 1),
        Integer("layers", 1, 100, scale="log"),
        Choice("binder", ("PVDF", "CMC", "PAA")),
        Choice("coated", (True, False)),
        Continuous("rate", 0.01, 10, "1/h", "log"),
    ),
    derived=(Derived("ratio", "a/c", 0.05, 5.0), Derived("twice", "2*ratio")),
    constraints=("a + 2*b <= 1.2", "rate >= 0.02"),
    sums=(Sum(("a", "b", "c"), 1.0),),
    exclude=("binder == 'PVDF' and layers > 50", "coated and twice > 8"),
)
seeds = st.integers(0, 2**32)


def test_the_recorded_protocols_come_out_of_the_rule(recorded_data: Path) -> None:
    space = load("fast-charging").space
    with (recorded_data / "attia2020" / "policies_all.csv").open() as lines:
        recorded = {tuple(round(float(cell), 3) for cell in row) for row in csv.reader(lines)}
    names = ("cc1", "cc2", "cc3", "cc4")
    computed = {tuple(round(float(c[name]), 3) for name in names) for c in space.candidates}
    assert len(space.candidates) == len(recorded) == 224
    assert computed == recorded


def test_candidates_come_in_product_order_and_cannot_be_changed() -> None:
    space = load("fast-charging").space
    keys = [space.key(setting) for setting in space.candidates]
    assert len(keys) == 224
    assert keys == sorted(keys)
    assert all(space.feasible(setting) for setting in space.candidates)
    with pytest.raises(TypeError):
        space.candidates[0]["cc1"] = 1.0  # type: ignore[index]


def test_finite_coding_round_trip() -> None:
    space = load("fast-charging").space
    x = space.encode(space.candidates)
    assert x.shape == (224, 3)
    assert x.dtype == np.float64
    assert x.min() == 0.0
    assert x.max() == 1.0
    assert space.decode(x) == list(space.candidates)


@given(seeds)
def test_samples_are_feasible_and_complete(seed: int) -> None:
    for setting in MIXED.sample(20, np.random.default_rng(seed)):
        assert MIXED.problems(setting) == []
        assert sum(float(setting[n]) for n in "abc") == pytest.approx(1.0, abs=1e-9)
        assert setting["twice"] == 2 * float(setting["a"]) / float(setting["c"])
        json.dumps(setting)  # plain values only


@given(seeds)
def test_coding_round_trip(seed: int) -> None:
    settings = MIXED.sample(20, np.random.default_rng(seed))
    x = MIXED.encode(settings)
    assert x.shape == (20, MIXED.dimension) == (20, 10)
    assert ((x >= 0) & (x <= 1)).all()
    for before, after in zip(settings, MIXED.decode(x), strict=True):
        for p in MIXED.parameters:
            if isinstance(p, Continuous):
                assert after[p.name] == pytest.approx(before[p.name], rel=1e-12, abs=1e-12)
            else:
                assert after[p.name] == before[p.name]


@given(seeds)
def test_any_point_of_the_cube_decodes_within_bounds_and_repairs_to_the_sum(seed: int) -> None:
    x = np.random.default_rng(seed).random((10, MIXED.dimension))
    for setting in MIXED.decode(x):
        repaired = MIXED.repair(setting)
        assert abs(sum(float(repaired[n]) for n in "abc") - 1.0) <= 1e-12
        for p in MIXED.parameters:
            assert p.problem(setting[p.name]) is None
            assert p.problem(repaired[p.name]) is None
        assert MIXED.key(MIXED.repair(repaired)) == pytest.approx(MIXED.key(repaired))


boxes = st.lists(
    st.tuples(st.floats(-5, 5), st.floats(0.01, 5)).map(lambda t: (t[0], t[0] + t[1])),
    min_size=2,
    max_size=6,
)


@given(boxes, st.floats(0.02, 0.98), seeds)
def test_sums_within_any_bounds(bounds: list[tuple[float, float]], share: float, seed: int) -> None:
    names = tuple(f"x{i}" for i in range(len(bounds)))
    low, high = sum(b[0] for b in bounds), sum(b[1] for b in bounds)
    total = low + share * (high - low)
    space = Space(
        tuple(Continuous(n, *b) for n, b in zip(names, bounds, strict=True)),
        sums=(Sum(names, total),),
    )
    rng = np.random.default_rng(seed)
    for setting in space.sample(5, rng):
        assert space.feasible(setting)
    start = dict(zip(names, rng.uniform(*np.array(bounds).T).tolist(), strict=True))
    repaired = space.repair(start)
    assert space.feasible(repaired)

    def distance(setting: object) -> float:
        return sum((float(setting[n]) - start[n]) ** 2 for n in names)  # type: ignore[index]

    nearest_drawn = min(map(distance, space.sample(50, rng)))
    assert distance(repaired) <= nearest_drawn + 1e-9


def test_compositions_are_uniform_on_the_simplex() -> None:
    space = Space(tuple(Continuous(n, 0, 1) for n in "abc"), sums=(Sum(("a", "b", "c"), 1.0),))
    drawn = space.sample(20_000, np.random.default_rng(0))
    values = np.array([space.key(s) for s in drawn], dtype=float)
    # a flat Dirichlet has means 1/3 and variances 2/36
    np.testing.assert_allclose(values.mean(axis=0), 1 / 3, atol=0.008)
    np.testing.assert_allclose(values.var(axis=0), 2 / 36, atol=0.002)


@pytest.mark.parametrize("widths", [(1, 1, 1, 1), (5, 0.01, 0.02, 0.5), (1, 0.2, 0.2, 0.3)])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_sums_are_uniform_between_any_bounds(widths: tuple[float, ...], share: float) -> None:
    total = share * sum(widths)
    simplex = Simplex((0.0,) * 4, widths, total)
    drawn = simplex.draw(4000, np.random.default_rng(1))
    # the same by brute force: all but the widest drawn, the widest solved for
    free = np.random.default_rng(2).random((1_000_000, 3)) * np.sort(widths)[:3]
    last = total - free.sum(axis=1)
    kept = free[(last >= 0) & (last <= max(widths))]
    assert len(kept) > 500
    for ours, theirs in zip(drawn[:, np.argsort(widths, kind="stable")[:3]].T, kept.T, strict=True):
        error = theirs.std() * (1 / 4000 + 1 / len(kept)) ** 0.5
        assert abs(ours.mean() - theirs.mean()) < 5 * error


def test_sums_with_whole_numbers_move_only_the_real_ones() -> None:
    space = Space(
        (Integer("n", 0, 3), Continuous("x", 0, 5), Continuous("y", 0, 5)),
        sums=(Sum(("n", "x", "y"), 4.0),),
    )
    for setting in space.sample(50, np.random.default_rng(0)):
        assert space.feasible(setting)
    assert space.repair({"n": 3, "x": 5.0, "y": 5.0}) == {"n": 3, "x": 0.5, "y": 0.5}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"a": 2.0}, "a: 2 is outside 0 to 1"),
        ({"a": True}, "a: True is no finite number"),
        ({"a": float("nan")}, "a: nan is no finite number"),
        ({"layers": 2.5}, "layers: 2.5 is no whole number"),
        ({"binder": "PVD"}, "binder: 'PVD' is no option"),
        ({"coated": 1}, "coated: 1 is no option"),
        ({"lyers": 3}, "did you mean 'layers'?"),
        ({"layers": 60, "binder": "PVDF"}, "excluded by"),
        ({"a": 0.31}, "a + b + c is 1.01, not 1"),
        ({"rate": 0.011}, "breaks the constraint 'rate >= 0.02'"),
        ({"ratio": 2.0}, "ratio: is 0.6 by its expression, not 2.0"),
        ({"a": 0.0, "b": 0.5, "c": 0.5}, "ratio: 0 is outside 0.05 to 5"),
    ],
)
def test_problems_name_the_reason(change: dict[str, object], told: str) -> None:
    good = {"a": 0.3, "b": 0.2, "c": 0.5, "layers": 3, "binder": "CMC", "coated": False,
            "rate": 1.0}  # fmt: skip
    assert MIXED.problems(good) == []
    problems = MIXED.problems({**good, **change})  # type: ignore[dict-item]
    assert any(told in problem for problem in problems), problems


def test_a_missing_parameter_is_told() -> None:
    assert "rate: missing" in MIXED.problems({"a": 0.3})


def test_impossible_derived_values_are_infeasible_not_exceptions() -> None:
    space = Space(
        (Choice("x", (0.0, 0.5, 1.0)),), (Derived("y", "1/x", 0.0, 1.5), Derived("z", "1/(x-1)"))
    )
    assert space.candidates == ()
    assert space.problems({"x": 0}) == ["y: inf is outside 0 to 1.5"]
    assert any("z: " in problem for problem in space.problems({"x": 1}))


def test_derived_bounds_are_inclusive() -> None:
    space = Space((Choice("x", (1, 2, 3)),), (Derived("y", "0.1*x", 0.1, 0.3),))
    assert len(space.candidates) == 3  # 0.1*3 is 0.30000000000000004


def test_large_finite_spaces_are_listed_and_nearest_is_found() -> None:
    space = Space(
        tuple(Choice(f"x{i}", tuple(range(10))) for i in range(5)), exclude=("x0 + x1 > 5",)
    )
    assert len(space.candidates) == 21_000
    rows = tuple((float(i), float(j)) for i in range(3) for j in range(3) if i != j)
    listed = Space((Choice("a", (0.0, 1.0, 2.0)), Choice("b", (0.0, 1.0, 2.0))), rows=rows)
    assert [listed.key(c) for c in listed.candidates] == list(rows)
    assert listed.problems({"a": 1.0, "b": 1.0}) == ["is none of the listed candidates"]
    assert all(listed.feasible(s) for s in listed.decode(np.random.default_rng(0).random((9, 2))))


def test_spaces_too_large_to_list_are_drawn_from() -> None:
    space = Space(tuple(Choice(f"x{i}", tuple(range(10))) for i in range(8)))
    assert not space.finite
    with pytest.raises(ValueError, match="cannot be listed"):
        _ = space.candidates
    assert all(space.feasible(s) for s in space.sample(20, np.random.default_rng(0)))


def test_nothing_feasible_is_told() -> None:
    space = Space((Continuous("a", 0, 1),), exclude=("a >= 0",))
    with pytest.raises(ValueError, match="no feasible setting"):
        space.sample(1, np.random.default_rng(0))
    assert "exclude[0] rules out" in str(space.emptiness())
    assert MIXED.emptiness() is None


def test_sampling_is_a_function_of_the_generator() -> None:
    first, again = (MIXED.sample(9, np.random.default_rng(4)) for _ in range(2))
    assert first == again


def test_spaces_are_values() -> None:
    _ = MIXED.sample(1, np.random.default_rng(0))
    again = pickle.loads(pickle.dumps(MIXED))  # noqa: S301
    assert again == MIXED
    assert hash(again) == hash(MIXED)


def test_all_mistakes_in_rules_are_told_at_once() -> None:
    with pytest.raises(CampaignError) as caught:
        Space(
            (Continuous("a", 0, 1), Continuous("b", 0, 0.5)),
            (Derived("a", "b +"), Derived("d", "b + z")),
            ("a*b <= 1", "a == 1"),
            (Sum(("a", "bb"), 1), Sum(("a", "b"), 7)),
            ("a", "q > 1"),
        )
    told = [problem.split(":")[0] for problem in caught.value.problems]
    assert told == [
        "derived.a", "derived.a.expression", "derived.d.expression", "exclude[0]", "exclude[1]",
        "constraints[0]", "constraints[1]", "sums[0].of", "sums[1].of", "sums[1].equals",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [
        lambda: Continuous("x", 1, 1),
        lambda: Continuous("x", 2, 1),
        lambda: Continuous("x", 0, 1, scale="log"),
        lambda: Continuous("x", float("nan"), 1),
        lambda: Integer("x", 0, 2**60),
        lambda: Integer("x", 0.5, 2),  # type: ignore[arg-type]
        lambda: Choice("x", ()),
        lambda: Choice("x", (1, 1.0)),
        lambda: Choice("x", (1, "a")),
        lambda: Choice("x", (True, 2)),
        lambda: Sum(("a",), 1.0),
        lambda: Sum(("a", "a"), 1.0),
        lambda: Derived("x", "1", 2, 1),
    ],
)
def test_impossible_parts_are_refused(make: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("parameter", "value", "coded"),
    [
        (Continuous("x", 1, 100, scale="log"), 10.0, [0.5]),
        (Integer("x", 0, 4), 1, [0.25]),
        (Choice("x", (1.0, 2.0, 5.0)), 2.0, [0.25]),
        (Choice("x", ("low", "mid", "high"), ordered=True), "mid", [0.5]),
        (Choice("x", ("p", "q", "r")), "q", [0.0, 1.0, 0.0]),
        (Choice("x", (3,)), 3, [0.0]),
    ],
)
def test_coding_is_what_the_page_says(
    parameter: Parameter, value: object, coded: list[float]
) -> None:
    space = Space((parameter,))
    x = space.encode([{"x": value}])  # type: ignore[dict-item]
    np.testing.assert_allclose(x, [coded])
    (decoded,) = space.decode(x)
    assert decoded["x"] == (pytest.approx(value) if isinstance(value, float) else value)
