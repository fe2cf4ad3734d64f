"""Formulas of rows and indicators: arithmetic over names, read into SQL expressions; nothing is ever run as code.

A formula has names, whole and decimal numbers, + - * /, parentheses and percent(part, whole). A division
by zero or by an unknown gives null: no figure is better than a wrong one.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol

import sqlalchemy as sa

LONGEST = 300

Expression = sa.ColumnElement[Any]


class Columns(Protocol):
    """Whatever gives an expression by its name: a mapping, or the columns of a table or CTE."""

    def __getitem__(self, name: str, /) -> Expression: ...


_SIGNS: dict[type[ast.operator], Callable[[Expression, Expression], Expression]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    # Counts are whole: only a division needs more, and casting each of millions of counts takes its time.
    ast.Div: lambda one, other: sa.cast(one, sa.Numeric) / sa.func.nullif(sa.cast(other, sa.Numeric), 0),
}


class FormulaInvalid(ValueError):
    """The text is not a formula; the message says where."""


class Formula:
    """A formula that was read. Raises FormulaInvalid for anything but the arithmetic above."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise FormulaInvalid(f"a formula has at most {LONGEST} characters")
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise FormulaInvalid(f"{text!r} cannot be read") from None
        self.text = text
        self.names: frozenset[str] = frozenset(_names(self._tree))

    @property
    def name(self) -> str | None:
        """The one name that the formula is; None when it reckons."""
        return self._tree.id if isinstance(self._tree, ast.Name) else None

    def sql(self, values: Columns) -> Expression:
        """The formula over `values`, which has an expression for each of `names`."""
        # A bare name is handed on as it is: a cast of each of millions of counts takes its time.
        return values[self.name] if self.name else _sql(self._tree, values)

    def value(self, values: Mapping[str, Decimal | int | None]) -> Decimal | None:
        """The formula over numbers; None where a part is unknown or a division is by zero."""
        return _value(self._tree, values)


def _names(node: ast.expr) -> set[str]:
    match node:
        case ast.Name(id=name):
            return {name}
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool) and math.isfinite(value):
            return set()
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _names(operand)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _SIGNS:
            return _names(left) | _names(right)
        case ast.Call(func=ast.Name(id="percent"), args=[part, whole], keywords=[]):
            return _names(part) | _names(whole)
    raise FormulaInvalid(f"{ast.unparse(node)!r} is no part of a formula: names, numbers, + - * /, percent(a, b)")


def _sql(node: ast.expr, values: Columns) -> Expression:
    match node:
        case ast.Name(id=name):
            return values[name]
        case ast.Constant(value=int() as value):
            return sa.cast(sa.literal(value), sa.BigInteger)
        case ast.Constant(value=value):
            return sa.cast(sa.literal(Decimal(str(value))), sa.Numeric)
        case ast.UnaryOp(operand=operand):
            return -_sql(operand, values)
        case ast.BinOp(left=left, op=sign, right=right):
            return _SIGNS[type(sign)](_sql(left, values), _sql(right, values))
        case ast.Call(args=[part, whole]):
            return _SIGNS[ast.Div](100 * sa.cast(_sql(part, values), sa.Numeric), _sql(whole, values))
    raise AssertionError(node)


def _value(node: ast.expr, values: Mapping[str, Decimal | int | None]) -> Decimal | None:
    match node:
        case ast.Name(id=name):
            found = values[name]
            return None if found is None else Decimal(found)
        case ast.Constant(value=value):
            return Decimal(str(value))
        case ast.UnaryOp(operand=operand):
            inner = _value(operand, values)
            return None if inner is None else -inner
        case ast.BinOp(left=left, op=sign, right=right):
            one, other = _value(left, values), _value(right, values)
            if one is None or other is None or (isinstance(sign, ast.Div) and other == 0):
                return None
            return one / other if isinstance(sign, ast.Div) else _SIGNS[type(sign)](one, other)  # type: ignore[arg-type,return-value]
        case ast.Call(args=[part, whole]):
            one, other = _value(part, values), _value(whole, values)
            return None if one is None or not other else 100 * one / other
    raise AssertionError(node)
