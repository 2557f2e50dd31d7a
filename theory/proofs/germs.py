"""Values at operands with a far digit, for all far enough places at once: why no finite delay is enough.

Write M = B^k. At operands u + s*M and v + t*M with fixed integers u, s, v, t the value of most expressions is one polynomial in M for all
k from some place on: its germ, the coefficients (g_0, g_1, ...). Arithmetic acts on the coefficients, and the order is that of the leading
ones. A remainder mod p needs p to divide what stands before each power of M (the primes of p that B lacks must divide the coefficient). A
digit sum adds up over coefficients >= 0, and reversal drops the zeros at the end. Where no rule applies there is no germ.

Three facts about a result in digits (the number stands between unlimited zeros, see theory.proofs.properties):

- Least significant first with delay d, digit j is written before digit j + d + 1 is read. So if g_0 is not f(u, v), some digit j of the
  result changes with operand digits k at any distance, and no delay is enough.
- Most significant first with delay d, the digits of f(s*M, t*M) from M on are written before the machine could tell the k zeros from the
  end of the number: floor(f(s*M, t*M) / M) = f(s, t) for all k >= d.
- Most significant first, two pairs of operands that agree but for digit 0 give the same digits from place d on: if floor(f / M) differs for
  all large k, no delay is enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import floor
from typing import TypeVar

from theory.language.expressions import Binary, Call, Const, Expression, Var, evaluate
from theory.proofs.residues import prime_to
from theory.proofs.verdicts import Proof

Germ = tuple[Fraction, ...]
Point = tuple[int, int]
Certificate = TypeVar("Certificate", bound=Proof)

CHECKED = range(12, 25)  # places k at which a germ is compared with the value, in integers
LOW = ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2))
PAIRS = ((0, 0), (0, 1), (1, 0), (-1, -1), (-2, -1), (-1, -2))  # low parts of one operand that agree but for digit 0


class NoGerm(Exception):
    """No rule gives the value as a polynomial in M."""


def germ(expression: Expression, low: Point, high: Point, base: int) -> Germ:
    """Coefficients of the value at (low + M*high) as a polynomial in M, for all large powers M of the base.

    Raises:
        NoGerm: there is none, or no rule finds it.
    """
    match expression:
        case Var(name):
            place = "ab".index(name)
            return _trim(low[place], high[place])
        case Const(value):
            return _trim(value)
        case Binary(op, left, right):
            x, y = (germ(side, low, high, base) for side in (left, right))
            match op:
                case "+":
                    return _sum(x, y)
                case "-":
                    return _sum(x, _scaled(y, -1))
                case "*":
                    return _times(x, y)
            p = int(y[0])
            rest = _trim(_remainder(x, p, base))
            return rest if op == "%" else _scaled(_sum(x, _scaled(rest, -1)), Fraction(1, p))
        case Call(name, args, radix):
            if radix not in (0, base):
                raise NoGerm  # digits of another base do not see M as one digit
            return _call(name, [germ(arg, low, high, base) for arg in args], radix)


def _trim(*coefficients: int | Fraction) -> Germ:
    found = [Fraction(c) for c in coefficients]
    while found and found[-1] == 0:
        found.pop()
    return tuple(found)


def _sum(x: Germ, y: Germ) -> Germ:
    size = max(len(x), len(y))
    return _trim(*(p + q for p, q in zip(_padded(x, size), _padded(y, size), strict=True)))


def _padded(x: Germ, size: int) -> Germ:
    return x + (Fraction(0),) * (size - len(x))


def _scaled(x: Germ, factor: int | Fraction) -> Germ:
    return _trim(*(c * factor for c in x))


def _times(x: Germ, y: Germ) -> Germ:
    found = [Fraction(0)] * (len(x) + len(y))
    for i, c in enumerate(x):
        for j, d in enumerate(y):
            found[i + j] += c * d
    return _trim(*found)


def _remainder(x: Germ, p: int, base: int) -> int:
    """x mod p: every coefficient but the first must vanish mod p with a large power of the base."""
    if any(prime_to((c / p).denominator, base) > 1 for c in x[1:]):
        raise NoGerm
    return int(x[0]) % p if x else 0


def _sign(x: Germ) -> int:
    return 0 if not x else 1 if x[-1] > 0 else -1


def _call(name: str, args: list[Germ], radix: int) -> Germ:
    x, y = args[0], args[-1]
    order = _sign(_sum(x, _scaled(y, -1)))
    match name:
        case "abs":
            return _scaled(x, _sign(x))
        case "min":
            return x if order < 0 else y
        case "max":
            return x if order > 0 else y
        case "<" | "<=" | "==" | "!=":
            return _trim(int({"<": order < 0, "<=": order <= 0, "==": order == 0, "!=": order != 0}[name]))
    if any(c < 0 or c.denominator > 1 for c in x) or (name == "reverse" and sum(c != 0 for c in x) > 1):
        raise NoGerm
    return _trim(sum(int(evaluate(Call(name, (Const(int(c)),), radix), 0, 0)) for c in x))


def _floor_ratio(x: Germ) -> int | None:
    """floor(value / M) for all large M; None where it grows."""
    if len(x) > 2:
        return None
    first, slope = _padded(x, 2)
    return floor(slope) - int(slope.denominator == 1 and first < 0)


def _value(found: Germ, unit: int) -> Fraction:
    return sum((c * unit**i for i, c in enumerate(found)), Fraction(0))


def _show(coefficients: Iterable[int | Fraction]) -> str:
    """3M - 1 for (-1, 3)."""
    powers = [(c, "" if i == 0 else "M" if i == 1 else f"M^{i}") for i, c in enumerate(coefficients) if c]
    parts = [f"{'-' if c < 0 else '+'} {'' if power and abs(c) == 1 else abs(c)}{power}" for c, power in reversed(powers)]
    return " ".join(parts).removeprefix("+ ").replace("- ", "-", 1 if parts and parts[0][0] == "-" else 0) or "0"


def _place(low: Point, high: Point) -> str:
    return f"({', '.join(_show(pair) for pair in zip(low, high, strict=True))})"


# ------------------------------------------------------------------------------------------------------------------ certificates


@dataclass(frozen=True)
class _Family:
    """What the three certificates share: the germ, computed again and compared with plain integers at the places CHECKED.

    Only values >= 0 count: others have no digits.
    """

    expression: Expression
    base: int
    low: Point
    high: Point

    @property
    def germ(self) -> Germ:
        return germ(self.expression, self.low, self.high, self.base)

    @property
    def text(self) -> str:
        """The certificate in words."""
        return f"at {_place(self.low, self.high)} the value is {_show(self.germ)} for all large M = {self.base}^k; {self._meaning()}"

    def _meaning(self) -> str:
        raise NotImplementedError  # each kind of certificate says it in its own words

    def _agrees(self) -> bool:
        found = self.germ
        units = [self.base**k for k in CHECKED]
        points = [(m, *(u + s * m for u, s in zip(self.low, self.high, strict=True))) for m in units]
        values = all(evaluate(self.expression, a, b) == _value(found, m) and min(a, b) >= 0 for m, a, b in points)
        return values and _sign(found) >= 0


@dataclass(frozen=True)
class FarAbove(_Family):
    """Least significant first: a digit of the result depends on an operand digit at any distance above."""

    def _meaning(self) -> str:
        return f"f{self.low} = {evaluate(self.expression, *self.low)}: low digits of the result need operand digits at any distance above"

    def check(self) -> bool:
        """The germ agrees with integers, and its low part is not the value at `low`."""
        value = evaluate(self.expression, *self.low)
        return self._agrees() and value >= 0 and _padded(self.germ, 1)[0] != value


@dataclass(frozen=True)
class Unscaled(_Family):
    """Most significant first: the operands `high`, moved up by k zeros, do not move the result up by k zeros (`low` is 0)."""

    def _meaning(self) -> str:
        return f"f{self.high} = {evaluate(self.expression, *self.high)}: k zeros below the operands do not put k zeros below the result"

    def check(self) -> bool:
        """The germ agrees with integers, and its part from M on is not the value at `high`."""
        value = evaluate(self.expression, *self.high)
        return self.low == (0, 0) and self._agrees() and value >= 0 and _floor_ratio(self.germ) != value


@dataclass(frozen=True)
class FarBelow(_Family):
    """Most significant first: the last digit alone changes the result from place k on, for all large k. `other` is the second low part."""

    other: Point

    def _meaning(self) -> str:
        second = _show(germ(self.expression, self.other, self.high, self.base))
        return f"at {_place(self.other, self.high)} it is {second}: the last digit of the operands changes digit k of the result"

    def check(self) -> bool:
        """Both germs agree with integers; the operands agree but for digit 0; the results differ from place k on."""
        second = _Family(self.expression, self.base, self.other, self.high)
        agree = all(u // self.base == v // self.base for u, v in zip(self.low, self.other, strict=True))
        return agree and self._agrees() and second._agrees() and _floor_ratio(self.germ) != _floor_ratio(second.germ)


def far_above(expression: Expression, base: int) -> FarAbove | None:
    """A certificate that no machine reads least significant first, where small operands give one."""
    return _first(FarAbove(expression, base, low, high) for low in LOW for high in ((1, 0), (0, 1)))


def far_below(expression: Expression, base: int) -> Unscaled | FarBelow | None:
    """A certificate that no machine reads most significant first, where small operands give one."""
    scaled = _first(Unscaled(expression, base, (0, 0), (s, t)) for s in range(4) for t in range(4))
    if scaled is not None:
        return scaled
    # a low part below 0 borrows from a high part of at least 1: M - 1 is the number of k digits B - 1
    return _first(
        FarBelow(expression, base, (u, v), (s, t), (w, z))
        for s, t in ((0, 1), (1, 0), (1, 1))
        for (u, w), (v, z) in product(PAIRS, PAIRS)
        if (u, v) != (w, z) and (s or min(u, w) >= 0) and (t or min(v, z) >= 0)
    )


def _first(candidates: Iterable[Certificate]) -> Certificate | None:
    for found in candidates:
        try:
            if found.check():
                return found
        except NoGerm:
            continue
    return None
