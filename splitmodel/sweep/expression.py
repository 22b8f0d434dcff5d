"""Arithmetic and conditions over named columns, such as "slo_met and token <= 2 * prompt"."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from itertools import pairwise
from typing import Any

import jax.numpy as jnp

from splitmodel.errors import InputError, check_choice, unknown_name
from splitmodel.units import Flag
from splitmodel.variables import COORDINATES, VARIABLES

_BINARY: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.And: jnp.logical_and,
    ast.Or: jnp.logical_or,
}
_UNARY: dict[type, Any] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: jnp.logical_not,
}
_ALLOWED = "numbers, names, + - * /, comparisons, and, or, not"

_Columns = Mapping[str, Any]
_Evaluator = Callable[[_Columns], Any]


@dataclass(frozen=True)
class Expression:
    """A number or a truth value per configuration.

    Written as in Python: numbers, names, + - * /, comparisons, `and`, `or`, `not`. A variable with
    a dimension takes one of its labels: `ttft_s[99]`, `utilisation["token"]`. A number counts as
    true where it is not zero.
    """

    field: str
    """What it is for, as messages name it."""
    text: str

    @classmethod
    def of(cls, field: str, text: Any, allowed: Collection[str]) -> Expression:
        """A checked expression.

        Raises:
            InputError: for what is no expression, a name that is not `allowed`, or a variable
                without one of its labels.
        """
        parsed = cls(field, text)
        if not parsed.names:
            raise InputError(f"{field}: {text!r} says nothing about a configuration")
        for name in sorted(parsed.names):
            if name not in allowed:
                raise unknown_name(f"{field}: {text!r}: name", name, allowed)
        _evaluator(field, text)
        return parsed

    @property
    def names(self) -> frozenset[str]:
        """Columns that it needs."""
        tree = _tree(self.field, self.text)
        return frozenset(each.id for each in ast.walk(tree) if isinstance(each, ast.Name))

    def __call__(self, columns: _Columns) -> Any:
        """Its value for columns of shape [..., own dimension]."""
        return _evaluator(self.field, self.text)(columns)

    def holds(self, columns: _Columns) -> Flag:
        """Whether it is true."""
        return _true(self(columns))


@cache
def _tree(field: str, text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, AttributeError, RecursionError) as problem:
        raise InputError(f"{field}: {text!r} is not an expression of {_ALLOWED}") from problem


@cache
def _evaluator(field: str, text: str) -> _Evaluator:
    return _compiled(field, _tree(field, text))


def _compiled(field: str, tree: ast.expr) -> _Evaluator:
    def inner(each: ast.expr) -> _Evaluator:
        return _compiled(field, each)

    match tree:
        case ast.BoolOp(op, values):
            truths = [_truth(inner(each)) for each in values]
            return lambda columns: reduce(_BINARY[type(op)], (each(columns) for each in truths))
        case ast.UnaryOp(op, operand) if type(op) in _UNARY:
            one = _truth(inner(operand)) if isinstance(op, ast.Not) else inner(operand)
            return lambda columns: _UNARY[type(op)](one(columns))
        case ast.BinOp(left, op, right) if type(op) in _BINARY:
            one, other = inner(left), inner(right)
            return lambda columns: _BINARY[type(op)](one(columns), other(columns))
        case ast.Compare(left, ops, others) if all(type(op) in _BINARY for op in ops):
            sides = pairwise([inner(left), *map(inner, others)])
            steps = [(_BINARY[type(op)], *pair) for op, pair in zip(ops, sides, strict=True)]
            return lambda columns: reduce(
                jnp.logical_and, (compare(a(columns), b(columns)) for compare, a, b in steps)
            )
        case ast.Constant(value=bool() | int() | float() as value):
            return lambda columns: float(value)
        case ast.Name(id=name):
            if labels := _labels(name):
                shown = ", ".join(f"{name}[{label!r}]" for label in labels)
                raise InputError(f"{field}: {name} has several values; choose one of {shown}")
            return lambda columns: columns[name]
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=label)):
            labels = [str(each) for each in _labels(name)]
            if not labels:
                raise InputError(f"{field}: {name} has one value alone; write it without [...]")
            index = labels.index(check_choice(f"{field}: label of {name}", str(label), labels))
            return lambda columns: columns[name][..., index]
    raise InputError(f"{field}: {ast.unparse(tree)!r} is not allowed; use {_ALLOWED}")


def _truth(value: _Evaluator) -> _Evaluator:
    return lambda columns: _true(value(columns))


def _true(value: Any) -> Flag:
    value = jnp.asarray(value)
    return value if value.dtype == bool else value != 0


def _labels(name: str) -> tuple[Any, ...]:
    """Labels along the dimension of a variable; none for an axis or a single number."""
    dims = VARIABLES[name].dims if name in VARIABLES else ()
    return COORDINATES.get(dims[0], ()) if dims else ()
