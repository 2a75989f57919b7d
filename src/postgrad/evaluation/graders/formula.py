"""The formula of a multi grader: a calculator of its own, so that no formula can do anything but calculate.

Numbers, names of graders, + - * / ^ (a power), brackets, and min max abs floor ceil exp sqrt log.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_LONGEST = 1_000
_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
}
_ONE_ARGUMENT = _FUNCTIONS.keys() - {"min", "max"}


@dataclass(frozen=True)
class Formula:
    """A parsed formula and the names in it."""

    tree: ast.expr
    names: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> Formula:
        """Reads a formula.

        Raises:
            ValueError: It is none; the message says which piece.
        """
        if len(text) > _LONGEST:
            raise ValueError(f"the formula is longer than {_LONGEST} characters")
        try:
            tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            raise ValueError(f"the formula {text!r} cannot be read") from error
        try:
            return cls(tree, frozenset(_check(tree)))
        except RecursionError as error:
            raise ValueError("the formula is nested too deeply") from error

    def value(self, rewards: Mapping[str, float]) -> float:
        """The formula with these rewards.

        Raises:
            ArithmeticError: It cannot be calculated: a division by zero, the log of 0, a result without bound.
        """
        try:
            value = float(_value(self.tree, rewards))
        except (ValueError, RecursionError) as error:  # math's domain error; nested too deeply for this stack
            raise ArithmeticError(str(error)) from error
        if not math.isfinite(value):
            raise ArithmeticError("the result is not a finite number")
        return value


def _check(node: ast.expr) -> set[str]:
    """The names in a tree that holds nothing but what is allowed."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return set()
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _check(node.left) | _check(node.right)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _check(node.operand)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        name = node.func.id
        if name not in _FUNCTIONS:
            raise ValueError(f"the formula knows no function {name!r}; there are {', '.join(_FUNCTIONS)}")
        if not node.args or (name in _ONE_ARGUMENT and len(node.args) != 1):
            raise ValueError(f"{name} takes {'one value' if name in _ONE_ARGUMENT else 'at least one value'}")
        return set[str]().union(*(_check(argument) for argument in node.args))
    raise ValueError(f"the formula may not hold {ast.unparse(node)!r}")


def _value(node: ast.expr, rewards: Mapping[str, float]) -> float:
    if isinstance(node, ast.Constant):
        return float(node.value)  # pyright: ignore[reportArgumentType] - checked: int or float
    if isinstance(node, ast.Name):
        return rewards[node.id]
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)](_value(node.left, rewards), _value(node.right, rewards))
    if isinstance(node, ast.UnaryOp):
        return _UNARY[type(node.op)](_value(node.operand, rewards))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _FUNCTIONS[node.func.id](*(_value(argument, rewards) for argument in node.args))
    raise ValueError(f"unchecked {ast.dump(node)}")
