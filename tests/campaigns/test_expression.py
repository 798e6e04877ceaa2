"""Expressions agree with Python's arithmetic and refuse everything beyond arithmetic."""

import contextlib
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.expression import Expression, ExpressionError, Kind

NAMES: dict[str, Kind] = {"a": "number", "b": "number", "t": "text", "on": "truth"}
FUNCTIONS = {"abs": abs, "min": min, "max": max, "exp": math.exp, "log": math.log,
             "log10": math.log10, "sqrt": math.sqrt}  # fmt: skip

numbers = st.floats(-100, 100, allow_nan=False).map(lambda v: f"({v!r})")
atoms = st.one_of(numbers, st.sampled_from(["a", "b"]))
formulas = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, st.integers(0, 3)).map(lambda t: f"{t[0]}**{t[1]}.0"),
        inner.map(lambda t: f"-{t}"),
        st.tuples(st.sampled_from(["abs", "exp", "log", "log10", "sqrt"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        ),
    ),
    max_leaves=12,
)
values = st.floats(-50, 50, allow_nan=False)


@given(formulas, values, values)
def test_value_is_what_python_computes(text: str, a: float, b: float) -> None:
    found = Expression.of(text, NAMES, "number").value({"a": a, "b": b})
    try:
        expected = eval(text, {"__builtins__": {}}, {**FUNCTIONS, "a": a, "b": b})  # noqa: S307
    except (ZeroDivisionError, ValueError, OverflowError):
        return  # Python gives up where the expression goes on with infinities
    if isinstance(expected, complex) or not math.isfinite(expected):
        return
    assert found == expected or not math.isfinite(found)


@given(formulas, st.lists(st.tuples(values, values), min_size=1, max_size=9))
def test_columns_and_single_values_agree_bit_for_bit(
    text: str, points: list[tuple[float, float]]
) -> None:
    expression = Expression.of(text, NAMES, "number")
    a, b = np.array(points).T
    column = expression.column({"a": a, "b": b}, len(points))
    single = [expression.value({"a": x, "b": y}) for x, y in points]
    np.testing.assert_array_equal(column, single)


@pytest.mark.parametrize(
    ("text", "setting", "expected"),
    [
        ("a == 4.8 and b <= 1", {"a": 4.8, "b": 1}, True),
        ("not (a < b < 3)", {"a": 1, "b": 2}, False),
        ("t == 'x' or on", {"t": "y", "on": True}, True),
        ("t != 'x'", {"t": "x"}, False),
        ("a\n < 2", {"a": 1}, True),
    ],
)
def test_comparisons(text: str, setting: dict[str, object], expected: bool) -> None:
    expression = Expression.of(text, NAMES, "truth")
    assert expression.value(setting) is expected
    columns = {name: np.array([value]) for name, value in setting.items()}
    assert expression.column(columns, 1).tolist() == [expected]


@pytest.mark.parametrize(
    ("text", "a", "check"),
    [
        ("1/a", 0.0, math.isinf),
        ("a/a", 0.0, math.isnan),
        ("sqrt(a)", -1.0, math.isnan),
        ("log(a)", 0.0, math.isnan),
        ("exp(a)", 1e6, math.isinf),
        ("a**a", 1e6, math.isinf),
        ("(-a)**0.5", 4.0, math.isnan),
    ],
)
def test_no_arithmetic_raises(text: str, a: float, check: object) -> None:
    expression = Expression.of(text, NAMES, "number")
    assert check(expression.value({"a": a}))  # type: ignore[operator]
    assert check(expression.column({"a": np.array([a])}, 1)[0])  # type: ignore[operator]


@pytest.mark.parametrize(
    "text",
    [
        "a.real", "a.__class__", "().__class__", "(lambda: 1)()", "a[0]", "[1][0]", "eval('1')",
        "__import__('os')", "open('x')", "print(1)", "min(*[1, 2])", "max(a, key=abs)", "abs()",
        "abs(1, 2)", "min(a)", "a if on else b", "[x for x in (1,)]", "{1}", "{'a': 1}", "(1, 2)",
        "a := 1", "a = 1", "a; b", "f'{a}'", "b'x'", "1j", "None", "...", "a // 2", "a % 2",
        "a @ b", "a << 2", "a & 1", "a ^ 2", "~a", "a is b", "a in (1,)", "await a", "yield a",
        "2**101", "a**-1e9", "9" * 400, "9" * 1999, "1e999", "a +", "", "  ", "\\x", "a b",
        "-" * 1500 + "1", "(" * 300 + "1" + ")" * 300, "+".join(["a"] * 400), "a" * 3000,
        "t + 1", "on + 1", "not a", "a and b", "t < 'x'", "a == t", "on == 1", "'x'", "\x00",
        "lambda", "a == ", "1if on else 2",
    ],
)  # fmt: skip
def test_everything_else_is_refused(text: str) -> None:
    for kind in ("number", "truth"):
        with pytest.raises(ExpressionError):
            Expression.of(text, NAMES, kind)  # type: ignore[arg-type]


@given(st.text(max_size=40))
def test_any_text_is_an_expression_or_an_expression_error(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        Expression.of(text, NAMES, "number").value({"a": 1.0, "b": 2.0, "t": "x", "on": True})


def test_messages_say_where_and_what_was_meant() -> None:
    with pytest.raises(ExpressionError, match=r"column 5: unknown name 'cc7'.*did you mean 'cc1'"):
        Expression.of("1 + cc7", {"cc1": "number"}, "number")
    with pytest.raises(ExpressionError, match=r"a power is written \*\*"):
        Expression.of("a^2", NAMES, "number")


def test_names_beyond_ascii_are_found() -> None:
    micro = "µ"  # the micro sign, which Python reads as a Greek mu
    expression = Expression.of(f"{micro} + 1", {micro: "number"}, "number")
    assert expression.value({micro: 1.5}) == 2.5
    assert expression.names == (micro,)


def test_expressions_are_values() -> None:
    expression = Expression.of("a + b", NAMES, "number")
    again = pickle.loads(pickle.dumps(expression))  # noqa: S301
    assert again == expression
    assert hash(again) == hash(expression)
    assert again.value({"a": 1, "b": 2}) == 3
