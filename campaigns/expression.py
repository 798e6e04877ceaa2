"""Formulas in campaign files: parsed once, checked against a whitelist, never given to eval()."""

from __future__ import annotations

import ast
import math
import operator
import unicodedata
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from campaigns.problems import listed, nearest

Kind: TypeAlias = Literal["number", "truth", "text"]
Function: TypeAlias = Callable[..., Any]
Term: TypeAlias = Callable[[Mapping[str, Any]], Any]

LONGEST = 2000  # characters
MOST_NODES = 500
DEEPEST = 60
_SPOKEN = {"number": "a number", "truth": "a truth value", "text": "a text"}
LARGEST_EXPONENT = 100.0  # of a literal exponent: larger ones are slips of the pen


class ExpressionError(ValueError):
    """The text is no formula that may be used here; the message says where and why."""


@dataclass(frozen=True)
class Expression:
    """A checked formula over named variables, giving a number or a truth value.

    Allowed are `+ - * / **`, comparisons, `and or not`, parentheses, names, numbers, quoted text
    in `==` and `!=`, and `min max abs sqrt exp log log10`. Numbers are IEEE doubles throughout:
    a division by zero gives an infinity, `sqrt(-1)` a NaN, and nothing raises. `value` and
    `column` agree bit for bit.

    Raises ExpressionError when built from anything else.
    """

    text: str
    variables: tuple[tuple[str, Kind], ...]  # names that may be used, and what each holds
    kind: Kind  # what the formula must give

    def __post_init__(self) -> None:
        found, _ = self._compiled(_SCALAR)
        if found != self.kind:
            wanted = "a comparison" if self.kind == "truth" else _SPOKEN[self.kind]
            raise ExpressionError(f"'{self.text}' must be {wanted}, not {_SPOKEN[found]}")

    @classmethod
    def of(cls, text: str, variables: Mapping[str, Kind], kind: Kind) -> Expression:
        """The checked formula `text` over `variables` (name to kind)."""
        return cls(text, tuple(variables.items()), kind)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The variables that the formula uses, in the order they are declared."""
        known = {unicodedata.normalize("NFKC", name): name for name, _ in self.variables}
        used = {known.get(n.id) for n in ast.walk(parse(self.text)) if isinstance(n, ast.Name)}
        return tuple(name for name, _ in self.variables if name in used)

    def value(self, values: Mapping[str, Any]) -> Any:
        """The formula at one point: a float (maybe not finite) or a bool."""
        return self._scalar(values)

    def column(self, columns: Mapping[str, NDArray[Any]], n: int) -> NDArray[Any]:
        """The formula at `n` points at once: (n,) float64 or bool from columns of shape (n,)."""
        with np.errstate(all="ignore"):
            result = self._array(columns)
        dtype = bool if self.kind == "truth" else np.float64
        return np.broadcast_to(np.asarray(result, dtype=dtype), (n,))

    @cached_property
    def _scalar(self) -> Term:
        return self._compiled(_SCALAR)[1]

    @cached_property
    def _array(self) -> Term:
        return self._compiled(_ARRAY)[1]

    def _compiled(self, functions: Mapping[Any, Function]) -> tuple[Kind, Term]:
        return _Compiler(self.text, dict(self.variables), functions).build(parse(self.text))

    def __reduce__(self) -> tuple[type[Expression], tuple[Any, ...]]:
        return Expression, (self.text, self.variables, self.kind)  # compiled terms stay behind


def parse(text: str) -> ast.expr:
    """The syntax tree of `text`, of bounded size; ExpressionError where it is no expression."""
    if len(text) > LONGEST:
        raise ExpressionError(f"too long: {len(text)} characters, at most {LONGEST} are allowed")
    if not text.strip():
        raise ExpressionError("an empty expression")
    flat = text.replace("\r", " ").replace("\n", " ").strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd spellings are judged below, not warned about
            tree = ast.parse(flat, mode="eval").body
    except SyntaxError as error:
        place = f"column {error.offset}: " if error.offset else ""
        raise ExpressionError(f"'{flat}': {place}{error.msg}") from None
    except (RecursionError, MemoryError, ValueError):
        raise ExpressionError(f"'{flat[:40]}…': cannot be read as an expression") from None
    _check_size(tree)
    return tree


def _check_size(tree: ast.expr) -> None:
    level: list[ast.AST] = [tree]
    nodes = depth = 0
    while level:
        nodes, depth = nodes + len(level), depth + 1
        if nodes > MOST_NODES or depth > DEEPEST:
            raise ExpressionError(f"too large: at most {MOST_NODES} terms, {DEEPEST} deep")
        level = [child for node in level for child in ast.iter_child_nodes(node)]


class _Compiler:
    """Turns a syntax tree into nested functions, checking kinds on the way."""

    def __init__(
        self, text: str, variables: Mapping[str, Kind], functions: Mapping[Any, Function]
    ) -> None:
        self._text = text
        self._functions = functions
        # Python reads identifiers in NFKC form: the micro sign in a name becomes a Greek mu
        self._names = {unicodedata.normalize("NFKC", name): name for name in variables}
        self._kinds = variables

    def build(self, node: ast.expr) -> tuple[Kind, Term]:
        """What `node` gives and the function that computes it."""
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._name(node)
            case ast.BinOp():
                return self._binary(node)
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BoolOp():
                terms = [self._wanted(value, "truth") for value in node.values]
                return "truth", _fold(self._functions[type(node.op)], terms)
            case ast.Compare():
                return self._compare(node)
            case ast.Call():
                return self._call(node)
        raise self._refused(node, f"{_spoken(node)} is not allowed")

    def _refused(self, node: ast.expr, why: str) -> ExpressionError:
        return ExpressionError(f"'{self._text}': column {node.col_offset + 1}: {why}")

    def _wanted(self, node: ast.expr, kind: Kind) -> Term:
        found, term = self.build(node)
        if found != kind:
            raise self._refused(node, f"{_SPOKEN[kind]} is needed here, not {_SPOKEN[found]}")
        return term

    def _constant(self, node: ast.Constant) -> tuple[Kind, Term]:
        value = node.value
        if isinstance(value, bool):
            return "truth", lambda _: value
        if isinstance(value, str):
            return "text", lambda _: value
        if not isinstance(value, (int, float)):
            raise self._refused(node, f"{value!r} is not allowed; write a real number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self._refused(node, "the number is too large")
        return "number", lambda _: number

    def _name(self, node: ast.Name) -> tuple[Kind, Term]:
        name = self._names.get(node.id)
        if name is None:
            guess = nearest(node.id, self._kinds)
            hint = f"; did you mean '{guess}'?" if guess else ""
            raise self._refused(
                node, f"unknown name '{node.id}'; known: {listed(self._kinds)}{hint}"
            )
        kind = self._kinds[name]
        if kind == "number" and self._functions is _SCALAR:
            return kind, lambda values: float(values[name])
        return kind, lambda values: values[name]

    def _binary(self, node: ast.BinOp) -> tuple[Kind, Term]:
        function = self._functions.get(type(node.op))
        if function is None:
            meant = "; a power is written **" if isinstance(node.op, ast.BitXor) else ""
            raise self._refused(node, f"{_spoken(node.op)} is not allowed, only + - * / **{meant}")
        left, right = self._wanted(node.left, "number"), self._wanted(node.right, "number")
        if isinstance(node.op, ast.Pow) and not _modest(node.right):
            raise self._refused(node, f"the exponent is larger than {LARGEST_EXPONENT:g}")
        return "number", lambda values: function(left(values), right(values))

    def _unary(self, node: ast.UnaryOp) -> tuple[Kind, Term]:
        function = self._functions.get(type(node.op))
        if function is None:
            raise self._refused(node, f"{_spoken(node.op)} is not allowed")
        kind: Kind = "truth" if isinstance(node.op, ast.Not) else "number"
        term = self._wanted(node.operand, kind)
        return kind, lambda values: function(term(values))

    def _compare(self, node: ast.Compare) -> tuple[Kind, Term]:
        operands = [node.left, *node.comparators]
        built = [self.build(operand) for operand in operands]
        links: list[Term] = []
        for op, (kind, a), (other, b) in zip(node.ops, built, built[1:], strict=False):
            function = self._functions.get(type(op))
            if function is None:
                raise self._refused(node, f"{_spoken(op)} is not allowed")
            if kind != other:
                raise self._refused(node, f"{_SPOKEN[kind]} is compared with {_SPOKEN[other]}")
            if kind != "number" and not isinstance(op, (ast.Eq, ast.NotEq)):
                raise self._refused(node, f"{_SPOKEN[kind]} can only be compared with == and !=")
            links.append(_link(function, a, b))
        return "truth", _fold(self._functions[ast.And], links)

    def _call(self, node: ast.Call) -> tuple[Kind, Term]:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        function = self._functions.get(name) if name else None
        if function is None or node.keywords:
            raise self._refused(node, f"only these can be called: {', '.join(CALLABLE)}")
        terms = [self._wanted(argument, "number") for argument in node.args]
        if name in ("min", "max"):
            if len(terms) < 2:
                raise self._refused(node, f"{name} needs two values or more")
            return "number", _fold(function, terms)
        if len(terms) != 1:
            raise self._refused(node, f"{name} needs one value")
        (term,) = terms
        return "number", lambda values: function(term(values))


def _spoken(node: ast.AST) -> str:
    """What a piece of Python is called in a message."""
    words = {"Attribute": "a dot", "Subscript": "an index", "Lambda": "lambda", "IfExp": "if-else"}
    name = type(node).__name__
    return words.get(name, f"Python's {name}")


def _link(function: Function, a: Term, b: Term) -> Term:
    return lambda values: function(a(values), b(values))


def _fold(function: Function, terms: Collection[Term]) -> Term:
    return lambda values: reduce(function, [term(values) for term in terms])


def _modest(exponent: ast.expr) -> bool:
    inner = exponent.operand if isinstance(exponent, ast.UnaryOp) else exponent
    if not isinstance(inner, ast.Constant) or not isinstance(inner.value, (int, float)):
        return True
    return abs(inner.value) <= LARGEST_EXPONENT


def _divide(a: float, b: float) -> float:
    try:
        return a / b
    except ZeroDivisionError:
        return (
            math.nan
            if a == 0 or math.isnan(a)
            else math.copysign(1, b) * math.copysign(math.inf, a)
        )


def _power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        return math.nan


def _exp(a: float) -> float:
    try:
        return math.exp(a)
    except OverflowError:
        return math.inf


def _defined(function: Callable[[float], float]) -> Callable[[float], float]:
    def guarded(a: float) -> float:
        try:
            return function(a)
        except ValueError:
            return math.nan

    return guarded


_log, _log10, _sqrt = _defined(math.log), _defined(math.log10), _defined(math.sqrt)


def _least(a: float, b: float) -> float:
    return a if math.isnan(a) or a <= b else b


def _greatest(a: float, b: float) -> float:
    return a if math.isnan(a) or a >= b else b


def _each(function: Callable[..., float]) -> Function:
    """`function` over arrays element by element: numpy's own exp, log and power round differently,
    and a setting must not change sides of a limit between the two ways of computing it."""

    def over(*columns: Any) -> NDArray[np.float64]:
        arrays = np.broadcast_arrays(*columns)
        values = map(function, *(array.ravel().tolist() for array in arrays))
        return np.fromiter(values, np.float64, arrays[0].size).reshape(arrays[0].shape)

    return over


_SHARED: dict[Any, Function] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.And: operator.and_,
    ast.Or: operator.or_,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    "abs": abs,
}
_SCALAR: Mapping[Any, Function] = _SHARED | {
    ast.Div: _divide,
    ast.Pow: _power,
    ast.Not: operator.not_,
    "min": _least,
    "max": _greatest,
    "sqrt": _sqrt,
    "exp": _exp,
    "log": _log,
    "log10": _log10,
}
_ARRAY: Mapping[Any, Function] = _SHARED | {
    ast.Div: np.divide,
    ast.Pow: _each(_power),
    ast.Not: np.logical_not,
    "min": np.minimum,
    "max": np.maximum,
    "sqrt": np.sqrt,
    "exp": _each(_exp),
    "log": _each(_log),
    "log10": _each(_log10),
}
CALLABLE = tuple(name for name in _SCALAR if isinstance(name, str))
