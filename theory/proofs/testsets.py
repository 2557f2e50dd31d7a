"""Finite test sets: a finite check that proves an identity for all integers.

The finite test-set theorem, sharpened per operand: for an expression E over + - * % // let d_a be its degree in a, with
degree 0 for E % q, and let D_a be the product of the divisors along nesting (only where the part below has a positive degree in a), lcm
across + - *; the same for b. Then on every residue class mod (D_a, D_b) the expression is a polynomial of degrees (d_a, d_b), so it is
identically 0 iff it is 0 on the grid [0, D_a(d_a+1)) x [0, D_b(d_b+1)). And for a polynomial P, the function P % p is identically 0 iff it
is 0 on [0, d_a] x [0, d_b]: the forward differences there are the coefficients of P in the basis C(a, i) C(b, j), and P vanishes mod p iff
they all do. This second test does not grow with p.
"""

from __future__ import annotations

import random
from functools import cache
from math import lcm

from theory.language.expressions import (
    Binary,
    Call,
    Const,
    Expression,
    Var,
    bounds,
    evaluate,
    has_call,
    nodes,
    polynomial,
    substitute,
    to_text,
)

GRID_LIMIT = 2_500_000  # points of an exact test
GRID_LIMIT_BIG = 500_000  # of those whose values leave 64 bits: ten times the memory and the time


class Undecided(Exception):
    """An exact test would need a larger grid than the limits allow."""


def degrees(expression: Expression) -> tuple[int, int]:
    """Upper bounds of the degrees in a and b on a residue class; (0, 0) implies a bounded, periodic function.

    Functions have no such degree; what holds of them is that (0, 0) comes of periodic arguments alone.
    """
    match expression:
        case Var(name):
            return (1, 0) if name == "a" else (0, 1)
        case Const():
            return 0, 0
        case Binary("%", left) if not has_call(left):
            return 0, 0
        case Call(_, args):
            found = [degrees(arg) for arg in args]
            return max(i for i, _ in found), max(j for _, j in found)
        case Binary("//", left):
            return degrees(left)
        case Binary(op, left, right):
            (i, j), (k, m) = degrees(left), degrees(right)
            return (i + k, j + m) if op == "*" else (max(i, k), max(j, m))


def period(expression: Expression) -> tuple[int, int]:
    """(D_a, D_b): the function is polynomial on every residue class mod these, of the degrees above."""
    match expression:
        case Binary("%" | "//", left, Const(q)):
            (i, j), (k, m) = degrees(left), period(left)
            return (k * q if i else k), (m * q if j else m)
        case Binary(_, left, right):
            (i, j), (k, m) = period(left), period(right)
            return lcm(i, k), lcm(j, m)
        case Call(_, args):
            found = [period(arg) for arg in args]
            return lcm(*(i for i, _ in found)), lcm(*(j for _, j in found))
    return 1, 1


def magnitude(expression: Expression, largest: int) -> int:
    """A bound of every intermediate value for 0 <= a, b <= largest."""
    return max(abs(bound) for node in nodes(expression) for bound in bounds(node, largest))


@cache
def _samples() -> tuple[tuple[int, int], ...]:
    rng = random.Random(0)
    small = [(a, b) for a in range(12) for b in range(12)]
    return (*small, *((rng.getrandbits(rng.randint(1, 14)), rng.getrandbits(rng.randint(1, 14))) for _ in range(400)))


def nonzero_point(expression: Expression) -> tuple[int, int] | None:
    """A point (a, b) with a value other than 0; None where the expression is identically 0, which is then proven.

    Raises:
        Undecided: no such point among the samples, and the exact test is too large.

    >>> from theory.language.expressions import parse
    >>> nonzero_point(parse("a//2//3 - a//6")), nonzero_point(parse("a//2//2"))
    (None, (4, 0))
    """
    for a, b in _samples():
        if evaluate(expression, a, b):
            return a, b
    if has_call(expression) and degrees(expression) != (0, 0):
        raise Undecided(f"{to_text(expression)} is outside the class that finite test sets decide")
    inner = polynomial(expression.left) if isinstance(expression, Binary) and expression.op == "%" else polynomial(expression)
    d, e = (max((key[k] for key in inner), default=0) for k in (0, 1)) if inner is not None else degrees(expression)
    rows, columns = (1, 1) if inner is not None else period(expression)
    rows, columns = rows * (d + 1), columns * (e + 1)
    fits = magnitude(expression, max(rows, columns)) < 2**62
    if rows * columns > (GRID_LIMIT if fits else GRID_LIMIT_BIG):
        raise Undecided(f"the exact test needs a grid of {rows} x {columns} points")
    import numpy as np

    dtype = np.int64 if fits else object
    grid = np.arange(rows).astype(dtype)[:, None], np.arange(columns).astype(dtype)[None, :]
    hits = np.argwhere(np.broadcast_to(evaluate(expression, *grid) != 0, (rows, columns)))
    return (int(hits[0][0]), int(hits[0][1])) if len(hits) else None


def shift_witness(expression: Expression, shift: int) -> tuple[str, int, int] | None:
    """(operand, a, b) where adding `shift` to the operand changes the value, or None where shift is proven a period in both operands.

    Raises:
        Undecided: see nonzero_point.

    >>> from theory.language.expressions import parse
    >>> shift_witness(parse("a % 6"), 6), shift_witness(parse("a % 6"), 3)
    (None, ('a', 0, 0))
    """
    for name, degree, step in zip("ab", degrees(expression), period(expression), strict=True):
        moved = Binary("+", Var(name), Const(shift if degree else shift % step))
        moves: dict[str, Expression] = {other: moved if other == name else Var(other) for other in "ab"}
        match expression:
            case Binary("%", inner, Const(p)) if polynomial(inner) is not None:
                change = Binary("%", Binary("-", substitute(inner, moves), inner), Const(p))
            case _:
                change = Binary("-", substitute(expression, moves), expression)
        point = nonzero_point(change)
        if point is not None:
            return (name, *point)
    return None
