"""Linear inequalities between parameters, as written in a campaign file."""

from __future__ import annotations

import ast
import math
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from campaigns.expression import Expression, ExpressionError, parse
from campaigns.parameter import SLACK

_Affine: TypeAlias = tuple[dict[str, float], float]  # coefficients by name, constant


@dataclass(frozen=True)
class LinearConstraint:
    """sum_i coefficient_i * parameter_i <= bound, brought to this form from `text`."""

    text: str
    coefficients: tuple[tuple[str, float], ...]
    bound: float

    @classmethod
    def of(cls, text: str, names: Collection[str]) -> LinearConstraint:
        """The constraint `text`, such as "a + 2*b <= 1", over the numeric parameters `names`.

        Raises ExpressionError where it is no linear inequality.
        """
        Expression.of(text, dict.fromkeys(names, "number"), "truth")  # names, whitelist
        tree = parse(text)
        if not isinstance(tree, ast.Compare) or len(tree.ops) != 1:
            raise ExpressionError(f"'{text}': one comparison with <= or >= is needed")
        if not isinstance(tree.ops[0], (ast.LtE, ast.GtE)):
            raise ExpressionError(f"'{text}': only <= and >= are allowed; equalities go into sums")
        left, right = _affine(tree.left, text), _affine(tree.comparators[0], text)
        sign = 1.0 if isinstance(tree.ops[0], ast.LtE) else -1.0
        coefficients, constant = _added(left, right, -1.0)
        written = {unicodedata.normalize("NFKC", name): name for name in names}
        used = tuple((written[name], sign * c) for name, c in coefficients.items() if c != 0.0)
        if not all(math.isfinite(c) for _, c in used) or not math.isfinite(constant):
            raise ExpressionError(f"'{text}': the numbers are too large")
        if not used:
            raise ExpressionError(f"'{text}': no parameter is constrained")
        return cls(text, used, -sign * constant)

    def met(self, values: Mapping[str, Any]) -> Any:
        """Whether it holds: bool for numbers, (n,) bool for columns. Rounding is forgiven."""
        terms = [c * values[name] for name, c in self.coefficients]
        size = abs(self.bound) + sum(abs(term) for term in terms)
        return sum(terms) <= self.bound + SLACK * size


def _affine(node: ast.expr, text: str) -> _Affine:
    match node:
        case ast.Constant(value=int() | float() as value):
            return {}, float(value)
        case ast.Name(id=name):
            return {name: 1.0}, 0.0
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _affine(operand, text)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _times(_affine(operand, text), -1.0)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _added(_affine(left, text), _affine(right, text), 1.0)
        case ast.BinOp(op=ast.Sub(), left=left, right=right):
            return _added(_affine(left, text), _affine(right, text), -1.0)
        case ast.BinOp(op=ast.Mult(), left=left, right=right):
            a, b = _affine(left, text), _affine(right, text)
            if not a[0]:
                return _times(b, a[1])
            if not b[0]:
                return _times(a, b[1])
        case ast.BinOp(op=ast.Div(), left=left, right=right):
            a, b = _affine(left, text), _affine(right, text)
            if not b[0] and b[1] != 0:
                return _times(a, 1.0 / b[1])
    raise ExpressionError(
        f"'{text}': constraints are linear; write others as exclude = [\"not ({text})\"]"
    )


def _added(a: _Affine, b: _Affine, factor: float) -> _Affine:
    names = [*a[0], *(name for name in b[0] if name not in a[0])]
    total = {name: a[0].get(name, 0.0) + factor * b[0].get(name, 0.0) for name in names}
    return total, a[1] + factor * b[1]


def _times(a: _Affine, factor: float) -> _Affine:
    return {name: factor * c for name, c in a[0].items()}, factor * a[1]
